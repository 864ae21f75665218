//! The same straight into a cluster.

use super::{Pi, describe, expect_each_once, map, stored};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::kafka::broker;

#[tokio::test]
async fn readings_go_straight_into_kafka_and_a_kill_repeats_none() {
    let Some(broker) = broker::shared("readings_go_straight_into_kafka") else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    bot.started().await;
    describe(&bot, 1, "Cyril");
    map(&bot, "0x36", 1);
    map(&bot, "0x37", 2);
    let mut pi = Pi::of("").with("TEST_WINDOWSILL_CRASH", "after-delivery:2");
    pi.settings.remove("WINDOWSILL_SENSOR__URL");
    pi.settings.extend(bot.kafka_settings());
    pi.start();
    assert!(!pi.life().ended_within(SOON).await.success(), "it was to die");
    pi.settings.remove("TEST_WINDOWSILL_CRASH");
    pi.start();
    until(SOON, "more readings", async || stored(&bot).len() >= 8).await;
    bot.answers(OWNER, "/plant 1", "0x36").await;
    map(&bot, "0x36", 5);
    until(SOON, "the other plant", async || {
        stored(&bot).iter().any(|reading| reading.plant_id == 5)
    })
    .await;
    pi.stop().await;
    expect_each_once(&stored(&bot));
    bot.stop().await;
}
