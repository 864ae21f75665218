//! `windowsill config` and what wrong configurations say.

use crate::support::{Ran, run, windowsill};

#[test]
fn the_configuration_in_force_is_shown_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("windowsill.toml"), "data_dir = 'from-file'").unwrap();
    let mut command = windowsill(dir.path(), &["config"]);
    command.env("TELEGRAM_BOT_TOKEN", "1:SECRET").env("WINDOWSILL_CLOCK_LAG_MS", "500");
    let ran = Ran::new(command.output().unwrap()).expect_code(0);
    assert!(!ran.stdout.contains("SECRET"), "{}", ran.stdout);
    for expected in [
        "data_dir = \"from-file\"  # windowsill.toml",
        "clock_lag_ms = 500  # WINDOWSILL_CLOCK_LAG_MS",
        "token = \"<set>\"  # TELEGRAM_BOT_TOKEN",
        "low_readings_limit = 120  # default",
    ] {
        assert!(ran.stdout.contains(expected), "{expected:?} is missing in\n{}", ran.stdout);
    }
}

#[test]
fn a_flag_wins() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = windowsill(dir.path(), &["config", "--data-dir", "flag"]);
    let output = command.env("WINDOWSILL_DATA_DIR", "env").output().unwrap();
    let ran = Ran::new(output).expect_code(0);
    assert!(ran.stdout.contains("data_dir = \"flag\"  # --data-dir"), "{}", ran.stdout);
}

#[test]
fn a_named_file_is_read_instead() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("windowsill.toml"), "data_dir = 'wrong'").unwrap();
    std::fs::write(dir.path().join("other.toml"), "data_dir = 'right'").unwrap();
    let ran = run(dir.path(), &["--config", "other.toml", "config"]).expect_code(0);
    assert!(ran.stdout.contains("data_dir = \"right\"  # other.toml"), "{}", ran.stdout);
}

#[test]
fn a_wrong_configuration_is_one_sentence_and_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("windowsill.toml");
    for (text, expected) in [
        ("[plants]\nlow_reading_limit = 5", "did you mean \"plants.low_readings_limit\"?"),
        ("[plants]\nlow_readings_limit = 'x'", "windowsill.toml sets plants.low_readings_limit to"),
        ("log_filter = '=='", "windowsill: log_filter is \"==\""),
        ("[telegram]\ntoken = 1:SECRET", "windowsill.toml is not TOML: line 2"),
        ("[telegram]\ntoken = '1:a'\ntoken_file = 'f'", "expected one of them"),
        ("[telegram]\ntoken_file = 'missing'", "cannot read missing: No such file"),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = run(dir.path(), &["topic", "list"]).expect_code(2);
        assert!(ran.stderr.contains(expected), "{expected:?} is missing in {:?}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(!ran.stderr.contains("SECRET"));
    }
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let help = run(dir.path(), &["--help"]).expect_code(0).stdout;
    assert!(help.contains("Examples:") && help.contains("70  an internal fault"), "{help}");
    let help = run(dir.path(), &["topic", "write", "--help"]).expect_code(0).stdout;
    assert!(help.contains("value_base64"), "{help}");
}
