//! What people say to an alert, by its buttons: taps that count, double ones and stale ones.

use windowsill::demo::botapi::ShownMessage;

use super::{FINE, HOT, House, LOW, plain};
use crate::bot::{OWNER, SOON, labels, until};

const GROUP: i64 = -1_000_000_000_042;

/// The card, once it has this part.
async fn card(house: &House, id: i64, part: &str) -> ShownMessage {
    let shown = |handle: &windowsill::demo::botapi::Handle| {
        let card = handle.messages(OWNER).into_iter().find(|message| message.id == id)?;
        plain(&card.text).contains(part).then_some(card)
    };
    house.bot.handle().wait_for(SOON, part, shown).await.unwrap()
}

fn tap(house: &House, card: &ShownMessage, label: &str) {
    let data = card.button(label).unwrap().data.clone().unwrap();
    house.bot.handle().press(OWNER, OWNER, card.id, &data);
}

#[tokio::test]
async fn every_button_changes_the_card_in_place_and_a_double_tap_is_answered() {
    let mut house = House::of(1).await;
    house.reads([1], -60..-18, |_, _| HOT).await;
    house.bot.started().await;
    let id = house.says("🔥 Fern 1").await;
    let first = card(&house, id, "🔥").await;

    tap(&house, &first, "😴 Snooze 6 h");
    let snoozed = card(&house, id, "😴 Snoozed until ").await;
    let until = snoozed.text.split("until ").nth(1).unwrap().split(" by").next().unwrap();
    house.bot.notes(&format!("Snoozed until {until}.")).await;
    tap(&house, &first, "😴 Snooze 6 h");
    house.bot.notes("That is snoozed already.").await;

    tap(&house, &snoozed, "✔️ Acknowledge");
    let acknowledged = card(&house, id, "✔️ Acknowledged by").await;
    house.bot.notes("Acknowledged. I tell you when it is over.").await;
    tap(&house, &snoozed, "✔️ Acknowledge");
    house.bot.notes("That was acknowledged already.").await;
    assert_eq!(labels(&acknowledged), ["🔕 Silence", "🪴 Open the plant"]);

    tap(&house, &acknowledged, "🔕 Silence");
    let silenced = card(&house, id, "🔕 Silenced by").await;
    tap(&house, &acknowledged, "🔕 Silence");
    house.bot.notes("That is silenced already.").await;
    tap(&house, &silenced, "🔔 Tell again");
    house.bot.notes("I tell of it again.").await;
    house.bot.taps(OWNER, "🪴 Open the plant", "Temperature: 31.0").await;

    // Over, while the bot was away; the card says so, and the end is told without a sound.
    house.bot.stop().await;
    house.reads([1], -17..60, |_, _| FINE).await;
    house.later(80).await;
    let over = card(&house, id, "✅ Over: 20.0 °C").await;
    assert_eq!(labels(&over), ["🪴 Open the plant"]);
    let told = house.says("✅ Fern 1 is no longer too hot: 20.0 °C").await;
    let messages = house.bot.handle().messages(OWNER);
    assert!(messages.iter().any(|message| message.id == told && message.silent));
    tap(&house, &first, "✔️ Acknowledge");
    house.bot.notes("That is over already; nothing is left to do.").await;
    house.bot.stop().await;
    assert_eq!(house.bot.times_said(OWNER, "🔥"), 1);
}

/// A silence holds when it comes again, until somebody wants to hear of it.
#[tokio::test]
async fn what_is_silenced_is_not_told_when_it_comes_again() {
    let mut house = House::of(1).await;
    house.reads([1], -60..-18, |_, _| HOT).await;
    house.bot.started().await;
    let id = house.says("🔥 Fern 1").await;
    tap(&house, &card(&house, id, "🔥").await, "🔕 Silence");
    card(&house, id, "🔕 Silenced").await;
    house.bot.stop().await;
    house.reads([1], -17..60, |_, _| FINE).await;
    house.later(80).await;
    let over = card(&house, id, "✅ Over").await;
    house.bot.stop().await;
    house.reads([1], 61..130, |_, _| HOT).await;
    house.later(150).await;
    house.bot.counts("select count(*) from alert where rule = 'plants.hot'", 2).await;
    let list = house.bot.answers(OWNER, "/alerts", "is too hot (31.0").await;
    let listed = house.bot.said(OWNER).pop().unwrap();
    assert!(listed.contains("· kept quiet"), "{listed}");
    assert!(listed.contains("🔕 1 silenced\n🔥 Fern 1"), "{listed}");
    assert_eq!(house.bot.times_said(OWNER, "is no longer"), 0);
    // By the list, or by the message that it was; neither offers it any more.
    assert_eq!(labels(&over), ["🔔 Tell again", "🪴 Open the plant"]);
    let way_out = labels(&list).pop().unwrap();
    assert!(way_out.starts_with("🔔 Tell again: 🔥 Fern 1 is too hot"), "{way_out}");
    tap(&house, &list, &way_out);
    house.bot.notes("I tell of it again.").await;
    let lifted = |handle: &windowsill::demo::botapi::Handle| {
        let over = handle.messages(OWNER).into_iter().find(|message| message.id == id)?;
        (labels(&over) == ["🪴 Open the plant"]).then_some(())
    };
    house.bot.handle().wait_for(SOON, "no button", lifted).await.unwrap();
    house.bot.answers(OWNER, "/alerts", "1 last now").await;
    let listed = house.bot.said(OWNER).pop().unwrap();
    assert!(!listed.contains("silenced"), "{listed}");
    house.bot.stop().await;
    house.reads([1], 131..200, |_, _| FINE).await;
    house.later(220).await;
    house.bot.stop().await;
    house.reads([1], 201..270, |_, _| HOT).await;
    house.later(290).await;
    until(SOON, "the second card", async || house.bot.times_said(OWNER, "🔥 Fern 1 the") == 2)
        .await;
    house.bot.stop().await;
}

#[tokio::test]
async fn several_at_once_are_one_message_with_buttons_for_all() {
    let mut house = House::of(6).await;
    house.reads(1..=6, -120..-18, |_, _| LOW).await;
    house.bot.started().await;
    let id = house.says("6 alerts at once:").await;
    let group = card(&house, id, "🍂 Fern 6 is drying out (25.0 %)").await;
    assert_eq!(labels(&group), ["✔️ Acknowledge all", "😴 Snooze all 6 h"]);
    tap(&house, &group, "✔️ Acknowledge all");
    let seen = card(&house, id, "Fern 6 is drying out (25.0 %) · ✔️ Acknowledged by").await;
    assert_eq!(seen.text.matches("Acknowledged by").count(), 6, "{}", seen.text);
    tap(&house, &group, "✔️ Acknowledge all");
    house.bot.notes("That was acknowledged already.").await;
    house.bot.stop().await;
    house.reads(1..=6, -17..60, |_, _| FINE).await;
    house.later(80).await;
    let over = card(&house, id, "Fern 6 is drying out (25.0 %) · ✅ Over").await;
    assert_eq!(over.text.matches("✅ Over: 50.0").count(), 6, "{}", over.text);
    assert!(labels(&over).is_empty());
    house.says("✅ Fern 1 is moist again: 50.0 % moisture\n✅ Fern 2").await;
    house.bot.stop().await;
    assert_eq!(house.bot.times_said(OWNER, "Fern 1"), 2, "{:?}", house.bot.said(OWNER));
}

/// What lasts and what is silenced is shown whole, a page after the other, in one message.
#[tokio::test]
async fn alerts_lists_all_that_lasts_and_is_silenced_in_pages() {
    let mut house = House::of(23).await;
    house.reads(1..=23, -120..-18, |_, _| LOW).await;
    house.bot.started().await;
    house.says("23 alerts at once:").await;
    let first = house.bot.answers(OWNER, "/alerts", "23 last now, page 1 of 3").await;
    assert_eq!(labels(&first), ["▶ Lasting"]);
    let mut named = Vec::new();
    for number in 1..=3 {
        let part = format!("23 last now, page {number} of 3");
        let shown = card(&house, first.id, &part).await;
        let page = shown.text.split(&part).nth(1).unwrap().to_owned();
        let lines = page.lines().filter(|line| line.contains(" is drying out"));
        named.extend(lines.map(|line| line.split(" is ").next().unwrap().to_owned()));
        if number < 3 {
            tap(&house, &shown, "▶ Lasting");
        }
    }
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 23, "{named:?}");
    let last = card(&house, first.id, "page 3 of 3").await;
    assert_eq!(labels(&last), ["◀ Lasting"]);
    // F29: a page that is no more is the last one.
    house.bot.handle().press(OWNER, OWNER, first.id, "house:alerts:page:0:7");
    card(&house, first.id, "page 1 of 3").await;
    house.bot.handle().press(OWNER, OWNER, first.id, "house:alerts:page:7:0");
    card(&house, first.id, "page 3 of 3").await;
    house.bot.stop().await;
}

/// Moisture may take its time to rise: the person's word is enough.
#[tokio::test]
async fn a_watering_that_is_told_settles_the_card_and_dryness_that_goes_on_is_told_anew() {
    let mut house = House::of(1).await;
    // At some hours of the day a window ends meanwhile: it is not to take the warning's place.
    house.bot.set("WINDOWSILL_PLANTS__LOW_READINGS_LIMIT", 10_000);
    house.reads([1], -120..-18, |_, _| LOW).await;
    house.bot.started().await;
    let id = house.says("🍂 Fern 1").await;
    house.bot.answers(OWNER, "/watered 1", "💧 Fern 1 was watered").await;
    // The next reading, which is still low.
    house.reads([1], -17..-16, |_, _| LOW).await;
    let settled = card(&house, id, "💧 Watered").await;
    assert_eq!(labels(&settled), ["🪴 Open the plant"]);
    house.bot.stop().await;
    house.reads([1], 1..130, |_, _| LOW).await;
    house.later(140).await;
    until(SOON, "the second card", async || house.bot.times_said(OWNER, "🍂 Fern 1 the") == 2)
        .await;
    house.bot.stop().await;
}

/// In a group the card's button opens the plant in private.
#[tokio::test]
async fn in_a_group_a_link_opens_the_plant_in_private() {
    let mut house = House::of(1).await;
    house.bot.set("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    house.bot.started().await;
    house.bot.handle().create_group(GROUP, "Home");
    house.bot.answers_in(GROUP, OWNER, "/alerts here", "New alerts come to this chat").await;
    house.bot.stop().await;
    house.reads([1], -60..-18, |_, _| HOT).await;
    house.bot.started().await;
    let card = house.bot.handle().wait_for_text(SOON, GROUP, 0, "🔥 Fern 1").await.unwrap();
    let button = card.button("🪴 Open the plant").unwrap();
    let (link, word) = button.url.as_ref().unwrap().split_once("?start=").unwrap();
    assert!(link.starts_with("https://t.me/") && button.data.is_none(), "{button:?}");
    house.bot.answers(OWNER, &format!("/start {word}"), "Temperature: 31.0").await;
    // Who may only look in the group is told where that is.
    const VIEWER: i64 = 77;
    house.bot.answers(VIEWER, &format!("/start {word}"), "ask me in the group itself").await;
    // Whoever acknowledges it in the group has done so for everybody.
    house.bot.handle().press_label(GROUP, OWNER, "✔️ Acknowledge").unwrap();
    let id = house.says("✔️ Acknowledged by").await;
    assert_eq!(labels(&card_now(&house, id)), ["🔕 Silence", "🪴 Open the plant"]);
    house.bot.stop().await;
}

fn card_now(house: &House, id: i64) -> ShownMessage {
    house.bot.handle().messages(OWNER).into_iter().find(|message| message.id == id).unwrap()
}
