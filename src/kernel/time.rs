//! Event time: tumbling windows, lateness by partition, the watermark, and a clock that may lie.
//!
//! Invariant: lateness depends on one partition's own records, in its own order, and on nothing
//! else; so it is the same however partitions interleave.

/// Milliseconds in common spans.
pub const SECOND_MS: i64 = 1_000;
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The last moment that an event may name: the end of the year 9999.
pub const LAST_EVENT_MS: i64 = 253_402_300_799_999;
/// A record further ahead of the clock than this is a dead letter and never moves time.
pub const MAX_AHEAD_MS: i64 = 5 * MINUTE_MS;

/// A moment by both clocks of the shell, which are one but in the demo: there the house lives faster
/// than the machine.
///
/// Whatever people are told in, and whatever comes at a time that they were told, goes by the house:
/// alerts that last, snoozes, quiet hours, digests, boards. How long somebody or something is waited
/// for goes by the machine: messages on their way, conversations, codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub house_ms: i64,
    pub machine_ms: i64,
}

#[cfg(test)]
impl Now {
    /// A moment of the house whose machine has quite another time, so that confusing the two shows.
    pub fn apart(house_ms: i64) -> Now {
        Now { house_ms, machine_ms: house_ms + 10_000 * DAY_MS }
    }
}

/// Tumbling windows aligned to the epoch: start inclusive, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tumbling {
    pub size_ms: i64,
    /// How long after its end a window still takes records.
    pub grace_ms: i64,
}

impl Tumbling {
    /// The start of the window that holds `event_ms`.
    pub fn start_of(self, event_ms: i64) -> i64 {
        event_ms - event_ms.rem_euclid(self.size_ms)
    }

    pub fn end_of(self, start_ms: i64) -> i64 {
        start_ms + self.size_ms
    }

    /// A window is closed exactly when `end + grace <= watermark`.
    pub fn is_closed(self, start_ms: i64, watermark_ms: i64) -> bool {
        self.closes_at(start_ms) <= watermark_ms
    }

    /// The watermark that closes the window.
    pub fn closes_at(self, start_ms: i64) -> i64 {
        self.end_of(start_ms).saturating_add(self.grace_ms)
    }

    /// The range of window starts that a move of the watermark closes: `from <= start < to`.
    pub fn starts_closed_between(self, before_ms: i64, after_ms: i64) -> (i64, i64) {
        let span_ms = self.size_ms + self.grace_ms;
        let first = before_ms.saturating_sub(span_ms).saturating_add(1);
        (first, after_ms.saturating_sub(span_ms).saturating_add(1))
    }

    /// Late: the record's window had closed by the greatest earlier event time of its own partition.
    pub fn is_late(self, event_ms: i64, greatest_earlier_ms: Option<i64>) -> bool {
        match greatest_earlier_ms {
            // Nothing newer came before, so its window cannot have closed.
            Some(greatest_ms) if greatest_ms > event_ms => {
                self.is_closed(self.start_of(event_ms), greatest_ms)
            }
            _ => false,
        }
    }
}

/// What a record's own partition had told of time when the record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// The greatest event time of the records before it.
    pub greatest_earlier_ms: Option<i64>,
}

impl Arrival {
    /// Is a record of this time too late for its window?
    pub fn is_late(self, event_ms: i64, windows: Tumbling) -> bool {
        windows.is_late(event_ms, self.greatest_earlier_ms)
    }
}

/// What one partition has told of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionTime {
    /// The greatest event time folded so far.
    pub greatest_ms: Option<i64>,
    /// The log said that there is no further record (an end event, never mere silence).
    pub at_end: bool,
}

impl PartitionTime {
    pub fn observe(&mut self, event_ms: i64) {
        if self.greatest_ms.is_none_or(|greatest_ms| greatest_ms < event_ms) {
            self.greatest_ms = Some(event_ms);
        }
    }

    /// What this partition allows the watermark to be. `None`: it holds records that nobody has
    /// read yet, so nothing can be said.
    fn promise_ms(&self, clock_ms: i64) -> Option<i64> {
        if self.at_end {
            return Some(
                self.greatest_ms.map_or(clock_ms, |greatest_ms| greatest_ms.max(clock_ms)),
            );
        }
        self.greatest_ms
    }
}

/// The watermark: the least over the partitions, never below what it was. `clock_ms` is the
/// clock less its lag; a partition at its end counts as the later of its greatest time and that.
pub fn watermark_ms<'a>(
    stored_ms: Option<i64>,
    partitions: impl IntoIterator<Item = &'a PartitionTime>,
    clock_ms: i64,
) -> Option<i64> {
    let mut least_ms: Option<i64> = None;
    for partition in partitions {
        let Some(promise_ms) = partition.promise_ms(clock_ms) else { return stored_ms };
        least_ms = Some(least_ms.map_or(promise_ms, |least| least.min(promise_ms)));
    }
    match (stored_ms, least_ms) {
        (Some(stored), Some(least)) => Some(stored.max(least)),
        (stored, least) => stored.or(least),
    }
}

/// A clock that a jump of the wall clock cannot hurry: between two readings it moves by the
/// monotonic time that passed. A new wall time counts once it has been steady for five minutes
/// (a suspended laptop, a corrected clock).
#[derive(Debug, Clone, Copy, Default)]
pub struct SteadyClock {
    last: Option<Reading>,
    /// Since when (monotonic) the wall clock has differed, and by how much.
    jump: Option<Jump>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    steady_ms: i64,
    monotonic_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    since_monotonic_ms: i64,
    by_ms: i64,
}

/// A jump of the wall clock that does not count yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disbelieved {
    pub by_ms: i64,
    /// How long it has to stay until it counts.
    pub believed_in_ms: i64,
}

/// Differences below this are the clock being disciplined, not a jump.
const JUMP_SLACK_MS: i64 = 2 * SECOND_MS;
/// A jumped clock is believed after it has been steady for this long.
const BELIEVE_AFTER_MS: i64 = 5 * MINUTE_MS;

impl SteadyClock {
    /// The time to go by, given both clocks.
    pub fn read(&mut self, wall_ms: i64, monotonic_ms: i64) -> i64 {
        let Some(last) = self.last else { return self.settle(wall_ms, monotonic_ms) };
        let expected_ms = last.steady_ms + (monotonic_ms - last.monotonic_ms).max(0);
        let off_by_ms = wall_ms - expected_ms;
        if off_by_ms.abs() <= JUMP_SLACK_MS {
            return self.settle(wall_ms.min(expected_ms), monotonic_ms);
        }
        let jump = match self.jump {
            Some(jump) if (jump.by_ms - off_by_ms).abs() <= JUMP_SLACK_MS => jump,
            _ => Jump { since_monotonic_ms: monotonic_ms, by_ms: off_by_ms },
        };
        if monotonic_ms - jump.since_monotonic_ms >= BELIEVE_AFTER_MS {
            return self.settle(wall_ms, monotonic_ms);
        }
        self.jump = Some(jump);
        self.last = Some(Reading { steady_ms: expected_ms, monotonic_ms });
        expected_ms
    }

    /// The jump that is in doubt, as the last reading found it.
    pub fn disbelieved(&self) -> Option<Disbelieved> {
        let (jump, last) = (self.jump?, self.last?);
        let steady_for_ms = last.monotonic_ms - jump.since_monotonic_ms;
        let believed_in_ms = (BELIEVE_AFTER_MS - steady_for_ms).max(0);
        Some(Disbelieved { by_ms: jump.by_ms, believed_in_ms })
    }

    fn settle(&mut self, steady_ms: i64, monotonic_ms: i64) -> i64 {
        self.jump = None;
        self.last = Some(Reading { steady_ms, monotonic_ms });
        steady_ms
    }
}

/// A moment of the pipelines' clock, for whoever looks at what they know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    pub now_ms: i64,
    /// What has sent nothing for longer than this is silent.
    pub silent_after_ms: i64,
}

impl Sight {
    /// What was heard before this is silent.
    pub fn silent_before_ms(self) -> i64 {
        self.now_ms - self.silent_after_ms
    }

    /// Is what was last heard then silent by now?
    pub fn is_silent(self, heard_ms: i64) -> bool {
        heard_ms < self.silent_before_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIX_HOURS: Tumbling = Tumbling { size_ms: 6 * HOUR_MS, grace_ms: 10 * MINUTE_MS };

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        assert_eq!(SIX_HOURS.start_of(0), 0);
        assert_eq!(SIX_HOURS.start_of(6 * HOUR_MS - 1), 0);
        assert_eq!(SIX_HOURS.start_of(6 * HOUR_MS), 6 * HOUR_MS);
        assert_eq!(SIX_HOURS.start_of(-1), -6 * HOUR_MS);
    }

    #[test]
    fn a_window_closes_exactly_at_end_plus_grace() {
        let closes_at_ms = 6 * HOUR_MS + 10 * MINUTE_MS;
        assert!(!SIX_HOURS.is_closed(0, closes_at_ms - 1));
        assert!(SIX_HOURS.is_closed(0, closes_at_ms));
        let (from, to) = SIX_HOURS.starts_closed_between(closes_at_ms - 1, closes_at_ms);
        assert!(from <= 0 && 0 < to, "{from} {to}");
        let (from, to) = SIX_HOURS.starts_closed_between(closes_at_ms, closes_at_ms + 1);
        assert!(from > 0 && to > from, "{from} {to}");
    }

    #[test]
    fn late_is_judged_against_the_greatest_earlier_time_and_on_the_edge_is_late() {
        let closes_at_ms = 6 * HOUR_MS + 10 * MINUTE_MS;
        assert!(!SIX_HOURS.is_late(5, None));
        assert!(!SIX_HOURS.is_late(5, Some(closes_at_ms - 1)));
        assert!(SIX_HOURS.is_late(5, Some(closes_at_ms)));
        assert!(!SIX_HOURS.is_late(6 * HOUR_MS, Some(closes_at_ms)));
    }

    #[test]
    fn the_watermark_waits_for_every_partition_and_never_falls() {
        let unread = PartitionTime::default();
        let behind = PartitionTime { greatest_ms: Some(100), at_end: false };
        let ended = PartitionTime { greatest_ms: Some(50), at_end: true };
        let empty = PartitionTime { greatest_ms: None, at_end: true };
        assert_eq!(watermark_ms(None, [&behind, &unread], 1_000), None);
        assert_eq!(watermark_ms(None, [&behind, &ended], 1_000), Some(100));
        assert_eq!(watermark_ms(None, [&empty, &ended], 1_000), Some(1_000));
        assert_eq!(watermark_ms(Some(2_000), [&empty, &ended], 1_000), Some(2_000));
    }

    #[test]
    fn a_jump_of_the_wall_clock_counts_only_after_five_steady_minutes() {
        let mut clock = SteadyClock::default();
        assert_eq!(clock.read(1_000_000, 0), 1_000_000);
        assert_eq!(clock.read(1_010_000, 10_000), 1_010_000);
        let jumped = |monotonic_ms: i64| 1_000_000 + monotonic_ms + HOUR_MS;
        assert_eq!(clock.read(jumped(20_000), 20_000), 1_020_000);
        let doubted = Disbelieved { by_ms: HOUR_MS, believed_in_ms: 5 * MINUTE_MS };
        assert_eq!(clock.disbelieved(), Some(doubted));
        assert_eq!(clock.read(jumped(319_000), 319_000), 1_319_000);
        assert_eq!(clock.read(jumped(320_000), 320_000), jumped(320_000));
        assert_eq!(clock.disbelieved(), None);
    }

    #[test]
    fn a_jump_back_is_not_followed_at_once_either() {
        let mut clock = SteadyClock::default();
        clock.read(HOUR_MS * 10, 0);
        assert_eq!(clock.read(HOUR_MS * 9, 1_000), HOUR_MS * 10 + 1_000);
    }
}
