//! Pacing: how fast a chat may be written to.
//!
//! Telegram's limits (Bots FAQ, "My bot is hitting limits"): about one message a second in a
//! chat, 20 a minute in a group, 30 a second over all. A small burst is let through first, so
//! that an answer in two messages does not dawdle.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::outbox::{Action, Row};

/// Messages that may go at once after a quiet time: a whole `/update_plant` in private.
const PRIVATE_BURST: f64 = 20.0;
const GROUP_BURST: f64 = 5.0;
const PRIVATE_PER_SECOND: f64 = 1.0;
const GROUP_PER_SECOND: f64 = 20.0 / 60.0;
const ALL_PER_SECOND: f64 = 30.0;
const ALL_BURST: f64 = 30.0;
/// Chats remembered before the quiet ones are forgotten.
const CHATS_REMEMBERED: usize = 1_000;

/// A bucket that fills with time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at_ms: i64,
}

impl Bucket {
    fn fill(&mut self, now_ms: i64, per_second: f64, burst: f64) {
        let passed_s = Duration::from_millis((now_ms - self.at_ms).max(0).unsigned_abs());
        self.tokens = (self.tokens + passed_s.as_secs_f64() * per_second).min(burst);
        self.at_ms = now_ms;
    }

    /// How long until there is a whole token.
    fn wait(&self, per_second: f64) -> Duration {
        Duration::from_secs_f64(((1.0 - self.tokens) / per_second).max(0.001))
    }
}

/// The buckets of all chats, and the one over all.
#[derive(Debug)]
pub(super) struct Pace {
    chats: HashMap<i64, Bucket>,
    all: Bucket,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { chats: HashMap::new(), all: Bucket { tokens: ALL_BURST, at_ms: 0 } }
    }
}

impl Pace {
    /// Takes what a row costs. `Err` says how long it has to wait. Answers to taps and menus are
    /// no messages and cost nothing.
    pub(super) fn take(&mut self, row: &Row, now_ms: i64) -> Result<(), Duration> {
        if matches!(row.action, Action::Call(_)) {
            return Ok(());
        }
        // Groups have negative ids (Bot API, `Chat.id`).
        let (per_second, burst) = match row.place.chat_id < 0 {
            true => (GROUP_PER_SECOND, GROUP_BURST),
            false => (PRIVATE_PER_SECOND, PRIVATE_BURST),
        };
        self.forget_quiet_chats(now_ms);
        self.all.fill(now_ms, ALL_PER_SECOND, ALL_BURST);
        let fresh = Bucket { tokens: burst, at_ms: now_ms };
        let chat = self.chats.entry(row.place.chat_id).or_insert(fresh);
        chat.fill(now_ms, per_second, burst);
        if chat.tokens < 1.0 {
            return Err(chat.wait(per_second));
        }
        if self.all.tokens < 1.0 {
            return Err(self.all.wait(ALL_PER_SECOND));
        }
        chat.tokens -= 1.0;
        self.all.tokens -= 1.0;
        Ok(())
    }

    fn forget_quiet_chats(&mut self, now_ms: i64) {
        if self.chats.len() < CHATS_REMEMBERED {
            return;
        }
        // After this long every bucket is full again.
        let quiet_ms = Duration::from_secs_f64(PRIVATE_BURST / PRIVATE_PER_SECOND).as_millis();
        self.chats
            .retain(|_, bucket| u128::from((now_ms - bucket.at_ms).unsigned_abs()) < quiet_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chat::Place;
    use crate::kernel::text::Text;
    use crate::store::outbox::{Body, Class};

    fn row(chat_id: i64) -> Row {
        let body = Body::plain(Text::of("x"));
        Row {
            id: 1,
            place: Place { chat_id, thread_id: None },
            class: Class::Reply,
            action: Action::Say(body),
            attempts: 0,
            created_at: 0,
            expires_at: None,
            somebody_waits: false,
        }
    }

    fn sent_within(chat_ids: &[i64], within_ms: i64) -> usize {
        let mut pace = Pace::default();
        let mut sent = 0;
        for now_ms in (0..within_ms).step_by(10) {
            for chat_id in chat_ids {
                sent += usize::from(pace.take(&row(*chat_id), now_ms).is_ok());
            }
        }
        sent
    }

    #[test]
    fn a_chat_gets_a_burst_and_then_one_a_second() {
        assert_eq!(sent_within(&[7], 10_000), 20 + 9);
        assert_eq!(sent_within(&[-7], 60_000), 5 + 19);
    }

    #[test]
    fn all_chats_together_get_thirty_a_second() {
        let chats: Vec<i64> = (1..=500).collect();
        let sent = sent_within(&chats, 10_000);
        assert!((300..=330).contains(&sent), "{sent}");
    }
}
