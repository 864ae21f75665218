//! Looking devices up: free text, in private and in groups, and who may change what.

use super::home::{KINDLE, PHONE, prepared, said};
use crate::bot::{OWNER, SOON, labels};

const ANNA: i64 = 21;
const BERT: i64 = 22;
const GROUP: i64 = -1_000_000_000_042;

#[tokio::test]
async fn a_message_that_is_no_command_is_looked_up_in_private() {
    let (mut bot, _log) = prepared().await;
    bot.started().await;
    bot.sees(&format!("/device {PHONE}"), "Probe count").await;
    let card = bot.answers(OWNER, KINDLE, "📡 Wi-Fi probe stats for 40:ec:99:1f:3e:75").await;
    for line in ["Earliest probe : ", "Latest probe : ", "Probe count : 2", "Unique SSIDs : 2 ("] {
        assert!(card.text.contains(line), "{line} in {}", card.text);
    }
    bot.answers(OWNER, "40:ec", "2 devices have 40:ec in their address. Which one?").await;
    let nothing = bot.answers(OWNER, "the dog", "🛎 No result found for device the dog").await;
    assert!(nothing.text.contains("/help lists what I can do."), "{}", nothing.text);
    bot.answers(OWNER, &format!("/name_device {KINDLE} Robin's Kindle"), "now").await;
    let near = bot.answers(OWNER, "robins kindel", "The closest names:").await;
    assert_eq!(labels(&near), ["Robin's Kindle"]);
    bot.taps(OWNER, "Robin's Kindle", "stats for Robin's Kindle 40:ec").await;
    let listed = bot.answers(OWNER, "/probes RNM0", "2 devices looked for RNM0:").await;
    assert!(listed.text.contains("Robin's Kindle 40:ec:99:1f:3e:75 · 1×"), "{}", listed.text);
    // What nobody can be called is no look-up.
    bot.answers(OWNER, &"x".repeat(600), "I did not understand that.").await;
    bot.answers(OWNER, "\u{200b}", "I did not understand that.").await;
    bot.stop().await;
}

/// In a group only what is said to the bot is looked up, and a viewer changes nothing.
#[tokio::test]
async fn in_a_group_replies_and_mentions_are_looked_up_and_chatter_is_not() {
    let (mut bot, log) = prepared().await;
    bot.set("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", format!("[{ANNA},{GROUP}]"));
    bot.handle().set_privacy_mode(false);
    bot.handle().rename(ANNA, "Anna");
    bot.started().await;
    bot.sees(&format!("/device {PHONE}"), "Probe count").await;
    bot.handle().create_group(GROUP, "Home");
    // Members and viewers chat; nobody is answered.
    bot.handle().say(GROUP, ANNA, "40:ec");
    bot.handle().say(GROUP, BERT, KINDLE);
    let card = bot.answers_in(GROUP, BERT, &format!("@windowsill_bot {KINDLE}"), "📡").await;
    assert_eq!(labels(&card), ["📋 Copy MAC"]);
    bot.handle().reply(GROUP, BERT, card.id, PHONE);
    bot.handle().wait_for_text(SOON, GROUP, card.id, "stats for da:a1:19").await.unwrap();
    bot.is_quiet().await;
    assert_eq!(bot.said(GROUP).len(), 2, "{:?}", bot.said(GROUP));

    // A viewer looks and is told kindly.
    bot.answers_in(GROUP, BERT, "/ssids", "No network is watched. A member can watch one.").await;
    let kindly = "Only members change this; an owner can make you one.";
    bot.answers_in(GROUP, BERT, &format!("/ignore_device {KINDLE}"), kindly).await;
    bot.answers_in(GROUP, BERT, "/name_device", kindly).await;
    bot.answers_in(GROUP, BERT, "/watch_ssid RNM0 home", kindly).await;
    let by_anna = bot.answers_in(GROUP, ANNA, &format!("/device {KINDLE}"), "📡").await;
    for label in ["🙈 Ignore", "✏️ Name it"] {
        let data = by_anna.button(label).unwrap().data.clone().unwrap();
        bot.handle().press(GROUP, BERT, by_anna.id, &data);
    }
    bot.handle().press(GROUP, BERT, by_anna.id, &format!("wifi:snooze:{KINDLE}"));
    let three = |handle: &windowsill::demo::botapi::Handle| {
        let calls = handle.calls_of("answerCallbackQuery");
        (calls.iter().filter(|call| call.param("text") == kindly).count() == 3).then_some(())
    };
    bot.handle().wait_for(SOON, "three kind notes", three).await.unwrap();
    bot.counts("select count(*) from snooze", 0).await;
    assert_eq!(said(&log).await, []);

    // A member's tap begins a naming that asks them alone, and free text is no look-up in it.
    let asked = bot.taps_in(GROUP, ANNA, "✏️ Name it", "to be called?").await;
    assert!(asked.asks(ANNA) && !asked.asks(BERT), "{asked:?}");
    bot.handle().reply(GROUP, ANNA, asked.id, "Reader");
    bot.handle().wait_for_text(SOON, GROUP, asked.id, "Please confirm").await.unwrap();
    bot.answers_in(GROUP, ANNA, "/y", "is called Reader now").await;
    assert_eq!(said(&log).await.len(), 1);
    bot.stop().await;
}
