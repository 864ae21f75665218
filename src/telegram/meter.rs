//! What is counted of the talk with Telegram since the process began.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::client::CallError;
use crate::clock;
use crate::kernel::time::HOUR_MS;
use crate::meter::{Counter, Histogram, LastTime};

/// Telegram counts as reachable for this long after its last answer: more than a long poll, or the
/// pause between two looks at the webhook, takes.
const REACHABLE_MS: i64 = 150_000;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Done,
    Refused,
    Unsent,
    Unknown,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Unsent => "unsent",
            Outcome::Unknown => "unknown",
        }
    }

    fn of<T>(result: &Result<T, CallError>) -> Outcome {
        match result {
            Ok(_) => Outcome::Done,
            Err(CallError::Refused { .. }) => Outcome::Refused,
            Err(CallError::Unsent(_)) => Outcome::Unsent,
            Err(CallError::Unknown(_)) => Outcome::Unknown,
        }
    }
}

/// What became of the messages of the outbox, an attempt each.
#[derive(Debug, Default)]
pub struct Messages {
    pub sent: Counter,
    /// Another attempt follows.
    pub retried: Counter,
    /// Telegram will not have it, or its chat is gone.
    pub refused: Counter,
}

/// The counts.
#[derive(Debug, Default)]
pub struct Meter {
    calls: Mutex<BTreeMap<(String, Outcome), u64>>,
    /// Long polls left out: they last as long as nothing happens.
    pub call_times: Histogram,
    pub messages: Messages,
    webhook: Mutex<BTreeMap<u16, u64>>,
    answered: LastTime,
    unanswered: LastTime,
    /// The last call that was carried out.
    accepted: LastTime,
    complained: LastTime,
}

impl Meter {
    /// Counts a call that has ended.
    pub(super) fn count_call<T>(
        &self,
        method: &str,
        took: Duration,
        result: &Result<T, CallError>,
    ) {
        let outcome = Outcome::of(result);
        let now_ms = clock::monotonic_ms();
        match (outcome, result) {
            // A token that was revoked is as bad as no answer: nothing works until it is replaced.
            (Outcome::Unsent | Outcome::Unknown, _)
            | (_, Err(CallError::Refused { code: 401, .. })) => self.unanswered.set(now_ms),
            (Outcome::Done | Outcome::Refused, _) => self.answered.set(now_ms),
        }
        if outcome == Outcome::Done {
            self.accepted.set(now_ms);
        }
        if method != "getUpdates" {
            self.call_times.record(took);
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry((method.to_owned(), outcome)).or_default() += 1;
    }

    /// A token that was good and is refused now is complained of once an hour: whoever calls makes
    /// the complaint. One that never was ends the start, which says so itself.
    pub(super) fn may_complain_of_token(&self) -> bool {
        let now_ms = clock::monotonic_ms();
        let is_due = self.complained.get().is_none_or(|last_ms| now_ms - last_ms >= HOUR_MS);
        let may = is_due && self.accepted.get().is_some();
        if may {
            self.complained.set(now_ms);
        }
        may
    }

    /// Calls by method and outcome.
    pub fn calls(&self) -> BTreeMap<(String, Outcome), u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a request to the webhook by the status it was answered with.
    pub(super) fn count_webhook(&self, status: u16) {
        *self.webhook.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() +=
            1;
    }

    /// Requests to the webhook by status.
    pub fn webhook_requests(&self) -> BTreeMap<u16, u64> {
        self.webhook.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long ago Telegram last answered anything.
    pub fn since_answer(&self) -> Option<Duration> {
        let passed_ms = clock::monotonic_ms().saturating_sub(self.answered.get()?);
        Some(Duration::from_millis(u64::try_from(passed_ms).unwrap_or(0)))
    }

    /// Did the newest call bring an answer, and not too long ago?
    pub fn is_reachable(&self) -> bool {
        let Some(answered_ms) = self.answered.get() else { return false };
        let is_newest = self.unanswered.get().is_none_or(|failed_ms| failed_ms <= answered_ms);
        is_newest && clock::monotonic_ms().saturating_sub(answered_ms) <= REACHABLE_MS
    }
}
