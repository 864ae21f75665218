//! What several tests need: the real binary with its input and output.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary in a folder of its own, without this process's settings.
pub(crate) fn windowsill(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windowsill"));
    command.current_dir(dir).args(args).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Ran {
    Ran::new(windowsill(dir, args).output().unwrap())
}

/// Runs it to its end with this standard input.
pub(crate) fn run_with_input(dir: &Path, args: &[&str], input: &str) -> Ran {
    run_with_input_and(windowsill(dir, args), input)
}

/// Runs a command to its end with this standard input.
pub(crate) fn run_with_input_and(mut command: Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // It may end before it has read everything; then the pipe is closed.
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let ran = Ran::new(child.wait_with_output().unwrap());
    let _ = feeder.join().unwrap();
    ran
}

/// What a run of the binary left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
