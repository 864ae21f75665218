//! `capture`: tshark as a child process, its lines into the topic `pcap`.
//!
//! Invariant: every record says in its `ssid-encoding` header what its SSID is written in, as this
//! tshark's version has it. A live capture goes on until it is stopped: a tshark that dies is
//! started again, and what it said is told.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::task::JoinHandle;

use crate::kernel::record::Header;
use crate::log::EventLog;
use crate::log::topics::Topic;
use crate::ops::topic::{TopicError, WriteOptions, Written, write};

/// The first and the longest wait before a tshark that died is started again.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// A tshark that ran so long is started again without much ado.
const STEADY: Duration = Duration::from_secs(300);
/// Of what tshark said, the last lines are told.
const SAID_LINES: usize = 5;
/// The header by which a record says what its SSID is written in.
const ENCODING_HEADER: &str = "ssid-encoding";
/// From this version on tshark writes SSIDs as hexadecimal.
const HEX_SINCE: u32 = 4;

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A network interface, live.
    Interface(String),
    /// A capture file.
    File(PathBuf),
    /// A capture on standard input.
    Stdin,
}

impl FromStr for Source {
    type Err = Infallible;

    /// `-` is standard input; whatever names a file is one; anything else is an interface.
    fn from_str(text: &str) -> Result<Source, Infallible> {
        let path = PathBuf::from(text);
        Ok(match text {
            "-" => Source::Stdin,
            _ if text.contains('/') || path.exists() || path.extension().is_some() => {
                Source::File(path)
            }
            _ => Source::Interface(text.to_owned()),
        })
    }
}

/// What is captured, and by what.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    pub source: Source,
    /// The tshark to run.
    pub tshark: PathBuf,
    /// Put the interface into monitor mode: without it other people's probes are not heard.
    pub monitor: bool,
}

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error(
        "{path} could not be started: {source}. Install tshark (Debian: `apt install tshark`), \
         or say with --tshark where it is"
    )]
    NoTshark { path: String, source: std::io::Error },
    #[error("{path} says {said:?}, expected a version such as TShark (Wireshark) 4.0.17")]
    Version { path: String, said: String },
    #[error("tshark ended with {status}: {said}")]
    Failed { status: String, said: String },
    #[error(transparent)]
    Topic(#[from] TopicError),
}

/// Captures until the source's end or until `stop` resolves. Gives what was written.
pub async fn capture(
    log: &dyn EventLog,
    topic: &Topic,
    options: &CaptureOptions,
    writing: &WriteOptions,
    stop: impl Future<Output = ()>,
    report: &mut (dyn Write + Send),
) -> Result<Written, CaptureError> {
    let encoding = encoding(options).await?;
    let mut writing = writing.clone();
    let value = Some(encoding.as_bytes().to_vec());
    writing.headers = vec![Header { name: ENCODING_HEADER.to_owned(), value }];
    let mut stop = pin!(stop);
    let mut wait = FIRST_RETRY;
    let mut all = Written::default();
    loop {
        let began = Instant::now();
        let ended = once(log, topic, options, &writing, stop.as_mut(), report).await?;
        all.written += ended.written.written;
        all.rejected += ended.written.rejected;
        let is_live = matches!(options.source, Source::Interface(_));
        let failure = match ended.failure {
            _ if ended.was_stopped => return Ok(all),
            None if !is_live => return Ok(all),
            Some((status, said)) if !is_live => return Err(CaptureError::Failed { status, said }),
            None => "tshark ended".to_owned(),
            Some((status, said)) => format!("tshark ended with {status}: {said}"),
        };
        if began.elapsed() >= STEADY {
            wait = FIRST_RETRY;
        }
        // Standard error may be closed, here and below.
        let _ = writeln!(report, "{failure}; it is started again in {} s", wait.as_secs());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.as_mut() => return Ok(all),
        }
        wait = (wait * 2).min(LONGEST_RETRY);
    }
}

/// How one tshark ended.
struct Ended {
    written: Written,
    was_stopped: bool,
    /// Its status and its last words, where it did not end well.
    failure: Option<(String, String)>,
}

async fn once(
    log: &dyn EventLog,
    topic: &Topic,
    options: &CaptureOptions,
    writing: &WriteOptions,
    stop: impl Future<Output = ()>,
    report: &mut (dyn Write + Send),
) -> Result<Ended, CaptureError> {
    let mut child = command(options).spawn().map_err(|source| no_tshark(options, source))?;
    let (Some(lines), Some(words)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(no_tshark(options, std::io::Error::other("it has no output")));
    };
    let said = listen(words);
    let lines = lines.into_owned_fd().map_err(|source| no_tshark(options, source))?;
    let mut was_stopped = false;
    let stopped = async {
        stop.await;
        was_stopped = true;
    };
    let written = write(log, topic, std::fs::File::from(lines), writing, stopped, report).await?;
    if was_stopped {
        // It would go on capturing for nobody.
        let _ = child.start_kill();
    }
    let status = child.wait().await.map_err(|source| no_tshark(options, source))?;
    let said = said.await.unwrap_or_default();
    for dropped in said.iter().filter(|line| line.contains("dropped")) {
        let _ = writeln!(report, "tshark: {dropped}");
    }
    let failure =
        (!status.success() && !was_stopped).then(|| (status.to_string(), said.join("; ")));
    Ok(Ended { written, was_stopped, failure })
}

/// Keeps the last lines that tshark says.
fn listen(words: ChildStderr) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(words).lines();
        let mut said: Vec<String> = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            if said.len() == SAID_LINES {
                said.remove(0);
            }
            said.push(crate::kernel::text::shown(&line).into_owned());
        }
        said
    })
}

fn command(options: &CaptureOptions) -> Command {
    let mut command = Command::new(&options.tshark);
    match &options.source {
        Source::Interface(name) => {
            command.args(["-i", name, "-f", "type mgt subtype probe-req", "-l"]);
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
    command.args(["-n", "-Q", "-Y", "wlan.fc.type_subtype == 4", "-T", "ek"]);
    for field in ["wlan.fc.type_subtype", "wlan_radio.signal_dbm", "wlan.sa", "wlan.ssid"] {
        command.args(["-e", field]);
    }
    let input = if options.source == Source::Stdin { Stdio::inherit() } else { Stdio::null() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What this tshark writes SSIDs in.
async fn encoding(options: &CaptureOptions) -> Result<&'static str, CaptureError> {
    let output = Command::new(&options.tshark)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| no_tshark(options, source))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let first = said.lines().next().unwrap_or_default();
    match major_version(first) {
        Some(major) => Ok(if major >= HEX_SINCE { "hex" } else { "text" }),
        None => Err(CaptureError::Version {
            path: options.tshark.display().to_string(),
            said: first.to_owned(),
        }),
    }
}

/// The first number of `TShark (Wireshark) 4.0.17 (Git …)`.
fn major_version(line: &str) -> Option<u32> {
    let words = line.strip_prefix("TShark")?.split_whitespace();
    let version = words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split('.').next()?.parse().ok()
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
    fn sources_are_told_apart() {
        let source = |text: &str| text.parse::<Source>().unwrap();
        assert_eq!(source("-"), Source::Stdin);
        assert_eq!(source("wlan0mon"), Source::Interface("wlan0mon".to_owned()));
        assert_eq!(source("street.pcapng"), Source::File("street.pcapng".into()));
        assert_eq!(source("/tmp/x"), Source::File("/tmp/x".into()));
    }
}
