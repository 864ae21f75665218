//! `/digest`: told once a day at the chat's hour, whatever happens in between.

use windowsill::crash::REGULAR_POINTS;
use windowsill::demo::botapi::Handle;
use windowsill::kernel::time::DAY_MS;

use super::{House, MINUTE_MS, OWNER, SOON, clock, plain};

const DIGEST: &str = "🗞 Daily digest";
const DAY: i64 = DAY_MS / MINUTE_MS;
const GROUP: i64 = -100_700;
const VIEWER: i64 = 31;

impl House {
    /// Waits until so many digests were told, and everything else is done.
    async fn digests(&self, count: usize) {
        self.shows(OWNER, DIGEST, "a digest", |shown| shown.len() >= count).await;
        self.bot.is_quiet().await;
        assert_eq!(self.shown(OWNER, DIGEST).len(), count);
    }
}

#[tokio::test]
async fn it_says_what_is_set_and_what_it_would_say_and_what_is_unclear_is_helped() {
    let house = House::living().await;
    let shown = house.bot.answers(OWNER, "/digest", "Now it would say:").await;
    let text = plain(&shown.text);
    assert!(text.starts_with("No digest comes to this chat. /digest 8:00 brings one"), "{text}");
    assert!(text.contains("Nobody knows how these are:\n⚪ Nicholas · no reading yet"), "{text}");
    let well = "🟢 All else is well: 1 of 2 plants has been read in the last 10 min";
    assert!(text.contains(well), "{text}");
    house.bot.answers(OWNER, "/digest soon", "I do not know what “soon” is.").await;
    house.bot.answers(OWNER, "/digest off", "No digest comes to this chat anyway.").await;
    let hour = clock(house.now_ms, 30);
    let set = format!("🗞 A digest comes to this chat at {hour} from now on. The next one comes ");
    house.bot.answers(OWNER, &format!("/digest {hour}"), &set).await;
    let set = format!("🗞 A digest comes to this chat at {hour}. The next one comes ");
    house.bot.answers(OWNER, "/digest", &set).await;
    house.bot.answers(OWNER, "/digest off", "No digest comes to this chat any more.").await;
    house.bot.answers(OWNER, "/digest", "No digest comes to this chat. /digest 8:00").await;
    house.bot.stop().await;
}

/// F14, and a bot that was down at the hour: late, and not twice.
#[tokio::test]
async fn there_is_one_a_day_however_often_it_starts() {
    let mut house = House::living().await;
    let hour = clock(house.now_ms, 30);
    house.bot.answers(OWNER, &format!("/digest {hour}"), "A digest comes to this chat").await;
    house.bot.stop().await;
    house.later(5).await;
    house.bot.answers(OWNER, "/plants", "2 plants").await;
    house.bot.is_quiet().await;
    assert_eq!(house.shown(OWNER, DIGEST).len(), 0);
    house.bot.kill().await;
    // It was down at the hour.
    house.later(40).await;
    house.digests(1).await;
    house.bot.kill().await;
    house.later(70).await;
    house.bot.answers(OWNER, "/plants", "2 plants").await;
    house.digests(1).await;
    house.bot.stop().await;
    // The whole next day nobody was there at that hour, nor in the one behind it.
    house.later(2 * DAY + 31).await;
    house.digests(2).await;
    house.bot.stop().await;
    let text = plain(&house.shown(OWNER, DIGEST)[1].text);
    assert!(text.contains("⚫ Cyril · silent since "), "{text}");
    assert!(text.contains("nothing is known of how they are now"), "{text}");
    assert!(!text.contains("🟢"), "{text}");
}

/// F1: killed before and after the transaction that tells it.
#[tokio::test]
async fn a_death_around_it_neither_loses_nor_doubles_it() {
    let mut house = House::living().await;
    let hour = clock(house.now_ms, 30);
    house.bot.answers(OWNER, &format!("/digest {hour}"), "A digest comes to this chat").await;
    house.bot.stop().await;
    for (told, point) in REGULAR_POINTS.into_iter().enumerate() {
        let day = i64::try_from(told).unwrap() * DAY;
        house.bot.crash_at(point, 1);
        house.bot.set(super::CLOCK_SHIFT, (day + 31) * MINUTE_MS);
        house.bot.start();
        house.bot.crashed().await;
        house.bot.crash_no_more();
        house.later(day + 33).await;
        house.shows(OWNER, DIGEST, "a digest", |shown| shown.len() > told).await;
        house.bot.is_quiet().await;
        let count = "select count(*) from outbox where body like '%Daily digest%'";
        house.bot.counts(count, i64::try_from(told).unwrap() + 1).await;
        house.bot.stop().await;
    }
}

#[tokio::test]
async fn it_tells_alerts_that_last_with_their_age_and_who_has_seen_to_them() {
    let mut house = House::of(crate::bot::Bot::new().await).await;
    for minute in -100..=-1 {
        house.reads(minute, 20.0).await;
    }
    house.bot.handle().say(OWNER, OWNER, "/help");
    house.bot.started().await;
    house.bot.handle().wait_for_text(SOON, OWNER, 0, "is drying out").await.unwrap();
    house.bot.handle().press_label(OWNER, OWNER, "✔️ Acknowledge").unwrap();
    house.bot.notes("Acknowledged. I tell you when it is over.").await;
    let shown = house.bot.answers(OWNER, "/digest", "Not well now:").await;
    let text = plain(&shown.text);
    let line = text.lines().find(|line| line.starts_with("🍂 Cyril is drying out")).unwrap();
    assert!(line.contains(" · ✔️ Acknowledged by Person 11 · for 1 h"), "{line}");
    assert!(!text.contains("🟢"), "{text}");
    house.bot.stop().await;
}

/// Contract: others in an admitted group only look. A group keeps its digest where it moves.
#[tokio::test]
async fn a_group_has_a_digest_of_its_own_that_its_viewers_do_not_change() {
    let bot = crate::bot::Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    let mut house = House::of(bot).await.begun().await;
    let bot = &house.bot;
    bot.answers_in(GROUP, VIEWER, "/digest", "a member can change that.").await;
    bot.answers_in(GROUP, VIEWER, "/digest 8", "Only members decide whether a digest").await;
    bot.answers_in(GROUP, VIEWER, "/digest off", "Only members decide whether a digest").await;
    let hour = clock(house.now_ms, 30);
    bot.answers_in(GROUP, OWNER, &format!("/digest {hour}"), "A digest comes to this chat").await;
    bot.stop().await;
    house.later(31).await;
    house.shows(GROUP, DIGEST, "the group's digest", |shown| shown.len() == 1).await;
    house.bot.is_quiet().await;
    assert_eq!(house.shown(OWNER, DIGEST).len(), 0);
    house.bot.stop().await;
}

/// Quiet hours: the chat asked for this very time, so it comes, without a sound.
#[tokio::test]
async fn in_quiet_hours_it_comes_without_a_sound() {
    let mut house = House::living().await;
    let quiet = format!("/settings quiet {}-{}", clock(house.now_ms, 10), clock(house.now_ms, 120));
    house.bot.answers(OWNER, &quiet, "Quiet hours are").await;
    let hour = clock(house.now_ms, 30);
    house.bot.answers(OWNER, &format!("/digest {hour}"), "A digest comes to this chat").await;
    house.bot.stop().await;
    house.later(31).await;
    house.digests(1).await;
    assert!(house.shown(OWNER, DIGEST)[0].silent);
    house.bot.stop().await;
}

/// F21: out of reach nothing is tried, and nothing has to be asked for anew.
#[tokio::test]
async fn a_chat_that_was_out_of_reach_has_its_digest_again_once_it_is_back() {
    let mut house = House::living().await;
    let hour = clock(house.now_ms, 30);
    house.bot.answers(OWNER, &format!("/digest {hour}"), "A digest comes to this chat").await;
    house.bot.handle().block(OWNER);
    house.bot.counts("select is_away from daily", 1).await;
    house.bot.stop().await;
    house.later(31).await;
    house.bot.handle().unblock(OWNER);
    let back = |handle: &Handle| (handle.pending_updates() == 0).then_some(());
    house.bot.handle().wait_for(SOON, "handled", back).await.unwrap();
    house.bot.answers(OWNER, "/start", "Hello!").await;
    house.digests(1).await;
    house.bot.stop().await;
}
