//! Named points at which a test build can be killed or made to panic, and tasks that can be made
//! to end, to prove what survives.
//!
//! Only builds with debug assertions have them; in a release build all of this is empty.

/// The points of the bot, for the tests that must visit each. `backup` and `restore` have one each,
/// `between-copies` and `between-places`.
pub const POINTS: &[&str] = &[
    "before-inbox-insert",
    "after-inbox-insert",
    "before-update-commit",
    "after-update-commit",
    "before-step-commit",
    "after-step-commit",
    "after-append",
    "after-send",
];

/// The points of each transaction that tells what a chat wants to be told regularly.
pub const REGULAR_POINTS: [&str; 2] = ["before-regular-commit", "after-regular-commit"];

/// The points of each transaction in which the log is kept small.
pub const UPKEEP_POINTS: &[&str] = &["before-upkeep-commit", "after-upkeep-commit"];

/// The point at which a picture is drawn: its panic must cost no message.
pub const DRAWING_POINT: &str = "while-drawing";

/// Rows of results are in the log and not marked yet.
pub const RESULTS_POINT: &str = "after-results-append";

/// What came with a place in its sender's queue is in the log, and not answered yet.
pub const ONCE_POINT: &str = "after-once-append";

/// Readings are at the other end, and still in the sensor's queue.
pub const SENSOR_POINT: &str = "after-delivery";

/// Points that only `windowsill rebuild` passes.
pub const REBUILD_POINTS: &[&str] = &["before-rebuild", "after-rebuild-began"];

/// Points that only `windowsill migrate-log` passes: records are in the new log, all of them are,
/// the state has moved.
pub const CARRY_POINTS: &[&str] = &["after-carry-append", "before-carry-swap", "after-carry-swap"];

/// Where `TEST_WINDOWSILL_CRASH` is `name:n` and this is the n-th visit of that point, ends the
/// process as `kill -9` would; where `TEST_WINDOWSILL_PANIC` is, panics. `name:1-3` is every visit
/// of the first three.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    plan::visit(name);
}

#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}

/// Resolves when the task of this name is to end as if by itself, with the reason it gives:
/// `TEST_WINDOWSILL_END_TASK` is `name:error:milliseconds`, or `name:panic:milliseconds`.
#[cfg(debug_assertions)]
pub async fn end_of_task(name: &str) -> String {
    plan::end_of_task(name).await
}

#[cfg(not(debug_assertions))]
pub async fn end_of_task(_name: &str) -> String {
    std::future::pending().await
}

#[cfg(debug_assertions)]
mod plan {
    use std::ops::RangeInclusive;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// A point, the visits that count, and the visits so far.
    struct Planned {
        point: String,
        counting: RangeInclusive<u64>,
        visits: AtomicU64,
    }

    impl Planned {
        fn of(variable: &str) -> Option<Planned> {
            let text = std::env::var(variable).ok()?;
            let (point, counting) = text.split_once(':')?;
            let (first, last) = counting.split_once('-').unwrap_or((counting, counting));
            let counting = first.parse().ok()?..=last.parse().ok()?;
            Some(Planned { point: point.to_owned(), counting, visits: AtomicU64::new(0) })
        }

        /// Is this such a visit?
        fn has_come(&self, name: &str) -> bool {
            self.point == name
                && self.counting.contains(&(self.visits.fetch_add(1, Ordering::SeqCst) + 1))
        }
    }

    pub(super) fn visit(name: &str) {
        static KILL: OnceLock<Option<Planned>> = OnceLock::new();
        static PANIC: OnceLock<Option<Planned>> = OnceLock::new();
        let kill = KILL.get_or_init(|| Planned::of("TEST_WINDOWSILL_CRASH"));
        if kill.as_ref().is_some_and(|planned| planned.has_come(name)) {
            kill_self();
        }
        let panic = PANIC.get_or_init(|| Planned::of("TEST_WINDOWSILL_PANIC"));
        if panic.as_ref().is_some_and(|planned| planned.has_come(name)) {
            panic!("a planned panic at {name}");
        }
    }

    pub(super) async fn end_of_task(name: &str) -> String {
        let text = std::env::var("TEST_WINDOWSILL_END_TASK").unwrap_or_default();
        let parts: Vec<&str> = text.split(':').collect();
        let [task, how, after_ms] = parts[..] else { return std::future::pending().await };
        if task != name {
            return std::future::pending().await;
        }
        tokio::time::sleep(Duration::from_millis(after_ms.parse().unwrap_or(0))).await;
        if how == "panic" {
            panic!("a planned panic of {name}");
        }
        "a planned error".to_owned()
    }

    /// SIGKILL by way of the system's own tool: no unwinding, no destructors, no buffers flushed.
    fn kill_self() -> ! {
        let own_id = std::process::id().to_string();
        let killed = std::process::Command::new("kill").args(["-9", &own_id]).status();
        // Where there is no `kill`, abort is as abrupt.
        drop(killed);
        std::process::abort()
    }
}
