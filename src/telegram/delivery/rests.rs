//! Chats that are left alone for a while: Telegram said so (its flood limit), or could not take a
//! message just now.
//!
//! Invariant: while the process lives a rest goes by the monotonic clock, which nobody can set.
//! After a restart a flood limit goes by the wall clock, and never for longer than it was meant.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::outbox::{Lane, Line};
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

/// What rests, each lane of a chat with when its rest began (monotonic).
#[derive(Debug, Default)]
pub(super) struct Rests {
    lines: HashMap<Line, (Rest, i64)>,
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
            let line = Line { chat_id: park.chat_id, lane: Lane::Messages };
            rests.begin(line, Some(Rest::Flood(left)), monotonic_ms);
        }
        rests
    }

    /// A send has ended: a rest begins, or the last one is over.
    pub(super) fn begin(&mut self, line: Line, rest: Option<Rest>, monotonic_ms: i64) {
        match rest {
            Some(rest) => drop(self.lines.insert(line, (rest, monotonic_ms))),
            None => drop(self.lines.remove(&line)),
        }
    }

    /// How long the lane rests still; zero when it does not. A chat that takes no messages takes
    /// nothing else either; what another lane is told holds there alone.
    pub(super) fn left(&self, line: Line, somebody_waits: bool, monotonic_ms: i64) -> Duration {
        let messages = Line { lane: Lane::Messages, ..line };
        let flood = self.lines.get(&messages).filter(|(rest, _)| matches!(rest, Rest::Flood(_)));
        let resting = [self.lines.get(&line), flood].into_iter().flatten();
        let left = resting.map(|(rest, since_ms)| {
            let whole = match rest {
                Rest::Flood(whole) => *whole,
                Rest::Fault(whole) if somebody_waits => (*whole).min(PEOPLE_WAIT),
                Rest::Fault(whole) => *whole,
            };
            let passed_ms = monotonic_ms.saturating_sub(*since_ms).max(0).unsigned_abs();
            whole.saturating_sub(Duration::from_millis(passed_ms))
        });
        left.max().unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: i64 = 7;
    const MESSAGES: Line = Line { chat_id: CHAT, lane: Lane::Messages };
    const REACTIONS: Line = Line { chat_id: CHAT, lane: Lane::Reactions };

    fn left_s(rests: &Rests, somebody_waits: bool, monotonic_ms: i64) -> u64 {
        rests.left(MESSAGES, somebody_waits, monotonic_ms).as_secs()
    }

    #[test]
    fn a_flood_limit_holds_whoever_waits_and_a_fault_is_shorter_for_people() {
        let mut rests = Rests::default();
        rests.begin(MESSAGES, Some(Rest::Flood(Duration::from_secs(60))), 1_000);
        assert_eq!(left_s(&rests, true, 31_000), 30);
        rests.begin(MESSAGES, Some(Rest::Fault(Duration::from_secs(60))), 1_000);
        assert_eq!((left_s(&rests, false, 31_000), left_s(&rests, true, 3_000)), (30, 3));
        rests.begin(MESSAGES, None, 1_000);
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

    #[test]
    fn what_a_reaction_is_told_holds_up_no_message() {
        let mut rests = Rests::default();
        rests.begin(REACTIONS, Some(Rest::Flood(Duration::from_secs(60))), 0);
        assert_eq!(rests.left(MESSAGES, true, 0), Duration::ZERO);
        assert_eq!(rests.left(REACTIONS, false, 0), Duration::from_secs(60));
        rests.begin(MESSAGES, Some(Rest::Flood(Duration::from_secs(90))), 0);
        rests.begin(REACTIONS, None, 0);
        assert_eq!(rests.left(REACTIONS, false, 0), Duration::from_secs(90));
        rests.begin(MESSAGES, Some(Rest::Fault(Duration::from_secs(90))), 0);
        assert_eq!(rests.left(REACTIONS, false, 0), Duration::ZERO);
    }
}
