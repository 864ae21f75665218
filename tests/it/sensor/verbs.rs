//! Calibration, refusals, and readings into the log at hand.

use super::{Pi, bot, describe, map, stored};
use crate::bot::{OWNER, SOON, until};
use crate::starting::refused;
use crate::support::{Ran, run_with_input_and};

fn pi() -> Pi {
    Pi::of("http://127.0.0.1:9").with("WINDOWSILL_SENSOR__BUS", "/nonexistent/i2c-1")
}

#[tokio::test]
async fn a_calibration_is_kept_where_the_sensor_side_reads_it() {
    let (mut bot, url) = bot().await;
    bot.started().await;
    map(&bot, "0x36", 1);
    let mut pi = Pi::of(&url);
    let calibrate = |input: &str| {
        run_with_input_and(pi.command(&["sensor", "calibrate", "36", "--simulate"]), input)
    };
    let unfinished = calibrate("\n").expect_code(1);
    assert!(unfinished.stderr.contains("standard input ended"), "{}", unfinished.stderr);
    let done = calibrate("\n\n").expect_code(0).stdout;
    assert!(done.contains("\"0x36\" = [330, 1050]"), "{done}");
    // In air and in water: any soil lies well between.
    pi.start();
    until(SOON, "a reading", async || !stored(&bot).is_empty()).await;
    pi.stop().await;
    let moisture = stored(&bot)[0].moisture;
    assert!((42.0..=100.0).contains(&moisture), "{moisture}");
    // The configuration wins.
    let file = pi.folder.path().join("windowsill.toml");
    std::fs::write(file, "[sensor.calibration]\n\"0x36\" = [4000, 4095]\n").unwrap();
    let before = stored(&bot).len();
    pi.start();
    until(SOON, "another reading", async || stored(&bot).len() > before).await;
    pi.stop().await;
    assert_eq!(stored(&bot).last().unwrap().moisture, 0.0);
    bot.stop().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_what_to_do() {
    let mut pi = pi();
    let no_bus = refused(pi.command(&["sensor"]), 1).await;
    assert!(no_bus.contains("/nonexistent/i2c-1") && no_bus.contains("--simulate"), "{no_bus}");
    let no_bus = refused(pi.command(&["sensor", "calibrate", "0x36"]), 1).await;
    assert!(no_bus.contains("group i2c"), "{no_bus}");
    let other = Ran::new(pi.command(&["sensor", "calibrate", "0x40"]).output().unwrap());
    assert!(other.expect_code(2).stderr.contains("expected one of 0x36, 0x37, 0x38, 0x39"));
    pi.start();
    pi.says("is not known yet").await;
    let second = refused(pi.command(&["sensor", "calibrate", "0x36", "--simulate"]), 3).await;
    assert!(second.contains("another `windowsill sensor`"), "{second}");
    pi.stop().await;
    pi.settings.remove("WINDOWSILL_HTTP__TOKEN");
    let no_token = refused(pi.command(&["sensor", "--simulate"]), 2).await;
    assert!(no_token.contains("http.token"), "{no_token}");
}

#[tokio::test]
async fn beside_a_running_bot_it_writes_into_the_same_log() {
    let (mut bot, _) = bot().await;
    bot.started().await;
    describe(&bot, 3, "Bradley");
    map(&bot, "0x38", 3);
    let mut pi = Pi::of("").with("WINDOWSILL_DATA_DIR", bot.data_dir().display());
    pi.settings.remove("WINDOWSILL_SENSOR__URL");
    pi.start();
    until(SOON, "readings", async || stored(&bot).len() >= 2).await;
    bot.answers(OWNER, "/plant 3", "0x38").await;
    map(&bot, "0x38", 4);
    until(SOON, "the other plant", async || stored(&bot).last().unwrap().plant_id == 4).await;
    pi.stop().await;
    super::expect_each_once(&stored(&bot));
    bot.stop().await;
}
