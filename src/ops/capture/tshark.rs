//! One tshark: what it writes, its lines, and its end.
//!
//! Invariant: no tshark outlives us for longer than its next line, and none is waited for without a
//! bound: one that does not end when it is asked to is killed.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::task::JoinHandle;

use super::{CaptureError, CaptureOptions, Source};
use crate::kernel::text::shown;

/// A live tshark is started anew after so many seconds: its temporary file and its memory grow,
/// and it tells what it dropped only at its end.
const ANEW_AFTER_S: u32 = 6 * 60 * 60;
/// How long it may take to say its version, and to end once its lines have ended.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const END_WITHIN: Duration = Duration::from_secs(2);
/// Of what it says so many lines are kept, and so many told.
const KEPT_LINES: usize = 40;
const TOLD_LINES: usize = 3;
/// From this version on SSIDs are hexadecimal.
const HEX_SINCE: u32 = 4;
/// What root is told at each start.
const CHATTER: [&str; 2] = ["Running as user", "Capturing on"];

/// What SSIDs are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Text,
    Hex,
}

impl Encoding {
    /// As the record's header has it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Text => "text",
            Encoding::Hex => "hex",
        }
    }
}

/// What this tshark writes SSIDs in.
pub(super) async fn encoding(options: &CaptureOptions) -> Result<Encoding, CaptureError> {
    let path = options.tshark.display().to_string();
    let mut question = Command::new(&options.tshark);
    question.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let Ok(answer) = tokio::time::timeout(ANSWER_WITHIN, question.output()).await else {
        return Err(CaptureError::Version { path, said: "nothing".to_owned() });
    };
    let output = answer.map_err(|source| no_tshark(options, source))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let first = said.lines().next().unwrap_or_default();
    match major_version(first) {
        Some(major) if major >= HEX_SINCE => Ok(Encoding::Hex),
        Some(_) => Ok(Encoding::Text),
        None => Err(CaptureError::Version { path, said: shown(first).into_owned() }),
    }
}

/// The first number of `TShark (Wireshark) 4.0.17 (Git …)`.
fn major_version(line: &str) -> Option<u32> {
    let words = line.strip_prefix("TShark")?.split_whitespace();
    let version = words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split('.').next()?.parse().ok()
}

/// A tshark that runs.
pub(super) struct Child {
    process: tokio::process::Child,
    said: JoinHandle<Vec<String>>,
}

/// How it ended.
pub(super) struct Ending {
    /// Its status and the gist of what it said, where it did not end well.
    pub(super) failure: Option<(String, String)>,
    /// How many packets it dropped, as numbers and as it says so.
    pub(super) drops: Vec<(u64, String)>,
}

impl Child {
    /// Starts it; gives its lines, too.
    pub(super) fn start(options: &CaptureOptions) -> Result<(Child, std::fs::File), CaptureError> {
        let failed = |source| no_tshark(options, source);
        let mut process = command(options).spawn().map_err(failed)?;
        let (Some(lines), Some(words)) = (process.stdout.take(), process.stderr.take()) else {
            return Err(failed(std::io::Error::other("it has no output")));
        };
        let lines = lines.into_owned_fd().map_err(failed)?;
        Ok((Child { process, said: listen(words) }, std::fs::File::from(lines)))
    }

    /// Asks it to stop capturing; it then writes its last lines.
    pub(super) fn ask_to_end(&self) {
        let id = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            // It may have ended by itself; it was not waited for, so the id is still its own.
            let _ = kill_process(id, Signal::TERM);
        }
    }

    /// Waits for its end, once its lines have ended.
    pub(super) async fn end(mut self) -> Ending {
        let ended = tokio::time::timeout(END_WITHIN, self.process.wait()).await;
        if ended.is_err() {
            // It would go on capturing for nobody.
            let _ = self.process.start_kill();
        }
        // Somebody else may still hold its standard error open.
        let said = match tokio::time::timeout(END_WITHIN, &mut self.said).await {
            Ok(said) => said.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        self.said.abort();
        let status = ended.map_or(Err("no end".to_owned()), described);
        let drops = said.iter().filter_map(|line| Some((dropped(line)?, line.clone()))).collect();
        Ending { failure: status.err().map(|status| (status, gist(&said))), drops }
    }
}

fn described(status: std::io::Result<ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Keeps what it says.
fn listen(words: ChildStderr) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(words).lines();
        let mut said: Vec<String> = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            let is_chatter = CHATTER.iter().any(|chatter| line.starts_with(chatter));
            if line.trim().is_empty() || is_chatter {
                continue;
            }
            if said.len() == KEPT_LINES {
                said.remove(0);
            }
            said.push(shown(line.trim()).into_owned());
        }
        said
    })
}

/// The lines that matter: from its newest complaint on, or else the last ones.
fn gist(said: &[String]) -> String {
    let complains = |line: &String| line.strip_prefix("tshark: ").is_some_and(|it| !it.is_empty());
    let from = said.iter().rposition(complains);
    let from = from.unwrap_or(said.len().saturating_sub(TOLD_LINES));
    let told: Vec<&str> = said[from..].iter().take(TOLD_LINES).map(String::as_str).collect();
    let told = told.join(" ");
    let told = told.strip_prefix("tshark: ").unwrap_or(&told);
    if told.is_empty() { "it said nothing".to_owned() } else { told.to_owned() }
}

/// The number of `3 packets dropped from wlan0`.
fn dropped(line: &str) -> Option<u64> {
    let (count, rest) = line.split_once(' ')?;
    let is_so = rest.starts_with("packet") && rest.contains("dropped");
    count.parse().ok().filter(|_| is_so)
}

fn command(options: &CaptureOptions) -> Command {
    let mut command = Command::new(&options.tshark);
    match &options.source {
        Source::Interface(name) => {
            command.args(["-i", name, "-f", "type mgt subtype probe-req"]);
            command.args(["-a", &format!("duration:{ANEW_AFTER_S}")]);
            if options.monitor {
                command.arg("-I");
            }
        }
        Source::File(path) => {
            command.arg("-r").arg(path);
        }
        Source::Stdin => {
            command.args(["-r", "-"]);
        }
    }
    command.args(["-l", "-n", "-Q", "-Y", "wlan.fc.type_subtype == 4", "-T", "ek"]);
    for field in ["wlan.fc.type_subtype", "wlan_radio.signal_dbm", "wlan.sa", "wlan.ssid"] {
        command.args(["-e", field]);
    }
    let is_stdin = options.source == Source::Stdin;
    command.stdin(if is_stdin { Stdio::inherit() } else { Stdio::null() });
    // Ctrl-C at a terminal goes to every process of a group: here it is for us to pass on.
    command.process_group(0);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn no_tshark(options: &CaptureOptions, source: std::io::Error) -> CaptureError {
    CaptureError::NoTshark { path: options.tshark.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let debian = "TShark (Wireshark) 4.0.17 (Git v4.0.17 packaged as 4.0.17-0+deb12u3).";
        assert_eq!(major_version(debian), Some(4));
        assert_eq!(major_version("TShark 2.4.5"), Some(2));
        assert_eq!(major_version("bash: tshark: command not found"), None);
    }

    #[test]
    fn drops_are_counted() {
        assert_eq!(dropped("3 packets dropped from wlan0"), Some(3));
        assert_eq!(dropped("1 packet dropped"), Some(1));
        assert_eq!(dropped("3 packets captured"), None);
        assert_eq!(dropped("tshark: nothing was dropped"), None);
    }

    #[test]
    fn the_gist_is_the_complaint() {
        let said = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        let missing =
            ["tshark: There is no device named \"x\".", "(No such device exists)", "tshark: "];
        assert!(gist(&said(&missing)).starts_with("There is no device named \"x\". (No such"));
        assert_eq!(gist(&said(&["a", "b", "c", "d"])), "b c d");
        assert_eq!(gist(&[]), "it said nothing");
    }
}
