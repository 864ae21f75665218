//! answerInlineQuery, with articles.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::send::{put_text, text_of_field};
use crate::demo::botapi::error::ApiError;
use crate::demo::botapi::inline::{InlineAnswer, Offered};
use crate::demo::botapi::params::Params;
use crate::demo::botapi::shared::{PageEvent, State};

const RESULTS_MAX: usize = 50;
/// Of a result's id and of an offset.
const ID_MAX_BYTES: usize = 64;
/// What `cache_time` is where it is left out.
const CACHE_S: i64 = 300;

pub(super) fn answer(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let Some(Value::Array(given)) = params.json("results")? else {
        return Err(ApiError::bad_request("can't parse inline query results JSON object"));
    };
    if given.len() > RESULTS_MAX {
        return Err(ApiError::bad_request("RESULTS_TOO_MUCH"));
    }
    let next_offset = params.text("next_offset").unwrap_or_default();
    if next_offset.len() > ID_MAX_BYTES {
        return Err(ApiError::bad_request("NEXT_OFFSET_INVALID"));
    }
    let results = given.iter().map(offered).collect::<Result<Vec<Offered>, ApiError>>()?;
    let ids: BTreeSet<&str> = results.iter().map(|result| result.id.as_str()).collect();
    if ids.len() < results.len() {
        return Err(ApiError::bad_request("RESULT_ID_DUPLICATE"));
    }
    let answer = InlineAnswer {
        results,
        next_offset,
        is_personal: params.flag("is_personal"),
        cache_s: params.integer("cache_time").unwrap_or(CACHE_S),
    };
    let query_id = params.text("inline_query_id").unwrap_or_default();
    let shown = shown(&query_id, &answer);
    let Some(user_id) = state.inline.answer(&query_id, answer) else {
        let problem = "query is too old and response timeout expired or query ID is invalid";
        return Err(ApiError::bad_request(problem));
    };
    // Nobody has to look.
    let _ = state.page.send(PageEvent::Offered { user_id, answer: shown });
    Ok(json!(true))
}

fn offered(result: &Value) -> Result<Offered, ApiError> {
    let text_at = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
    let id = text_at("id");
    if id.is_empty() || id.len() > ID_MAX_BYTES {
        return Err(ApiError::bad_request("RESULT_ID_INVALID"));
    }
    if text_at("type") != "article" {
        return Err(ApiError::bad_request("only articles can be offered here"));
    }
    if text_at("title").trim().is_empty() {
        return Err(ApiError::bad_request("ARTICLE_TITLE_EMPTY"));
    }
    let Value::Object(message) = &result["input_message_content"] else {
        return Err(ApiError::bad_request("input message content is not specified"));
    };
    let content = text_of_field(&Params::new(message.clone()), "message_text")?;
    let mut body = Map::new();
    put_text(&mut body, &content);
    if let Some(options) = message.get("link_preview_options") {
        body.insert("link_preview_options".to_owned(), options.clone());
    }
    let (title, description) = (text_at("title"), text_at("description"));
    Ok(Offered { id, title, description, text: content.text, body })
}

/// What the chat page shows to pick from.
fn shown(query_id: &str, answer: &InlineAnswer) -> Value {
    let result = |result: &Offered| json!({"id": result.id, "title": result.title, "description": result.description});
    let results: Vec<Value> = answer.results.iter().map(result).collect();
    json!({"query_id": query_id, "results": results})
}
