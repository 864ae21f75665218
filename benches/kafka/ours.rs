//! `windowsill fold` as a process, with durable commits, on a fresh state.

use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;

use crate::process::{Figures, LOOK_EVERY, Process};
use crate::readings::{Form, Readings, Windows};

pub(crate) fn measure(brokers: &str, form: Form, readings: &Readings) -> Figures {
    let expected = readings.windows();
    let whole = tempfile::tempdir().unwrap();
    let mut figures = start(whole.path(), brokers, form).finish();
    check(whole.path(), &expected);

    // Again, looked at meanwhile, and killed at half-way.
    let killed = tempfile::tempdir().unwrap();
    let mut process = start(killed.path(), brokers, form);
    let folded = |dir: &Path| state(dir).unwrap_or(0);
    until(&mut process, || folded(killed.path()) > 0);
    figures.first_s = Some(process.seconds());
    until(&mut process, || folded(killed.path()) >= readings.count() / 2);
    process.kill();
    let left = readings.count() - folded(killed.path());
    let took_s = start(killed.path(), brokers, form).finish().wall_s;
    check(killed.path(), &expected);
    figures.after_kill = Some((took_s, left));
    figures
}

fn start(dir: &Path, brokers: &str, form: Form) -> Process {
    let file = dir.join("windowsill.toml");
    std::fs::write(&file, form.toml()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_windowsill"));
    command
        .args(["--config", file.to_str().unwrap(), "--data-dir", dir.to_str().unwrap()])
        .args(["fold", "--json"])
        .env_clear()
        .env("WINDOWSILL_KAFKA__BROKERS", brokers)
        .env("WINDOWSILL_KAFKA__TOPIC_PREFIX", form.topic(""))
        .env("WINDOWSILL_LOG_FILTER", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Process::start(&mut command)
}

fn until(process: &mut Process, holds: impl Fn() -> bool) {
    while !holds() {
        let ended = process.look();
        assert!(ended.is_none_or(|status| status.success()), "it ended with {ended:?}");
        if ended.is_some() {
            // It was faster than we look.
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

async fn open(dir: &Path) -> Option<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(dir.join("state.db")).read_only(true);
    options.disable_statement_logging().connect().await.ok()
}

/// How many readings are durably folded; `None` where there is no state yet.
fn state(dir: &Path) -> Option<i64> {
    Runtime::new().unwrap().block_on(async {
        let mut state = open(dir).await?;
        let folded = "select coalesce(sum(next_offset), 0) from position
            where topic = 'houseplant-readings'";
        let folded = sqlx::query_scalar(folded).fetch_one(&mut state).await.ok();
        let _ = state.close().await;
        folded
    })
}

/// Every window is there, with the right count, and there is no other.
fn check(dir: &Path, expected: &Windows) {
    let rows: Vec<(i64, i32, i64)> = Runtime::new().unwrap().block_on(async {
        let mut state = open(dir).await.unwrap();
        let windows = "select start_ms, plant_id, low_count from plant_window where low_count > 0";
        sqlx::query_as(windows).fetch_all(&mut state).await.unwrap()
    });
    let found: Windows =
        rows.into_iter().map(|(start_ms, plant, count)| ((start_ms, plant), count)).collect();
    assert!(found == *expected, "{} windows, expected {}", found.len(), expected.len());
}
