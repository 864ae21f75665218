//! The clock: against what the bot wrote last, and against Telegram's.

use chrono_tz::Tz;

use super::{Finding, Verdict};
use crate::kernel::time::MINUTE_MS;
use crate::kernel::when;

const CLOCK: &str = "clock";
/// Records further ahead of the clock than this are dead letters, so a clock that is so far behind
/// makes good readings useless.
const FAR_MS: i64 = 5 * MINUTE_MS;
/// Telegram tells whole seconds, and the answer takes its time.
const NEAR_MS: i64 = 10_000;
const REMEDY: &str = "set the clock (`timedatectl` shows whether it is synchronised)";

/// Other clocks, as far as they are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Others {
    /// When the bot last wrote to its database.
    pub last_write_ms: Option<i64>,
    /// Telegram's time in the moment of `now_ms`.
    pub telegram_ms: Option<i64>,
}

/// Can this clock be right?
pub fn finding(now_ms: i64, others: Others, zone: Tz) -> Finding {
    if let Some(last_ms) = others.last_write_ms.filter(|last_ms| last_ms - now_ms > FAR_MS) {
        let says = format!(
            "it says {}, and the bot has written at {}, which is later",
            when::moment(now_ms, zone),
            when::moment(last_ms, zone)
        );
        return Finding::new(Verdict::Failed, CLOCK, says, REMEDY);
    }
    let Some(telegram_ms) = others.telegram_ms else {
        let says = "not behind the bot's last write; Telegram's clock is not known";
        return Finding::ok(CLOCK, says);
    };
    let off_ms = now_ms - telegram_ms;
    let side = if off_ms < 0 { "behind" } else { "ahead of" };
    let says = format!("{} s {side} Telegram's", off_ms.abs() / 1000);
    match off_ms.abs() {
        0..=NEAR_MS => Finding::ok(CLOCK, says),
        off_ms if off_ms <= FAR_MS => Finding::new(Verdict::Warning, CLOCK, says, REMEDY),
        _ => Finding::new(Verdict::Failed, CLOCK, says, REMEDY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn verdict(last_write_ms: Option<i64>, telegram_ms: Option<i64>) -> Verdict {
        finding(NOW_MS, Others { last_write_ms, telegram_ms }, Tz::UTC).verdict
    }

    #[test]
    fn a_clock_behind_the_last_write_or_far_from_telegrams_has_failed() {
        assert_eq!(verdict(None, None), Verdict::Ok);
        assert_eq!(verdict(Some(NOW_MS - FAR_MS), Some(NOW_MS - 900)), Verdict::Ok);
        assert_eq!(verdict(Some(NOW_MS + FAR_MS + 1), Some(NOW_MS)), Verdict::Failed);
        for sign in [-1, 1] {
            assert_eq!(verdict(None, Some(NOW_MS + sign * (NEAR_MS + 1))), Verdict::Warning);
            assert_eq!(verdict(None, Some(NOW_MS + sign * (FAR_MS + 1))), Verdict::Failed);
        }
    }
}
