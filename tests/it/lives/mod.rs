//! Alerts that last, on the whole path: the real bot, its log, and a stand-in for Telegram.
//!
//! Readings are in the log before the bot looks; an hour passes by a restart with another clock.

use serde_json::{Value, json};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::settings::{Quiet, Settings};
use windowsill::store::{Store, Urgency, settings};

use crate::bot::past::{Log, READINGS, plant};
use crate::bot::{Bot, OWNER, SOON};

mod buttons;
mod kinds;
mod listed;
mod night;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
const CLOCK_SHIFT: &str = "TEST_WINDOWSILL_CLOCK_SHIFT_MS";
pub(super) const FINE: (f64, f64) = (50.0, 20.0);
pub(super) const LOW: (f64, f64) = (25.0, 20.0);
pub(super) const HOT: (f64, f64) = (50.0, 31.0);

/// A house with a log, before the bot has ever started.
pub(super) struct House {
    pub(super) bot: Bot,
    pub(super) log: Log,
    pub(super) now_ms: i64,
}

impl House {
    /// Plants 1 to `plants`: Fern 1 and so on, from 30 to 90 % and from 15 to 30 °C.
    pub(super) async fn of(plants: i64) -> House {
        let bot = Bot::new().await.with("WINDOWSILL_PLANTS__SILENT_MINUTES", 0);
        let log = Log::open(&bot.data_dir(), 1).await;
        for plant_id in 1..=plants {
            log.describe(&plant(plant_id, &format!("Fern {plant_id}"), 30.0)).await;
        }
        bot.handle().say(OWNER, OWNER, "/help");
        House { bot, log, now_ms: windowsill::clock::now_ms() }
    }

    /// A reading of each of these plants every minute of this span, in minutes from now; its values
    /// are of the plant and the minute. In one partition, so in the order of time.
    pub(super) async fn reads(
        &self,
        plants: impl IntoIterator<Item = i64> + Clone,
        minutes: std::ops::Range<i64>,
        value: impl Fn(i64, i64) -> (f64, f64),
    ) {
        let mut records = Vec::new();
        for minute in minutes {
            for plant_id in plants.clone() {
                let (moisture, temperature) = value(plant_id, minute);
                let reading = json!({
                    "plant_id": plant_id, "moisture": moisture, "temperature": temperature,
                });
                records.push(self.record(&reading, self.now_ms + minute * MINUTE_MS));
            }
        }
        self.log.append_raw(READINGS, records).await;
    }

    fn record(&self, reading: &Value, ts_ms: i64) -> NewRecord {
        NewRecord {
            key: Some(reading["plant_id"].to_string().into_bytes()),
            value: Some(self.log.encode(READINGS, reading)),
            ts_ms,
            ..NewRecord::default()
        }
    }

    /// The bot, which was stopped, starts when it is so many minutes later.
    pub(super) async fn later(&mut self, minutes: i64) {
        self.bot.set(CLOCK_SHIFT, minutes * MINUTE_MS);
        self.bot.started().await;
    }

    /// The owner's chat has these hours of quiet, in minutes from now. Nothing may run.
    pub(super) async fn quiet(&self, minutes: std::ops::Range<i64>) {
        let of_day = |minute: i64| {
            let minute = (self.now_ms / MINUTE_MS + minute).rem_euclid(24 * 60);
            u16::try_from(minute).unwrap()
        };
        let quiet = Quiet::new(of_day(minutes.start), of_day(minutes.end));
        let wanted = Settings { quiet, ..Settings::default() };
        let store = Store::open(&self.bot.data_dir()).await.unwrap();
        let put = store.write(Urgency::People, move |db| {
            Box::pin(async move { settings::put(db, OWNER, &wanted).await })
        });
        put.await.unwrap();
        store.close().await;
    }

    /// Waits for a message, the first or a changed one, that has this part.
    pub(super) async fn says(&self, part: &str) -> i64 {
        let shown = |handle: &windowsill::demo::botapi::Handle| {
            let messages = handle.messages(OWNER).into_iter();
            messages.filter(|message| message.from_bot).find(|it| plain(&it.text).contains(part))
        };
        self.bot.handle().wait_for(SOON, part, shown).await.unwrap().id
    }
}

/// With ordinary blanks.
pub(super) fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}
