//! Inline mode: an answer to what somebody types behind our name, as the Bot API takes it.
//!
//! Invariant: an answer is its asker's own, so that Telegram shows it to nobody else who types the
//! same, and none goes out later than Telegram takes it.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::kernel::chat::Incoming;
use crate::kernel::inline::{InlinePage, InlineResult};
use crate::kernel::text::MESSAGE_LIMIT_UTF16;
use crate::kernel::time::SECOND_MS;
use crate::store::outbox::{self, Call};
use crate::store::{StoreError, inbox};

/// Telegram takes an answer for about this long.
pub const ANSWERED_MS: i64 = 10 * SECOND_MS;
/// So long Telegram answers the same asker by itself: readings come every half minute, and whoever
/// is let in should not wait. In seconds.
const CACHE_S: u32 = 10;

/// Puts the answer into the outbox.
pub(super) async fn answer(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    query_id: &str,
    page: &InlinePage,
    now_ms: i64,
) -> Result<(), StoreError> {
    let received_at = inbox::received_at(db, incoming.update_id).await?;
    let asked_at = received_at.map_or(now_ms, |at_ms| at_ms.min(now_ms));
    let call = call(query_id, page);
    outbox::answer_inline(db, incoming.place, call, now_ms, asked_at + ANSWERED_MS).await
}

fn call(query_id: &str, page: &InlinePage) -> Call {
    let params = json!({
        "inline_query_id": query_id,
        "results": page.results.iter().map(article).collect::<Value>(),
        "cache_time": CACHE_S,
        "is_personal": true,
        "next_offset": page.next.map_or_else(String::new, |given| given.to_string()),
    });
    Call { method: outbox::ANSWER_INLINE.to_owned(), params }
}

/// What is shown to pick, and what is said then (Bot API, `InlineQueryResultArticle`).
fn article(result: &InlineResult) -> Value {
    let text = result.text.split(MESSAGE_LIMIT_UTF16).into_iter().next().unwrap_or_default();
    json!({
        "type": "article",
        "id": result.id,
        "title": result.title.to_plain(),
        "description": result.description.to_plain(),
        "input_message_content": {
            "message_text": text.html(),
            "parse_mode": "HTML",
            "link_preview_options": { "is_disabled": true },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::text::Text;

    #[test]
    fn an_answer_is_its_askers_own_and_what_is_said_is_escaped() {
        let result = InlineResult {
            id: "plant-7".to_owned(),
            title: Text::new().data("<b>Cyril\u{202e}"),
            description: Text::of("20 %"),
            text: Text::new().bold("<b>Cyril\u{202e}"),
        };
        let page = InlinePage { results: vec![result], next: Some(20) };
        let params = call("42", &page).params;
        assert_eq!(params["is_personal"], true);
        assert_eq!(params["next_offset"], "20");
        let article = &params["results"][0];
        assert_eq!(article["title"], "<b>Cyril\\u{202e}");
        let said = &article["input_message_content"];
        assert_eq!(said["message_text"], "<b>&lt;b&gt;Cyril\\u{202e}</b>");
        assert_eq!(call("42", &InlinePage::default()).params["next_offset"], "");
    }
}
