//! What a panic says.
//!
//! Invariant: its words reach standard error only if they are a literal of the program's. Those of
//! a formatted message may quote what somebody wrote (a slice beside a character's border shows
//! the whole text), and no chat is in a log.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::Cell;
use std::io::Write;
use std::panic::{UnwindSafe, catch_unwind};

const WITHHELD: &str = "its words are left out, as they may quote somebody";

/// From here on panics are told like that. `RUST_BACKTRACE=1` adds where they came from.
pub fn keep_discreet() {
    std::panic::set_hook(Box::new(|panic| {
        if is_expected() {
            return;
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("a thread");
        let words = words(panic.payload());
        let mut err = std::io::stderr().lock();
        // Nobody is left to be told when standard error is closed.
        let _ = writeln!(err, "windowsill: {thread} panicked at {place}: {words}");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(err, "{backtrace}");
        }
    }));
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic in somebody else's code for no fault of the program's. `None`: it did, and
/// nothing is told of it.
pub fn expected<T>(work: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    EXPECTED.set(true);
    let done = catch_unwind(work);
    EXPECTED.set(false);
    done.ok()
}

/// Is the panic of this thread one that `expected` catches?
pub fn is_expected() -> bool {
    EXPECTED.get()
}

fn words(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or(WITHHELD)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_literal_is_told_and_a_formatted_message_is_not() {
        let literal = catch_unwind(|| panic!("a state that cannot be")).unwrap_err();
        assert_eq!(words(literal.as_ref()), "a state that cannot be");
        let name = String::from("Zq9Somebody");
        let quoting = catch_unwind(|| panic!("there is no {name}")).unwrap_err();
        assert_eq!(words(quoting.as_ref()), WITHHELD);
    }
}
