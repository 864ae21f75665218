//! Inline mode: a person types the bot's name and some words, sees what it offers, and picks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::handle::Handle;
use super::people::send;
use super::shared::State;

/// An answer is taken for this long.
const OPEN_FOR: Duration = Duration::from_secs(10);
/// Queries remembered; the oldest go first.
const QUERIES_MAX: usize = 1_000;

/// What people typed behind the bot's name, oldest first.
#[derive(Debug, Default)]
pub(super) struct InlineMode {
    /// Nobody has switched it on (@BotFather's /setinline).
    pub is_off: bool,
    queries: VecDeque<Query>,
}

#[derive(Debug)]
struct Query {
    id: String,
    user_id: i64,
    /// `None` once it is too old.
    asked: Option<Instant>,
    answer: Option<InlineAnswer>,
}

/// What a person is offered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InlineAnswer {
    pub results: Vec<Offered>,
    /// Empty where there are no more.
    pub next_offset: String,
    /// The answer is for this person alone.
    pub is_personal: bool,
    /// How long the same query is answered without the bot, in seconds.
    pub cache_s: i64,
}

/// A result as a person sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    pub id: String,
    pub title: String,
    pub description: String,
    /// The text that is said when it is picked, without markup.
    pub text: String,
    /// What the message has besides who sends it and where.
    pub(super) body: Map<String, Value>,
}

impl InlineMode {
    /// Takes an answer and says whose query it is. `None`: there is none, or it is too old.
    pub(super) fn answer(&mut self, id: &str, answer: InlineAnswer) -> Option<i64> {
        let query = self.queries.iter_mut().find(|query| query.id == id)?;
        if query.asked.is_none_or(|asked| asked.elapsed() > OPEN_FOR) {
            return None;
        }
        query.answer = Some(answer);
        Some(query.user_id)
    }

    fn offered(&self, user_id: i64, query_id: Option<&str>, result_id: &str) -> Option<&Offered> {
        let is_theirs = |query: &&Query| {
            query.user_id == user_id && query_id.is_none_or(|wanted| query.id == wanted)
        };
        let answer =
            self.queries.iter().rev().filter(is_theirs).find_map(|it| it.answer.as_ref())?;
        answer.results.iter().find(|result| result.id == result_id)
    }
}

/// A person types behind the bot's name. Gives the ids of the update and of the query.
fn ask(state: &mut State, user_id: i64, typed: &str, offset: &str) -> (i64, String) {
    let id = fastrand::u64(1..=i64::MAX as u64).to_string();
    let query = json!({
        "id": id,
        "from": state.world.person(user_id).user(),
        "query": typed,
        "offset": offset,
        "chat_type": "sender",
    });
    if state.inline.is_off {
        return (state.world.next_update_id, id);
    }
    let asked = Some(Instant::now());
    state.inline.queries.push_back(Query { id: id.clone(), user_id, asked, answer: None });
    if state.inline.queries.len() > QUERIES_MAX {
        state.inline.queries.pop_front();
    }
    (state.queue("inline_query", &query), id)
}

/// Says what a person picks.
fn pick(
    state: &mut State,
    (chat_id, user_id): (i64, i64),
    query_id: Option<&str>,
    result_id: &str,
) -> Option<i64> {
    let mut body = state.inline.offered(user_id, query_id, result_id)?.body.clone();
    body.insert("via_bot".to_owned(), state.bot.clone());
    Some(send(state, chat_id, user_id, body))
}

impl Handle {
    /// A person types some words behind the bot's name, in whatever chat. Gives the update's id.
    pub fn inline_query(&self, user_id: i64, typed: &str) -> i64 {
        self.inline_query_from(user_id, typed, "").0
    }

    /// The same, as a client asks for what comes behind an offset; also gives the query's id.
    pub fn inline_query_from(&self, user_id: i64, typed: &str, offset: &str) -> (i64, String) {
        self.shared.act(|state| ask(state, user_id, typed, offset))
    }

    /// Every answer that a person has got, oldest first.
    pub fn inline_answers(&self, user_id: i64) -> Vec<InlineAnswer> {
        self.shared.look(|state| {
            let theirs = state.inline.queries.iter().filter(|query| query.user_id == user_id);
            theirs.filter_map(|query| query.answer.clone()).collect()
        })
    }

    /// A person picks a result of the newest answer, and it is said in a chat in their name.
    pub fn pick(&self, chat_id: i64, user_id: i64, result_id: &str) -> Result<i64, String> {
        let picked = self.shared.act(|state| pick(state, (chat_id, user_id), None, result_id));
        picked.ok_or_else(|| format!("{result_id:?} was not offered to {user_id}"))
    }

    /// The same of one query.
    pub(super) fn pick_of(&self, user_id: i64, query_id: &str, result_id: &str) -> Option<i64> {
        let place = (user_id, user_id);
        self.shared.act(|state| pick(state, place, Some(query_id), result_id))
    }

    /// Every query so far becomes too old to be answered.
    pub fn age_inline_queries(&self) {
        self.shared.act(|state| {
            state.inline.queries.iter_mut().for_each(|query| query.asked = None);
        });
    }

    /// Whether the bot takes inline queries (@BotFather's /setinline).
    pub fn set_inline_mode(&self, is_on: bool) {
        self.shared.act(|state| state.inline.is_off = !is_on);
    }
}
