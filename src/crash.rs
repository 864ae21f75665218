//! Named points at which a test build can be killed, to prove what survives.
//!
//! Only builds with debug assertions have them; in a release build [`point`] is empty.

/// The points that exist, for the tests that must visit each.
pub const POINTS: &[&str] = &[
    "after-inbox-insert",
    "before-update-commit",
    "after-update-commit",
    "before-step-commit",
    "after-step-commit",
    "after-append",
    "after-send",
];

/// Ends the process as `kill -9` would, when `TEST_WINDOWSILL_CRASH` is `name:n` and this is the
/// n-th visit of that point.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PLAN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static VISITS: AtomicU64 = AtomicU64::new(0);
    let plan = PLAN.get_or_init(|| {
        let text = std::env::var("TEST_WINDOWSILL_CRASH").ok()?;
        let (point, visit) = text.split_once(':')?;
        Some((point.to_owned(), visit.parse().ok()?))
    });
    let Some((planned, visit)) = plan else { return };
    if planned == name && VISITS.fetch_add(1, Ordering::SeqCst) + 1 == *visit {
        kill_self();
    }
}

/// SIGKILL by way of the system's own tool: no unwinding, no destructors, no buffers flushed.
#[cfg(debug_assertions)]
fn kill_self() -> ! {
    let own_id = std::process::id().to_string();
    let killed = std::process::Command::new("kill").args(["-9", &own_id]).status();
    // Where there is no `kill`, abort is as abrupt.
    drop(killed);
    std::process::abort()
}

#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}
