//! The same straight into a cluster.

use super::{Pi, describe, expect_none_lost, map, stored};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::kafka::broker::{self, Broker, BrokerOptions};

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
    expect_none_lost(&pi, &stored(&bot)).await;
    bot.stop().await;
}

#[tokio::test]
async fn while_the_broker_is_dead_readings_wait_and_come_once() {
    let test = "while_the_broker_is_dead_readings_wait";
    let Some(broker) = Broker::start(test, BrokerOptions::default()) else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    map(&bot, "0x36", 1);
    map(&bot, "0x37", 2);
    let mut pi = Pi::of("");
    pi.settings.remove("WINDOWSILL_SENSOR__URL");
    pi.settings.extend(bot.kafka_settings());
    pi.start();
    until(SOON, "readings", async || stored(&bot).len() >= 2).await;
    broker.kill();
    pi.waits(4).await;
    broker.start_again();
    assert!(broker.is_ready());
    until(SOON, "what waited is there", async || {
        pi.number("select count(*) from reading").await <= 2 && stored(&bot).len() >= 6
    })
    .await;
    pi.stop().await;
    pi.start();
    until(SOON, "the rest is there", async || pi.number("select count(*) from reading").await <= 2)
        .await;
    pi.kill().await;
    expect_none_lost(&pi, &stored(&bot)).await;
}
