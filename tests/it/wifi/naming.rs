//! `/name_device`, `/ignore_device`, `/watch_device`, what takes them back, and the buttons of a
//! device's card, as a person meets them through HTTP: the real bot, every answer.

use super::home::{KINDLE, NAMES, OTHER, PHONE, SISTER, said, stored, with_devices};
use crate::bot::{OWNER, SOON, labels};
use crate::crash_once::hold;

fn row(mac: &str, name: &str, ignored: bool, watched: bool) -> Said {
    (mac.to_owned(), Some((name.to_owned(), ignored, watched)))
}

type Said = (String, Option<(String, bool, bool)>);

#[tokio::test]
async fn a_device_is_named_at_once_by_its_mac_a_part_of_it_or_its_name() {
    let (bot, log) = with_devices().await;
    let named = bot
        .answers(OWNER, "/name_device 40EC991F3E75 Robin's Kindle", "is called Robin's Kindle now")
        .await;
    assert!(named.text.starts_with(KINDLE), "{}", named.text);
    // "Saved" is said when the next look-up shows it.
    let card = bot.answers(OWNER, "/device robin's kindle", "📡 Wi-Fi probe stats for").await;
    assert!(
        card.text.starts_with("📡 Wi-Fi probe stats for Robin's Kindle 40:ec"),
        "{}",
        card.text
    );
    assert!(card.text.contains("\nIntel Corporate\n"), "{}", card.text);
    // The longest name that is known, and the rest is the new one.
    bot.answers(OWNER, "/name_device robin's kindle Reader", "Reader now (was Robin's Kindle).")
        .await;
    bot.answers(OWNER, "/name_device \"reader\" The Reader", "The Reader now (was Reader).").await;
    bot.answers(OWNER, "/name_device 3e:76 Tablet", &format!("{SISTER} is called Tablet now"))
        .await;
    bot.answers(OWNER, "/name_device 3e:76 Tablet", "is called Tablet already").await;
    assert_eq!(
        said(&log).await,
        [
            row(KINDLE, "Robin's Kindle", false, false),
            row(KINDLE, "Reader", false, false),
            row(KINDLE, "The Reader", false, false),
            row(SISTER, "Tablet", false, false),
        ]
    );
    // One that was never heard may be named before it comes.
    bot.answers(OWNER, "/name_device 00:00:5e:00:53:01 Guest", "is called Guest now").await;
    bot.answers(OWNER, "/device guest", "I know guest, but it never sent a probe.").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_conversation_asks_which_device_and_what_name_and_confirms_it() {
    let (bot, log) = with_devices().await;
    let asked = bot.answers(OWNER, "/name_device", "Which device is to be named?").await;
    assert!(labels(&asked).contains(&KINDLE.to_owned()), "{asked:?}");
    bot.answers(OWNER, "/back", "This is the first question.").await;
    bot.answers(OWNER, "/skip", "I need to know the device").await;
    bot.answers(OWNER, "nobody", "🛎 No result found for device “nobody”.").await;
    // A part of two addresses offers both.
    let both = bot.answers(OWNER, "40:ec", "2 devices fit that.").await;
    assert_eq!(labels(&both), [SISTER, KINDLE, "Cancel"].map(str::to_owned));
    bot.taps(OWNER, KINDLE, &format!("What is {KINDLE} to be called?")).await;
    bot.answers(OWNER, "/skip", "I need a name.").await;
    bot.answers(OWNER, &"x".repeat(65), "A name has 1 to 64 characters, this one has 65.").await;
    bot.answers(OWNER, "/back", "Which device is to be named?").await;
    bot.answers(OWNER, KINDLE, "to be called?").await;
    let summary = bot.answers(OWNER, " Reader ", "Please confirm the device's name.").await;
    assert!(summary.text.contains(&format!("{KINDLE} is called Reader")), "{}", summary.text);
    bot.answers(OWNER, "maybe", "Please answer /y or /n, or go /back.").await;
    bot.answers(OWNER, "/back", "to be called?").await;
    bot.answers(OWNER, "Reader", "Please confirm").await;
    bot.answers(OWNER, "/n", "Your device name was not sent; please use /name_device").await;
    bot.answers(OWNER, "/name_device 3e:75", "to be called?").await;
    // Look-ups answer and repeat the question; free text is the answer, not a look-up.
    bot.answers(OWNER, "/probes RNM0", "2 devices looked for RNM0").await;
    bot.answers(OWNER, "home", "is called home").await;
    bot.answers(OWNER, "/cancel", "Cancelled device name update.").await;
    bot.answers(OWNER, "/name_device 3e:75", "to be called?").await;
    bot.answers(OWNER, "Reader", "Please confirm").await;
    bot.taps(OWNER, "✅ Yes", "is called Reader now").await;
    assert_eq!(said(&log).await, [row(KINDLE, "Reader", false, false)]);
    bot.stop().await;
}

/// F30, F32: names from the chat.
#[tokio::test]
async fn names_are_kept_as_they_are_or_refused_with_the_reason() {
    const TYPED: &str = "<b>&_*[]()~'; drop table wifi_given;--\"{{ /y";
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, &format!("/name_device {KINDLE}"), "to be called?").await;
    for refused in ["Two\nlines", "\u{202e}txet", "nul\0", "\x1b[31mred"] {
        bot.answers(OWNER, refused, "A name has no control characters").await;
    }
    bot.answers(OWNER, "\u{200b}", "A name has something to see in it").await;
    let summary = bot.answers(OWNER, TYPED, "Please confirm").await;
    assert!(summary.text.contains(TYPED) && !summary.html.contains("<b>&_"), "{}", summary.html);
    bot.answers(OWNER, "/y", &format!("is called {TYPED} now")).await;
    bot.answers(OWNER, &format!("/device {TYPED}"), &format!("stats for {TYPED} {KINDLE}")).await;
    bot.answers(OWNER, TYPED, &format!("stats for {TYPED} {KINDLE}")).await;
    bot.answers(OWNER, &format!("/name_device {KINDLE} a\u{202e}b"), "no control characters").await;
    bot.answers(OWNER, "שרך ירוק", "Please confirm").await;
    bot.answers(OWNER, "/y", "is called שרך ירוק now").await;
    assert_eq!(
        said(&log).await,
        [row(KINDLE, TYPED, false, false), row(KINDLE, "שרך ירוק", false, false)]
    );
    bot.stop().await;
    assert!(!bot.log().contains("<b>"), "{}", bot.log());
}

#[tokio::test]
async fn devices_are_ignored_and_watched_and_the_newer_word_counts() {
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, &format!("/ignore_device {PHONE}"), "is ignored now").await;
    bot.answers(OWNER, &format!("/ignore_device {PHONE}"), "is ignored already.").await;
    bot.answers(OWNER, &format!("/device {PHONE}"), "🙈 ignored").await;
    let watched = bot.answers(OWNER, &format!("/watch_device {PHONE}"), "is watched now").await;
    assert!(watched.text.contains("may come back under another one"), "{}", watched.text);
    let card = bot.answers(OWNER, &format!("/device {PHONE}"), "👁 watched").await;
    assert!(!card.text.contains("ignored"), "{}", card.text);
    assert!(card.text.contains("a randomised address"), "{}", card.text);
    bot.answers(OWNER, &format!("/unwatch_device {PHONE}"), "is not watched now").await;
    // Nothing is left to say: the row goes.
    assert_eq!(
        said(&log).await,
        [row(PHONE, "-", true, false), row(PHONE, "-", false, true), (PHONE.to_owned(), None)]
    );
    bot.answers(OWNER, "/unignore_device", "No device is ignored.").await;
    bot.answers(OWNER, "/unwatch_device", "No device is watched.").await;
    // Without a device it is asked for.
    bot.answers(OWNER, "/watch_device", "Which device is to be watched?").await;
    bot.answers(OWNER, "nobody", "No result found for device “nobody”").await;
    bot.taps(OWNER, KINDLE, "is watched now").await;
    bot.answers(OWNER, "/unwatch_device", "Which device is not to be watched any more?").await;
    bot.answers(OWNER, "3e75", "is not watched now").await;
    // Several fit, or none does.
    let several = bot.answers(OWNER, "/ignore_device 40ec", "2 devices fit 40ec.").await;
    assert_eq!(labels(&several).len(), 2, "{several:?}");
    bot.taps(OWNER, SISTER, "is ignored now").await;
    bot.answers(OWNER, "/ignore_device nobody", "🛎 No result found for device “nobody”").await;
    bot.answers(OWNER, "/unignore_device 3e:76", "is not ignored now").await;
    bot.stop().await;
}

#[tokio::test]
async fn what_was_said_is_forgotten_when_it_is_confirmed() {
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, "/forget_device", "Nothing was said of any device").await;
    bot.answers(OWNER, &format!("/forget_device {KINDLE}"), "there is nothing to forget").await;
    bot.answers(OWNER, &format!("/name_device {KINDLE} Reader"), "is called Reader now").await;
    bot.answers(OWNER, "/watch_device reader", "is watched now").await;
    let asked = bot.answers(OWNER, "/forget_device", "Of which device is everything").await;
    assert_eq!(labels(&asked)[0], format!("Reader · {KINDLE}"));
    let summary = bot.answers(OWNER, "reader", "Forget what was said here").await;
    assert!(summary.text.contains(&format!("{KINDLE}: Reader, watched")), "{}", summary.text);
    bot.answers(OWNER, "/n", "Your device entry was not sent; please use /forget_device").await;
    bot.answers(OWNER, "/forget_device reader", "Forget what was said here").await;
    bot.answers(OWNER, "/y", "is forgotten. Its probes stay counted.").await;
    bot.answers(OWNER, "/device reader", "🛎 No result found for device reader").await;
    bot.answers(OWNER, &format!("/device {KINDLE}"), "Probe count : 2").await;
    assert_eq!(said(&log).await.last(), Some(&(KINDLE.to_owned(), None)));
    bot.stop().await;
}

/// The original groups by name: several addresses of one name are one card that opens.
#[tokio::test]
async fn a_card_has_buttons_and_a_merged_one_opens_into_its_parts() {
    let (bot, log) = with_devices().await;
    let card = bot.answers(OWNER, &format!("/device {KINDLE}"), "📡").await;
    let expected = ["✏️ Name it", "🙈 Ignore", "👁 Watch", "📋 Copy MAC"];
    assert_eq!(labels(&card), expected);
    assert_eq!(card.button("📋 Copy MAC").unwrap().copies.as_deref(), Some(KINDLE));
    bot.taps(OWNER, "✏️ Name it", "to be called?").await;
    bot.answers(OWNER, "Reader", "Please confirm").await;
    bot.answers(OWNER, "/y", "is called Reader now").await;
    bot.answers(OWNER, &format!("/name_device {SISTER} reader"), "is called reader now").await;
    let merged = bot.answers(OWNER, "/device READER", "(2 addresses)").await;
    let opens = labels(&merged).into_iter().find(|label| label.starts_with(SISTER)).unwrap();
    // What is said of the card is said of both.
    bot.taps(OWNER, "🙈 Ignore", "Reader (2 addresses) is ignored now").await;
    stored(&bot, "wifi_given where mac & 1 = 1 and ignored = 1").await;
    assert_eq!(said(&log).await.len(), 4);
    let part = bot.taps(OWNER, &opens, &format!("stats for reader {SISTER}")).await;
    assert!(part.text.contains("🙈 ignored"), "{}", part.text);
    // The card is shown anew, and the tap is not needed twice.
    bot.taps(OWNER, "🐵 Stop ignoring", "is not ignored now").await;
    let shown = bot.handle().messages(OWNER);
    let part = shown.iter().find(|message| message.id == part.id).unwrap();
    assert!(part.edited && !part.text.contains("ignored"), "{}", part.text);
    let again = part.button("🙈 Ignore").unwrap().data.clone().unwrap();
    assert!(again.ends_with(SISTER), "{again}");
    bot.stop().await;
}

/// F29: a button is tapped twice, or is of another version.
#[tokio::test]
async fn double_and_stale_taps_are_answered_and_change_nothing() {
    let (bot, log) = with_devices().await;
    let card = bot.answers(OWNER, &format!("/device {KINDLE}"), "📡").await;
    let ignore = card.button("🙈 Ignore").unwrap().data.clone().unwrap();
    for _ in 0..2 {
        bot.handle().press(OWNER, OWNER, card.id, &ignore);
    }
    bot.notes(&format!("{KINDLE} is ignored already.")).await;
    bot.handle().wait_for_text(SOON, OWNER, card.id, "is ignored now").await.unwrap();
    for old in ["wifi:boil:40:ec:99:1f:3e:75", "wifi:snooze:me", "wifi:page:x", "wifi:"] {
        let before = bot.handle().calls_of("answerCallbackQuery").len();
        bot.handle().press(OWNER, OWNER, card.id, old);
        bot.handle()
            .wait_for(SOON, old, |handle| {
                (handle.calls_of("answerCallbackQuery").len() > before).then_some(())
            })
            .await
            .unwrap();
    }
    assert_eq!(said(&log).await, [row(KINDLE, "-", true, false)]);
    bot.stop().await;
}

#[tokio::test]
async fn a_snooze_says_until_when() {
    let (mut bot, _log) = super::home::prepared().await;
    bot.set("WINDOWSILL_TIME_ZONE", "Asia/Kolkata");
    bot.started().await;
    bot.answers(OWNER, "/help", "What I can do").await;
    let before_ms = windowsill::clock::now_ms();
    bot.handle().press(OWNER, OWNER, bot.newest(OWNER), &format!("wifi:snooze:{KINDLE}"));
    bot.counts("select count(*) from snooze where about = 'wifi:40:ec:99:1f:3e:75'", 1).await;
    bot.is_quiet().await;
    let calls = bot.handle().calls_of("answerCallbackQuery");
    let note = calls.last().unwrap().param("text");
    let until =
        |ms: i64| windowsill::kernel::when::clock(ms + 6 * 3_600_000, chrono_tz::Asia::Kolkata);
    let within = [until(before_ms), until(windowsill::clock::now_ms())];
    assert!(within.iter().any(|time| note == format!("Snoozed until {time}.")), "{note}");
    bot.stop().await;
}

/// F6 with two people: the second sees what the first did, also while it is on its way.
#[tokio::test]
async fn of_two_people_who_name_one_device_the_second_sees_what_the_first_did() {
    let (bot, log) = with_devices().await;
    for (user_id, name) in [(OWNER, "Reader"), (OTHER, "Tablet")] {
        bot.answers(user_id, &format!("/name_device {KINDLE}"), "to be called?").await;
        bot.answers(user_id, name, "Please confirm").await;
    }
    let held = hold(&bot.data_dir().join("log.db")).await;
    bot.answers(OTHER, "/y", "⏳ Your entry for Tablet is queued").await;
    let shown = bot.answers(OWNER, "/y", "Somebody changed this device meanwhile:").await;
    assert!(shown.text.contains(&format!("{KINDLE}: no name → Tablet")), "{}", shown.text);
    assert!(shown.text.contains("is called Reader (was Tablet)"), "{}", shown.text);
    bot.answers(OWNER, "/y", "⏳ Your entry for Reader is queued").await;
    sqlx::Connection::close(held).await.unwrap();
    bot.handle().wait_for_text(SOON, OTHER, 0, "is called Tablet now.").await.unwrap();
    bot.handle().wait_for_text(SOON, OWNER, 0, "is called Reader now (was Tablet).").await.unwrap();
    assert_eq!(
        said(&log).await,
        [row(KINDLE, "Tablet", false, false), row(KINDLE, "Reader", false, false)]
    );
    // Two forget; the second is told. Another program's word is seen as well.
    for user_id in [OWNER, OTHER] {
        bot.answers(user_id, "/forget_device reader", "Forget what was said").await;
    }
    log.put(NAMES, KINDLE.as_bytes(), &serde_json::json!({"name": "Reader", "ignored": true}))
        .await;
    stored(&bot, "wifi_given where ignored = 1").await;
    let again = bot.answers(OWNER, "/y", "Somebody changed this device meanwhile").await;
    assert!(again.text.contains("Reader, ignored"), "{}", again.text);
    bot.answers(OWNER, "/y", "is forgotten").await;
    bot.answers(OTHER, "/y", "Somebody has forgotten it meanwhile").await;
    bot.stop().await;
}

/// F28: the conversation survives the process, at any step.
#[tokio::test]
async fn a_naming_goes_on_after_kill_9() {
    let (mut bot, log) = with_devices().await;
    bot.answers(OWNER, "/name_device", "Which device is to be named?").await;
    bot.kill().await;
    bot.started().await;
    bot.answers(OWNER, "3e:75", "to be called?").await;
    bot.kill().await;
    bot.started().await;
    bot.answers(OWNER, "Reader", "Please confirm").await;
    bot.kill().await;
    bot.crash_at("after-append", 1);
    bot.started().await;
    bot.handle().say(OWNER, OWNER, "/y");
    bot.crashed().await;
    bot.crash_no_more();
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "is called Reader now.").await.unwrap();
    assert_eq!(said(&log).await.last(), Some(&row(KINDLE, "Reader", false, false)));
    assert_eq!(bot.times_said(OWNER, "is called Reader now."), 1);
    bot.stop().await;
}

/// Contract 7: a conversation of one room asks before it takes the place of another room's.
#[tokio::test]
async fn a_conversation_of_another_room_is_not_lost() {
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    bot.answers(OWNER, "Cyril", "plant's scientific name").await;
    // What needs no question leaves it alone.
    bot.answers(OWNER, &format!("/ignore_device {PHONE}"), "is ignored now").await;
    bot.answers(OWNER, &format!("/name_device {KINDLE} Reader"), "is called Reader now").await;
    let asked = bot.answers(OWNER, "/watch_ssid", "Discard it and begin /watch_ssid?").await;
    assert_eq!(labels(&asked), ["🗑 Discard", "Go on"]);
    bot.answers(OWNER, "hm", "Please answer /y to discard it").await;
    let newer = bot.answers(OWNER, "/update_mapping", "begin /update_mapping?").await;
    assert!(newer.text.starts_with("The command before that is not begun:"), "{}", newer.text);
    bot.taps(OWNER, "Go on", "plant's scientific name").await;
    bot.answers(OWNER, "/name_device", "Discard it and begin /name_device?").await;
    bot.taps(OWNER, "🗑 Discard", "Which device is to be named?").await;
    // Nothing was entered in it.
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
    // Within the room it is the same.
    bot.answers(OWNER, "/watch_ssid", "Which network").await;
    bot.answers(OWNER, "RNM0", "Why is RNM0 watched?").await;
    bot.answers(OWNER, "/name_device", "Discard it and begin /name_device?").await;
    bot.answers(OWNER, "/n", "Why is RNM0 watched?").await;
    bot.answers(OWNER, "/cancel", "Cancelled watch list entry update.").await;
    assert_eq!(said(&log).await.len(), 2);
    bot.stop().await;
}
