//! `/watch_ssid`, `/unwatch_ssid`, `/ssids`: the watch list as people edit it.

use super::home::{OTHER, WATCHED, stored, watched, with_devices};
use crate::bot::{OWNER, SOON, labels};
use crate::crash_once::hold;

fn entry(ssid: &[u8], reason: Option<&str>) -> (Vec<u8>, Option<String>) {
    (ssid.to_vec(), reason.map(str::to_owned))
}

/// F31: the names are bytes, however they are typed.
#[tokio::test]
async fn a_network_is_watched_at_once_in_any_spelling() {
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, "/ssids", "No network is watched.").await;
    bot.answers(OWNER, "/watch_ssid RNM0 home network", "RNM0 is watched now: home network").await;
    bot.answers(OWNER, "/watch_ssid RNM0 home network", "is watched already").await;
    bot.answers(OWNER, "/watch_ssid RNM0 the old one", "the old one (was: home network)").await;
    let spelled = [
        ("\"Robin's net\" the neighbour", "Robin's net is watched now: the neighbour"),
        ("„Café Müller“ <b>bold</b>", "Café Müller is watched now: <b>bold</b>"),
        ("🪴 plants", "🪴 is watched now: plants"),
        ("hex:00ff1b nobody can type it", "\\u{0}\\xff\\u{1b} is watched now"),
        ("\" x \" blanks", "\" x \" is watched now: blanks"),
    ];
    for (typed, told) in spelled {
        bot.answers(OWNER, &format!("/watch_ssid {typed}"), told).await;
    }
    assert_eq!(
        watched(&log).await,
        [
            entry(b"RNM0", Some("home network")),
            entry(b"RNM0", Some("the old one")),
            entry(b"Robin's net", Some("the neighbour")),
            entry("Café Müller".as_bytes(), Some("<b>bold</b>")),
            entry("🪴".as_bytes(), Some("plants")),
            entry(b"\x00\xff\x1b", Some("nobody can type it")),
            entry(b" x ", Some("blanks")),
        ]
    );
    let list = bot.answers(OWNER, "/ssids", "6 watched networks").await;
    assert!(list.text.contains("\\u{0}\\xff\\u{1b} · nobody can type it"), "{}", list.text);
    assert!(list.html.contains("&lt;b&gt;bold"), "{}", list.html);
    for (typed, refused) in [
        ("\"open", "A quotation mark is opened and not closed."),
        (&"é".repeat(17), "An SSID of 34 bytes, expected at most 32."),
        ("hex:5 odd", "expected two digits a byte"),
        ("\"\" any", "That is the name of no length"),
    ] {
        let asked = bot.answers(OWNER, &format!("/watch_ssid {typed}"), refused).await;
        assert!(asked.text.contains("Which network is to be watched?"), "{}", asked.text);
        bot.answers(OWNER, "/cancel", "Cancelled watch list entry update.").await;
    }
    // The same spelling everywhere.
    bot.answers(OWNER, "/probes \"Robin's \"net\" \"", "1 device looked for").await;
    bot.answers(OWNER, "/probes hex:524e4d30", "2 devices looked for RNM0").await;
    bot.answers(OWNER, "/unwatch_ssid hex:00ff1b", "is not watched any more (was: nobody").await;
    bot.answers(OWNER, "/unwatch_ssid Robin's net", "Robin's net is not watched any more").await;
    bot.answers(OWNER, "/unwatch_ssid Robin's net", "Robin's net is not watched.").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_conversation_asks_for_the_network_and_the_reason() {
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, "/watch_ssid", "Which network is to be watched?").await;
    bot.answers(OWNER, "/back", "This is the first question.").await;
    bot.answers(OWNER, "/skip", "I need to know the network").await;
    bot.answers(OWNER, "hex:x", "no hexadecimal text").await;
    // All of the answer is the name.
    bot.answers(OWNER, "Robin's net", "Why is Robin's net watched?").await;
    bot.answers(OWNER, "/skip", "I need the reason").await;
    bot.answers(OWNER, "two\nlines", "A reason has no control characters").await;
    bot.answers(OWNER, &"x".repeat(201), "A reason has 1 to 200 characters").await;
    bot.answers(OWNER, "/back", "Which network is to be watched?").await;
    bot.answers(OWNER, "RNM0", "Why is RNM0 watched?").await;
    let summary = bot.answers(OWNER, "home network", "Please confirm your watch list entry.").await;
    assert!(summary.text.contains("RNM0: home network"), "{}", summary.text);
    bot.answers(OWNER, "/back", "Why is RNM0 watched?").await;
    bot.answers(OWNER, "home", "Please confirm").await;
    bot.answers(OWNER, "/n", "Your watch list entry was not sent; please use /watch_ssid").await;
    assert_eq!(watched(&log).await, []);
    bot.answers(OWNER, "/watch_ssid RNM0", "Why is RNM0 watched?").await;
    bot.answers(OWNER, "home network", "Please confirm").await;
    bot.taps(OWNER, "✅ Yes", "RNM0 is watched now: home network").await;
    bot.answers(OWNER, "/watch_ssid RNM0", "Now: home network").await;
    bot.answers(OWNER, "/skip", "RNM0 is watched already: home network.").await;
    let asked = bot.answers(OWNER, "/unwatch_ssid", "Which network is not to be watched").await;
    assert_eq!(labels(&asked), ["RNM0", "Cancel"]);
    bot.answers(OWNER, "other", "other is not watched.").await;
    bot.taps(OWNER, "RNM0", "RNM0 is not watched any more (was: home network).").await;
    bot.answers(OWNER, "/unwatch_ssid", "No network is watched; /watch_ssid").await;
    assert_eq!(watched(&log).await, [entry(b"RNM0", Some("home network")), entry(b"RNM0", None)]);
    bot.stop().await;
}

/// F29: the list is turned and shortened in place; a second tap is told.
#[tokio::test]
async fn the_list_has_pages_and_buttons_that_take_networks_off() {
    let (bot, log) = with_devices().await;
    for number in 10..21 {
        let reason = serde_json::json!({"REASON": format!("reason {number}")});
        log.put(WATCHED, format!("net {number}").as_bytes(), &reason).await;
    }
    stored(&bot, "wifi_watch where reason = 'reason 20'").await;
    let list = bot.answers(OWNER, "/ssids", "11 watched networks, page 1 of 2").await;
    assert!(list.text.contains("net 10 · reason 10") && !list.text.contains("net 18"));
    bot.handle().press_label(OWNER, OWNER, "▶").unwrap();
    let page = bot.handle().wait_for_text(SOON, OWNER, list.id - 1, "page 2 of 2").await.unwrap();
    assert!(page.id == list.id && page.text.contains("net 18 · reason 18"), "{}", page.text);
    let off = page.button("✖ net 19").unwrap().data.clone().unwrap();
    for _ in 0..2 {
        bot.handle().press(OWNER, OWNER, list.id, &off);
    }
    bot.handle().wait_for_text(SOON, OWNER, 0, "net 19 is not watched any more").await.unwrap();
    bot.notes("net 19 is not watched any more.").await;
    let shown = bot.handle().messages(OWNER);
    let page = shown.iter().find(|message| message.id == list.id).unwrap();
    assert!(page.text.contains("10 watched networks") && page.button("✖ net 19").is_none());
    assert_eq!(watched(&log).await.last(), Some(&entry(b"net 19", None)));
    bot.stop().await;
}

/// F6, with two people: an edit on its way counts as made.
#[tokio::test]
async fn of_two_people_who_watch_one_network_the_second_sees_the_first_ones_reason() {
    let (bot, log) = with_devices().await;
    for (user_id, reason) in [(OWNER, "mine"), (OTHER, "yours")] {
        bot.answers(user_id, "/watch_ssid RNM0", "Why is RNM0 watched?").await;
        bot.answers(user_id, reason, "Please confirm").await;
    }
    let held = hold(&bot.data_dir().join("log.db")).await;
    bot.answers(OTHER, "/y", "⏳ Your entry for RNM0 is queued").await;
    let shown = bot.answers(OWNER, "/y", "Somebody changed this entry meanwhile:").await;
    assert!(shown.text.contains("RNM0: not watched → yours"), "{}", shown.text);
    bot.answers(OWNER, "/y", "⏳ Your entry for RNM0 is queued").await;
    sqlx::Connection::close(held).await.unwrap();
    bot.handle().wait_for_text(SOON, OTHER, 0, "RNM0 is watched now: yours").await.unwrap();
    bot.handle()
        .wait_for_text(SOON, OWNER, 0, "RNM0 is watched now: mine (was: yours)")
        .await
        .unwrap();
    assert_eq!(watched(&log).await, [entry(b"RNM0", Some("yours")), entry(b"RNM0", Some("mine"))]);
    bot.stop().await;
}
