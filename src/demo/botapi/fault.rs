//! Scripted faults: which calls meet one, and what happens to them.

use std::time::Duration;

use serde_json::{Value, json};

/// A fault and the calls that meet it. The first scripted fault that fits is met.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Only this method; any when `None`. Upper and lower case are the same.
    pub method: Option<String>,
    /// Only calls with this `chat_id`; any when `None`.
    pub chat_id: Option<i64>,
    /// Gone after so many calls; stays until [`super::Handle::clear_faults`] when `None`.
    pub times: Option<u32>,
    pub effect: Effect,
}

/// What happens to a call that meets a fault.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Not performed; answered with an error of the Bot API.
    Status { code: u16, description: String, parameters: Option<Value> },
    /// Not performed; answered with a page of HTML, as a proxy in trouble does.
    HtmlPage(u16),
    /// Performed; then silence for so long, and the connection closes. The outcome is unknown.
    AcceptThenHang(Duration),
    /// Performed; the connection closes without an answer. The outcome is unknown.
    AcceptThenDrop,
    /// Performed; answered with a page of HTML under this status. The outcome is unknown.
    AcceptThenPage(u16),
    /// Not performed, never answered.
    Hang,
    /// Not performed; the connection closes without an answer.
    DropBefore,
    /// Performed and answered, so much later.
    Delay(Duration),
    /// Every connection is closed at once, old and new, until cleared; which calls the
    /// fault was meant for does not matter.
    Unreachable,
}

impl Fault {
    /// Every call, until cleared.
    pub fn always(effect: Effect) -> Fault {
        Fault { method: None, chat_id: None, times: None, effect }
    }

    /// Every call of one method, until cleared.
    pub fn on(method: &str, effect: Effect) -> Fault {
        Fault { method: Some(method.to_owned()), ..Fault::always(effect) }
    }

    /// Only calls about this chat.
    #[must_use]
    pub fn in_chat(self, chat_id: i64) -> Fault {
        Fault { chat_id: Some(chat_id), ..self }
    }

    /// Only the first `times` calls that fit.
    #[must_use]
    pub fn times(self, times: u32) -> Fault {
        Fault { times: Some(times), ..self }
    }
}

impl Effect {
    /// 429, with the seconds to wait.
    pub fn too_many_requests(retry_after_s: u32) -> Effect {
        Effect::Status {
            code: 429,
            description: format!("Too Many Requests: retry after {retry_after_s}"),
            parameters: Some(json!({"retry_after": retry_after_s})),
        }
    }

    /// An error without parameters, such as 403 or 502.
    pub fn status(code: u16, description: &str) -> Effect {
        Effect::Status { code, description: description.to_owned(), parameters: None }
    }
}

/// The faults that are still to be met.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Vec<Fault>,
}

impl Script {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(super) fn is_unreachable(&self) -> bool {
        self.faults.iter().any(|fault| matches!(fault.effect, Effect::Unreachable))
    }

    /// What happens to this call; uses up one of the fault's times.
    pub(super) fn meet(&mut self, method: &str, chat_id: Option<i64>) -> Option<Effect> {
        let index = self.faults.iter().position(|fault| fits(fault, method, chat_id))?;
        let effect = self.faults[index].effect.clone();
        let stays = matches!(effect, Effect::Unreachable);
        if let Some(times) = self.faults[index].times.as_mut().filter(|_| !stays) {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.faults.remove(index);
            }
        }
        Some(effect)
    }
}

fn fits(fault: &Fault, method: &str, chat_id: Option<i64>) -> bool {
    if fault.times == Some(0) {
        return false;
    }
    let same_method = fault.method.as_ref().is_none_or(|only| only.eq_ignore_ascii_case(method));
    let same_chat = fault.chat_id.is_none() || fault.chat_id == chat_id;
    matches!(fault.effect, Effect::Unreachable) || (same_method && same_chat)
}
