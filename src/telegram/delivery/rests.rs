//! Chats that are left alone for a while: Telegram said so (its flood limit), or could not take a
//! message just now.
//!
//! Invariant: while the process lives a rest goes by the monotonic clock, which nobody can set.
//! After a restart a flood limit goes by the wall clock, and never for longer than it was meant.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::parks::Park;

/// A chat in which somebody waits for an answer is tried again after this long at most: an answer
/// of half a minute ago is still worth something, one of five minutes ago is not.
const PEOPLE_WAIT: Duration = Duration::from_secs(5);

/// Why a chat rests, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// As long as Telegram says, whoever waits.
    Flood(Duration),
    /// Until the next attempt.
    Fault(Duration),
}

/// The chats that rest, each with when its rest began (monotonic).
#[derive(Debug, Default)]
pub(super) struct Rests {
    chats: HashMap<i64, (Rest, i64)>,
}

impl Rests {
    /// The flood limits that an earlier process was told.
    pub(super) fn of_parks(parks: &[Park], now_ms: i64, monotonic_ms: i64) -> Rests {
        let mut rests = Rests::default();
        for park in parks {
            // A clock that was set back must not park the chat for years.
            let meant_ms = (park.until_at - park.since_at).max(0);
            let left_ms = (park.until_at - now_ms).clamp(0, meant_ms);
            let left = Duration::from_millis(left_ms.unsigned_abs());
            rests.begin(park.chat_id, Some(Rest::Flood(left)), monotonic_ms);
        }
        rests
    }

    /// A send to the chat has ended: a rest begins, or the last one is over.
    pub(super) fn begin(&mut self, chat_id: i64, rest: Option<Rest>, monotonic_ms: i64) {
        match rest {
            Some(rest) => drop(self.chats.insert(chat_id, (rest, monotonic_ms))),
            None => drop(self.chats.remove(&chat_id)),
        }
    }

    /// How long the chat rests still; zero when it does not.
    pub(super) fn left(&self, chat_id: i64, somebody_waits: bool, monotonic_ms: i64) -> Duration {
        let Some((rest, since_ms)) = self.chats.get(&chat_id) else { return Duration::ZERO };
        let whole = match rest {
            Rest::Flood(whole) => *whole,
            Rest::Fault(whole) if somebody_waits => (*whole).min(PEOPLE_WAIT),
            Rest::Fault(whole) => *whole,
        };
        let passed_ms = monotonic_ms.saturating_sub(*since_ms).max(0).unsigned_abs();
        whole.saturating_sub(Duration::from_millis(passed_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: i64 = 7;

    fn left_s(rests: &Rests, somebody_waits: bool, monotonic_ms: i64) -> u64 {
        rests.left(CHAT, somebody_waits, monotonic_ms).as_secs()
    }

    #[test]
    fn a_flood_limit_holds_whoever_waits_and_a_fault_is_shorter_for_people() {
        let mut rests = Rests::default();
        rests.begin(CHAT, Some(Rest::Flood(Duration::from_secs(60))), 1_000);
        assert_eq!(left_s(&rests, true, 31_000), 30);
        rests.begin(CHAT, Some(Rest::Fault(Duration::from_secs(60))), 1_000);
        assert_eq!((left_s(&rests, false, 31_000), left_s(&rests, true, 3_000)), (30, 3));
        rests.begin(CHAT, None, 1_000);
        assert_eq!(left_s(&rests, false, 1_000), 0);
    }

    #[test]
    fn after_a_restart_no_clock_parks_a_chat_for_longer_than_was_meant() {
        let park = Park { chat_id: CHAT, since_at: 1_000_000, until_at: 1_060_000 };
        let left = |now_ms| left_s(&Rests::of_parks(&[park], now_ms, 5), true, 5);
        assert_eq!([left(1_020_000), left(1_060_000), left(9_000_000)], [40, 0, 0]);
        // The clock was set back by a day, or has no battery.
        assert_eq!([left(0), left(-86_400_000)], [60, 60]);
    }
}
