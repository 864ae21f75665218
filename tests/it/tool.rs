//! Programs that some tests need: found, or loudly missing.

use std::io::Write;
use std::process::{Child, Command, Stdio};

/// A child process that ends with the test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        Running(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this command can be run and succeeds.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A test left out for want of a tool: a failure where everything has to be there.
pub(crate) fn leave_out(test: &str, remedy: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} cannot run: {remedy}");
    // Straight to the terminal: what goes through `eprintln` is hidden when a test passes.
    let notice = format!("\n*** LEFT OUT: {test}. To include it: {remedy} ***\n\n");
    let _ = std::io::stderr().write_all(notice.as_bytes());
}
