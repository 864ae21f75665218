//! The log of API calls, for tests: what the bot asked for and what it was told.

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::Value;

/// Calls kept; the oldest go first.
const CALLS_MAX: usize = 20_000;

/// One API call, whatever became of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counts from 0 over all calls.
    pub number: u64,
    /// In the spelling of the documentation, if it is a known method.
    pub method: String,
    /// Parameters as JSON; an uploaded file is `{"file_name", "size"}`.
    pub params: Value,
    pub at: Instant,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// The scripted effect it met, in words.
    pub fault: Option<String>,
    /// The action took place (whether or not the bot heard of it).
    pub performed: bool,
    /// The envelope that was sent back; `None` while it waits, when nothing was sent, and
    /// when it was a page of HTML.
    pub answer: Option<Value>,
}

impl Call {
    /// The call was performed, and the bot knows it.
    pub fn succeeded(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer["ok"] == true)
    }

    /// The error the bot was told.
    pub fn error_code(&self) -> Option<i64> {
        self.answer.as_ref()?["error_code"].as_i64()
    }

    pub fn chat_id(&self) -> Option<i64> {
        chat_id_of(&self.params)
    }

    /// A parameter as text; empty when it is missing.
    pub fn param(&self, name: &str) -> String {
        match &self.params[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

pub(super) fn chat_id_of(params: &Value) -> Option<i64> {
    let chat_id = &params["chat_id"];
    chat_id.as_i64().or_else(|| chat_id.as_str()?.parse().ok())
}

#[derive(Default)]
pub(super) struct Calls {
    kept: VecDeque<Call>,
    next: u64,
}

impl Calls {
    /// Adds a call; its number is given here.
    pub(super) fn add(&mut self, mut call: Call) -> u64 {
        let number = self.next;
        call.number = number;
        self.next += 1;
        self.kept.push_back(call);
        if self.kept.len() > CALLS_MAX {
            self.kept.pop_front();
        }
        number
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Call> {
        let first = self.kept.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.kept.get_mut(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.kept.iter()
    }
}
