//! The program: parse, run, exit with a code that says how it ended.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::Parser;
use windowsill::cli::Cli;
use windowsill::exit::Exit;

fn main() -> Exit {
    windowsill::panics::keep_discreet();
    // Whatever we make holds what people wrote, and perhaps a secret: it is its owner's alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = Cli::parse();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let runtime = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "windowsill: cannot start: {error}");
                return Exit::Fault;
            }
        };
        let exit = runtime.block_on(windowsill::app::run(cli));
        // A thread may be inside a read of standard input for ever.
        runtime.shutdown_background();
        exit
    }));
    // The panic's own text is on standard error already.
    ran.unwrap_or(Exit::Fault)
}
