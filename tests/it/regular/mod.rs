//! What chats ask to be told regularly, on the whole path: the real bot, its log, and a stand-in for
//! Telegram. Hours pass by a restart with another clock.

use windowsill::demo::botapi::{Handle, ShownMessage};

use crate::bot::past::{Log, Reading, plant};
use crate::bot::{Bot, OWNER, SOON};

mod board;
mod daily;

const MINUTE_MS: i64 = 60_000;
/// Its clocks are never changed: a day by a shift of ours is a day by them.
const ZONE: chrono_tz::Tz = chrono_tz::Asia::Tokyo;
const CLOCK_SHIFT: &str = "TEST_WINDOWSILL_CLOCK_SHIFT_MS";

/// Cyril (plant 0), whose low limit is 30 %, and Nicholas (plant 1), who is never read.
struct House {
    bot: Bot,
    log: Log,
    now_ms: i64,
}

impl House {
    async fn of(mut bot: Bot) -> House {
        bot.set("WINDOWSILL_PLANTS__SILENT_MINUTES", 0);
        bot.set("WINDOWSILL_TIME_ZONE", ZONE.name());
        let log = Log::open(&bot.data_dir(), 1).await;
        log.describe(&plant(0, "Cyril", 30.0)).await;
        log.describe(&plant(1, "Nicholas", 20.0)).await;
        House { bot, log, now_ms: windowsill::clock::now_ms() }
    }

    /// The bot lives, and has seen both plants.
    async fn living() -> House {
        House::of(Bot::new().await).await.begun().await
    }

    /// The same, of this bot.
    async fn begun(self) -> House {
        let mut house = self;
        house.reads(0, 45.0).await;
        house.bot.started().await;
        house.bot.sees("/plants", "🟢 Cyril").await;
        house.bot.sees("/plants", "⚪ Nicholas").await;
        house
    }

    /// A reading of Cyril, so many minutes from the beginning.
    async fn reads(&self, minute: i64, moisture: f32) {
        let at_ms = self.now_ms + minute * MINUTE_MS;
        self.log.append(&[Reading { plant_id: 0, moisture, at_ms, partition: 0 }]).await;
    }

    /// The bot, which does not run, starts so many minutes after the beginning.
    async fn later(&mut self, minutes: i64) {
        self.bot.set(CLOCK_SHIFT, minutes * MINUTE_MS);
        self.bot.started().await;
    }

    /// What begins so and stands in a chat, oldest first.
    fn shown(&self, chat_id: i64, beginning: &str) -> Vec<ShownMessage> {
        let messages = self.bot.handle().messages(chat_id).into_iter();
        messages.filter(|it| it.from_bot && it.text.starts_with(beginning)).collect()
    }

    /// Waits until something holds of what begins so.
    async fn shows(
        &self,
        chat_id: i64,
        beginning: &str,
        what: &str,
        holds: impl Fn(&[ShownMessage]) -> bool,
    ) -> Vec<ShownMessage> {
        let look = |_: &Handle| {
            let shown = self.shown(chat_id, beginning);
            holds(&shown).then_some(shown)
        };
        self.bot.handle().wait_for(SOON, what, look).await.unwrap()
    }
}

/// With ordinary blanks.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

/// What the house's clocks show so many minutes from a moment, as people type it.
fn clock(now_ms: i64, minutes: i64) -> String {
    windowsill::kernel::when::clock(now_ms + minutes * MINUTE_MS, ZONE)
}
