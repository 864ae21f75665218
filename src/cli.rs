//! The command line.
//!
//! Invariant: this only says what was asked for; what it means is in `app`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit;
use crate::ops::capture::Source;
use crate::ops::topic::{Begin, LineFormat};
use crate::sensor::soil;

const EXAMPLES: &str = "\
Examples:
  windowsill demo                 try it: a chat in the browser, nothing to set up
  windowsill run                  the bot; its token comes from TELEGRAM_BOT_TOKEN
  windowsill ask '/plants'        what the bot would answer, in the terminal
  windowsill topic list           what the event log holds
  windowsill config               every setting, its value and where it came from
  windowsill check                is everything as it should be? It changes nothing
  windowsill backup DIR           a copy of everything, while the bot runs";

const WRITE_HELP: &str = r#"Lines are read from standard input. A bad line is reported on standard error as
`line N: reason`; the rest goes on, and the exit code is 1 at the end.

Format `record` (the default), one JSON object a line:
  {"key": "4", "value": {"plant_id": 4, "moisture": 25.5, "temperature": 18}, "ts": 1700000000000}
  key        text or null; key_base64 for raw bytes
  value      checked and encoded with the topic's schema; null deletes the key (a tombstone)
  value_base64  raw bytes instead, which are not checked
  ts         event time in ms since 1970 UTC, now by default
  partition  a number, by default chosen by the key
  headers    [["name", "text"], …]

Format `value`: every line is a value as the system's own producer sends it.

Examples:
  echo '{"plant_id": 4, "moisture": 25.5, "temperature": 18}' \
    | windowsill topic write houseplant-readings --format value
  windowsill topic read houseplant-metadata | windowsill --data-dir copy \
    topic write houseplant-metadata"#;

const READ_HELP: &str = r#"Prints one JSON object a line: topic, partition, offset, ts, key, value, headers. Values are
decoded; key_base64 or value_base64 stands where bytes are no text or cannot be decoded.

Examples:
  windowsill topic read houseplant-readings
  windowsill topic read houseplant-readings --from end --follow
  windowsill topic read houseplant-metadata | jq .value.given_name"#;

const REPLAY_HELP: &str = r#"The original bytes are appended to the same topic again, with their key, headers and time, and a
header that says which dead letter they repeat. It works beside a running bot, which marks the
letter when it meets the replay. A letter is replayed once; one that fails again is a new letter
that names the first, and is only tried again by its ID.

Examples:
  windowsill dead-letters replay 17 18
  windowsill dead-letters replay --topic houseplant-readings"#;

const LETTERS_HELP: &str = "\
Examples:
  windowsill dead-letters list
  windowsill dead-letters replay 17";

const RUN_HELP: &str = "\
It polls Telegram until SIGTERM or Ctrl-C, and ends within 10 s; a second signal ends it at once.

Examples:
  TELEGRAM_BOT_TOKEN=123456:token windowsill run
  windowsill --config /etc/windowsill.toml run";

const DEMO_HELP: &str = "\
Examples:
  windowsill demo                         plants that live 720 times as fast
  windowsill demo --speed 60 --seed 7     slower, and other weather
  windowsill demo --listen 127.0.0.1:8080 the chat page on a port that stays
  windowsill demo --replay street.ek.gz --speed 60
                                          a real capture, an hour of it in each minute";

const CONFIG_HELP: &str = "\
Examples:
  windowsill config
  windowsill config > windowsill.toml     a file to start from; put the secrets in by hand";

const TOPIC_HELP: &str = "\
Examples:
  windowsill topic list
  windowsill topic read houseplant-readings --follow
  windowsill topic write houseplant-readings --format value < readings.jsonl";

const LIST_HELP: &str = "\
Examples:
  windowsill topic list
  windowsill topic list --json | jq '.[] | select(.records == 0).name'";

const REBUILD_HELP: &str = "\
Examples:
  windowsill rebuild              bring every view back from the log
  windowsill rebuild --accept-loss
                                  also where the log no longer holds everything";

const FOLD_HELP: &str = "\
It needs the data directory for itself. Alerts that come of it are sent by the next `run`.

Examples:
  windowsill fold
  windowsill fold --json | jq '.pipelines[].late'";

const MIGRATE_HELP: &str = "\
With kafka.brokers set and nothing running on the data directory, the records of its log.db go into
the cluster's topics, which must be new, and the bot goes on there where it stood. Killed at any
moment, it goes on when it is run again. log.db takes nothing more from its beginning on.

Examples:
  windowsill migrate-log
  windowsill migrate-log --give-up     go on with log.db as before";

const ASK_HELP: &str = "\
It works beside a running bot, and needs no Telegram. What begins a conversation or changes
something is refused.

Examples:
  windowsill ask '/plants moisture_low > 20'
  windowsill ask /status --json
  windowsill ask '/device Kitchen tablet' --pictures /tmp";

const CHECK_HELP: &str = "\
Looks at the configuration, the data directory, both databases (every page, so a large log takes a
while), the topics, Telegram and the clock, and changes none of them. It works beside a running bot
and before the first start. A warning leaves the exit code at 0; 2 means that the configuration has
to change.

Examples:
  windowsill check
  windowsill check --json | jq '.checks[] | select(.verdict != \"ok\")'";

const BACKUP_HELP: &str = "\
A backup is a folder: state.db, log.db, and manifest.json with their checksums. It appears under
its name when it is whole, and never over another one. It works beside a running bot.

Examples:
  windowsill backup /mnt/usb/windowsill-before-the-holidays
  windowsill backup --keep 7 /var/backups/windowsill";

const RESTORE_HELP: &str = "\
The data directory must be empty or not there yet, and nothing may run on it. Everything is checked
before it is taken over. What happened after the backup is gone; alerts that were sent after it
may be sent once more.

Examples:
  windowsill --data-dir /var/lib/windowsill restore /mnt/usb/windowsill-before-the-holidays";

/// What follows a verb's options in `--help`.
fn with_codes(text: &str) -> String {
    format!("{text}\n\n{}", exit::table())
}

const CAPTURE_HELP: &str = r#"Records carry an `ssid-encoding` header, so nobody has to find out what this tshark's SSIDs are
written in. A live capture starts tshark again when it dies, and every six hours, when it tells what
it dropped; SIGTERM or Ctrl-C ends it once everything that was heard is written.

Examples:
  windowsill capture wlan0              live, in monitor mode (needs the rights that tshark needs)
  windowsill capture street.pcapng      a file
  ssh pi tcpdump -i mon0 -w - -U | windowsill capture -
  tshark -i mon0 -l -T ek -e wlan.fc.type_subtype -e wlan_radio.signal_dbm -e wlan.sa \
    -e wlan.ssid | windowsill topic write pcap --format value    # the same by hand"#;

const SENSOR_HELP: &str = "\
Without sensor.url readings go into the event log of the data directory, or into Kafka, if that is
configured; it works beside a running bot. With sensor.url (and http.token) they go to a bot that
runs elsewhere. Readings wait in sensor.db while the other end is away, and SIGTERM or Ctrl-C ends it
at any time.

Examples:
  windowsill sensor                     the sensors of /dev/i2c-1
  windowsill sensor --simulate          four that are not there
  WINDOWSILL_SENSOR__URL=http://pi.local:8080 WINDOWSILL_HTTP__TOKEN_FILE=token windowsill sensor";

const CALIBRATE_HELP: &str = "\
It asks for dry and for wet soil and takes each value once it stands still. The result is kept in
the data directory, where `windowsill sensor` reads it; stop that one meanwhile.

Examples:
  windowsill sensor calibrate 0x36
  printf '\\n\\n' | windowsill sensor calibrate 0x36 --simulate";

/// Plants that dry out, devices that look for Wi-Fi, hearts, carts and socks: events become
/// alerts and answers in a Telegram chat.
#[derive(Debug, Parser)]
#[command(name = "windowsill", version, after_help = with_codes(EXAMPLES))]
pub struct Cli {
    /// The configuration file [default: windowsill.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of the event log and the state [default: ./windowsill-data, or as configured;
    /// for `demo` ./windowsill-demo].
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the bot.
    #[command(after_help = with_codes(RUN_HELP))]
    Run,
    /// Try everything in one process, with simulated plants and phones and a chat in the browser.
    ///
    /// The chat page's address is the first line of standard output.
    #[command(after_help = with_codes(DEMO_HELP))]
    Demo(Demo),
    /// Print the configuration in force, with secrets left out.
    #[command(after_help = with_codes(CONFIG_HELP))]
    Config,
    /// Look into the event log, or write to it.
    #[command(subcommand, after_help = with_codes(TOPIC_HELP))]
    Topic(Topic),
    /// See the records that could not be used, or try them again.
    #[command(subcommand, after_help = with_codes(LETTERS_HELP))]
    DeadLetters(DeadLetters),
    /// Capture Wi-Fi probes with tshark into the topic `pcap`; it works beside a running bot.
    #[command(after_help = with_codes(CAPTURE_HELP))]
    Capture(Capture),
    /// Read soil sensors on I2C and send what they say; or calibrate one.
    #[command(after_help = with_codes(SENSOR_HELP))]
    Sensor(Sensor),
    /// Process what is in the log until caught up, and exit.
    #[command(after_help = with_codes(FOLD_HELP))]
    Fold(Fold),
    /// Empty the views and fold the log from its start.
    ///
    /// Nothing that was told is told again. It can be interrupted: the next `rebuild`, `fold` or
    /// `run` goes on. Readings are judged by the plants and settings of today.
    #[command(after_help = with_codes(REBUILD_HELP))]
    Rebuild(Rebuild),
    /// Carry the embedded event log to the Kafka cluster of kafka.brokers, and go on there.
    #[command(after_help = with_codes(MIGRATE_HELP))]
    MigrateLog(MigrateLog),
    /// Print what the bot would answer its owner.
    #[command(after_help = with_codes(ASK_HELP))]
    Ask(Ask),
    /// Say of everything whether it is as it should be, a line each.
    #[command(after_help = with_codes(CHECK_HELP))]
    Check {
        /// Print what was found as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copy the state and the event log into a folder, while the bot runs.
    #[command(after_help = with_codes(BACKUP_HELP))]
    Backup(Backup),
    /// Fill an empty data directory from a backup.
    #[command(after_help = with_codes(RESTORE_HELP))]
    Restore {
        /// The folder of the backup.
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Capture {
    /// An interface, a capture file, or `-` for a capture on standard input.
    #[arg(value_name = "INTERFACE|FILE|-")]
    pub source: Source,
    /// The tshark to run.
    #[arg(long, value_name = "PATH", default_value = "tshark")]
    pub tshark: PathBuf,
    /// Leave the interface in its mode: it is in monitor mode already.
    #[arg(long)]
    pub no_monitor: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Sensor {
    #[command(flatten)]
    pub simulation: Simulation,
    #[command(subcommand)]
    pub verb: Option<SensorVerb>,
}

#[derive(Debug, Subcommand)]
pub enum SensorVerb {
    /// Find out what a sensor says in dry and in wet soil.
    #[command(after_help = with_codes(CALIBRATE_HELP))]
    Calibrate {
        /// The sensor: 0x36, 0x37, 0x38 or 0x39.
        #[arg(value_name = "SENSOR", value_parser = soil::address_of)]
        address: u8,
        #[command(flatten)]
        simulation: Simulation,
    },
}

#[derive(Debug, Args)]
pub struct Simulation {
    /// Use simulated sensors, on a bus that fails now and then.
    #[arg(long)]
    pub simulate: bool,
    /// The seed of their failures.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "simulate")]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// How many times faster than real time the plants and phones live.
    #[arg(long, value_name = "N", default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub speed: u32,
    /// The seed of a fresh simulation; a second start keeps to the first one's.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where the chat page listens; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Play a real capture instead of the simulated street: lines of `tshark -T ek`, plain or
    /// gzipped.
    ///
    /// It is played at its own pace times --speed, moved in time so that it begins now: events of
    /// the past would be old news. At its end the demo goes on with the plants alone.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
}

impl Demo {
    /// The demo keeps to a folder of its own unless `--data-dir` says otherwise.
    pub const DATA_DIR: &'static str = "./windowsill-demo";
}

#[derive(Debug, Subcommand)]
pub enum Topic {
    /// Print each topic's name, kind, partitions, records, first and last time.
    #[command(after_help = with_codes(LIST_HELP))]
    List {
        /// As a JSON list.
        #[arg(long)]
        json: bool,
    },
    /// Print the records of a topic.
    #[command(after_help = with_codes(READ_HELP))]
    Read {
        /// The topic's name.
        topic: String,
        /// Where to begin in every partition: an offset, `start` or `end`.
        #[arg(long, value_name = "OFFSET|start|end", default_value = "start")]
        from: Begin,
        /// Wait for new records instead of ending with the last one.
        #[arg(long)]
        follow: bool,
    },
    /// Write lines from standard input to a topic; it works beside a running bot.
    #[command(after_help = with_codes(WRITE_HELP))]
    Write {
        /// The topic's name.
        topic: String,
        /// What a line is.
        #[arg(long, value_enum, default_value_t = LineFormat::Record)]
        format: LineFormat,
    },
}

#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// Print the newest dead letters, with the reason of each.
    #[command(after_help = with_codes(LETTERS_HELP))]
    List {
        /// Only those of this topic.
        #[arg(long, value_name = "TOPIC")]
        topic: Option<String>,
        /// As a JSON list, with the original bytes.
        #[arg(long)]
        json: bool,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Append dead letters to their topics again, each once.
    #[command(after_help = with_codes(REPLAY_HELP))]
    #[group(id = "which", required = true, multiple = false, args = ["ids", "topic", "all"])]
    Replay {
        /// The letters' numbers, as `list` shows them.
        #[arg(value_name = "ID")]
        ids: Vec<i64>,
        /// Every letter of this topic that was never replayed.
        #[arg(long, value_name = "TOPIC")]
        topic: Option<String>,
        /// Every letter of every stream that was never replayed. Tables are left out: an old
        /// record could undo a newer one.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub struct Fold {
    /// Go on behind records that a log of others let go before they were processed.
    #[arg(long)]
    pub accept_loss: bool,
    /// Print what was done as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Rebuild {
    /// Go on although the log no longer holds all that was folded.
    #[arg(long)]
    pub accept_loss: bool,
    /// Print what was done, or what would be lost, as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct MigrateLog {
    /// Go back to the embedded log, if the bot has not gone on in the cluster yet.
    #[arg(long)]
    pub give_up: bool,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// What is said to the bot, such as `/plants`.
    pub text: String,
    /// Print the messages as the Bot API would carry them.
    #[arg(long)]
    pub json: bool,
    /// Keep the pictures and files of the answer in this folder, which is made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// The folder to make; with `--keep` the folder that holds the backups.
    pub dir: PathBuf,
    /// Make a folder named by the time inside DIR, and keep only the newest N of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub keep: Option<u32>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_examples_and_the_exit_codes() {
        fn look(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            let name = command.get_name().to_owned();
            assert!(help.contains("Examples:"), "{name} has no examples");
            assert!(help.contains(&exit::table()), "{name} does not say its exit codes:\n{help}");
            command.get_subcommands_mut().filter(|verb| verb.get_name() != "help").for_each(look);
        }
        look(&mut Cli::command());
    }

    #[test]
    fn global_flags_may_stand_after_the_command() {
        let cli = Cli::parse_from(["windowsill", "topic", "list", "--data-dir", "x"]);
        assert_eq!(cli.data_dir, Some(PathBuf::from("x")));
    }
}
