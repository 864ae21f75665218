//! What a panic says.
//!
//! Invariant: its words reach standard error only if they are a literal of the program's. Those of
//! a formatted message may quote what somebody wrote (a slice beside a character's border shows
//! the whole text), and no chat is in a log.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;

const WITHHELD: &str = "its words are left out, as they may quote somebody";

/// From here on panics are told like that. `RUST_BACKTRACE=1` adds where they came from.
pub fn keep_discreet() {
    std::panic::set_hook(Box::new(|panic| {
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
