//! The files that put the bot on a machine, held against the program that they name.

use std::path::Path;

use clap::Parser;
use windowsill::cli::{Cli, Command};
use windowsill::exit::Exit;

use crate::support::{Ran, windowsill};

/// Seconds within which a stop ends (contract).
const STOP_S: u64 = 10;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The values of a key of a unit, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[track_caller]
fn parse(line: &str) -> Cli {
    let words = line.split_whitespace();
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line:?} is no command: {error}"))
}

/// Settings that the program knows, or it would refuse to start with them. Specifiers of systemd
/// become folders of the test.
#[track_caller]
fn expect_known(settings: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    for secret in ["telegram-token", "http-token"] {
        std::fs::write(dir.path().join(secret), "4711:a-token").unwrap();
    }
    let here = dir.path().to_str().unwrap();
    let mut command = windowsill(dir.path(), &["config"]);
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap();
        let value = ["%d", "%S", "%E", "/run/secrets"]
            .iter()
            .fold(value.to_owned(), |value, part| value.replace(part, here));
        command.env(name, value);
    }
    let config = Ran::new(command.output().unwrap()).expect_code(0).stdout;
    for setting in settings {
        let (name, _) = setting.split_once('=').unwrap();
        assert!(config.contains(&format!("# {name}\n")), "{name} sets nothing in\n{config}");
    }
}

#[test]
fn the_unit_starts_the_bot_with_settings_that_it_knows() {
    let unit = read("deploy/windowsill.service");
    let [start] = values(&unit, "ExecStart")[..] else { panic!("one command") };
    assert!(matches!(parse(start).command, Command::Run), "{start}");
    expect_known(&values(&unit, "Environment"));
    let state = "WINDOWSILL_DATA_DIR=%S/windowsill";
    assert!(values(&unit, "Environment").contains(&state));
    assert_eq!(values(&unit, "StateDirectory"), ["windowsill"]);
}

#[test]
fn the_unit_does_not_restart_what_trying_again_cannot_mend() {
    let unit = read("deploy/windowsill.service");
    let never: Vec<u8> = values(&unit, "RestartPreventExitStatus")[0]
        .split_whitespace()
        .map(|code| code.parse().unwrap())
        .collect();
    let hopeless = [Exit::Usage, Exit::Taken];
    assert_eq!(never, hopeless.map(Exit::code));
    for exit in Exit::ALL.into_iter().filter(|exit| !hopeless.contains(exit)) {
        assert!(!never.contains(&exit.code()));
    }
    assert_eq!(values(&unit, "Restart"), ["on-failure"]);
    let stop_s: u64 = values(&unit, "TimeoutStopSec")[0].parse().unwrap();
    assert!(stop_s > STOP_S);
}

#[test]
fn the_backups_unit_backs_up_what_the_bots_unit_runs_on() {
    let (unit, bot) = (read("deploy/windowsill-backup.service"), read("deploy/windowsill.service"));
    let [start] = values(&unit, "ExecStart")[..] else { panic!("one command") };
    let Command::Backup(options) = parse(start).command else { panic!("{start}") };
    assert_eq!(options.keep, Some(7));
    assert_eq!(options.dir, Path::new("%S/windowsill-backups"));
    expect_known(&values(&unit, "Environment"));
    assert!(values(&bot, "Environment").contains(&values(&unit, "Environment")[0]));
    for key in ["User", "DynamicUser"] {
        assert_eq!(values(&unit, key), values(&bot, key));
    }
    assert_eq!(values(&unit, "StateDirectory"), ["windowsill windowsill-backups"]);
    assert!(read("deploy/windowsill-backup.timer").contains("OnCalendar=daily"));
}

#[test]
fn the_sensors_unit_reads_the_bus_with_settings_that_it_knows() {
    let (unit, bot) = (read("deploy/windowsill-sensor.service"), read("deploy/windowsill.service"));
    let [start] = values(&unit, "ExecStart")[..] else { panic!("one command") };
    let Command::Sensor(options) = parse(start).command else { panic!("{start}") };
    assert!(!options.simulation.simulate && options.verb.is_none(), "{start}");
    expect_known(&values(&unit, "Environment"));
    assert_eq!(values(&unit, "SupplementaryGroups"), ["i2c"]);
    assert_eq!(values(&unit, "DeviceAllow"), ["char-i2c rw"]);
    // Either would hide the bus, or the group that may use it.
    assert!(values(&unit, "PrivateDevices").is_empty() && values(&unit, "PrivateUsers").is_empty());
    assert_eq!(values(&unit, "StateDirectory"), ["windowsill-sensor"]);
    for key in ["Restart", "RestartPreventExitStatus", "TimeoutStopSec"] {
        assert_eq!(values(&unit, key), values(&bot, key));
    }
}

#[test]
fn the_container_runs_the_bot_with_what_the_build_needs() {
    let file = read("deploy/Containerfile");
    let list = |key: &str| -> Vec<String> {
        let line = file.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        serde_json::from_str(line).unwrap()
    };
    let command = [list("ENTRYPOINT "), list("CMD ")].concat().join(" ");
    assert!(matches!(parse(&command).command, Command::Run), "{command}");
    let settings: Vec<&str> = file.lines().filter_map(|line| line.strip_prefix("ENV ")).collect();
    expect_known(&settings);
    assert!(file.contains("WINDOWSILL_TELEGRAM__TOKEN_FILE=/run/secrets/telegram-token"));
    expect_known(&["WINDOWSILL_TELEGRAM__TOKEN_FILE=/run/secrets/telegram-token"]);
    for copied in file.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let mut words: Vec<&str> = copied.split_whitespace().collect();
        words.pop();
        for word in words.iter().filter(|word| !word.starts_with("--") && !word.starts_with('/')) {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(word).exists(), "{word}");
        }
    }
    let toolchain = read("rust-toolchain.toml");
    let image = file.split_once("rust:").unwrap().1.split_once("-slim").unwrap().0;
    assert!(toolchain.contains(&format!("\"{image}")), "{image} is not {toolchain}");
}

#[test]
fn the_example_environment_is_one_that_the_program_takes() {
    let text = read(".env.example");
    let settings: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches('#'))
        .filter(|line| line.starts_with("WINDOWSILL_"))
        .filter(|line| !line.starts_with("WINDOWSILL_<"))
        .collect();
    assert!(settings.len() >= 3, "{settings:?}");
    expect_known(&settings);
}
