//! The pictures of `/plant` and `/plants`.

use super::{asked, watered_once, with_past};
use crate::bot::past::{Reading, plant};
use crate::bot::{OWNER, SOON};

const SIZE_MAX_BYTES: u64 = 60_000;

#[tokio::test]
async fn a_plant_and_all_plants_come_with_a_picture_that_is_announced() {
    let (bot, _) = with_past(72, watered_once).await;
    for (text, part) in [("/plant cyril", "Cyril the Some Fern"), ("/plants", "2 plants")] {
        let shown = bot.answers(OWNER, text, part).await;
        assert!(shown.photo, "{shown:?}");
    }
    let calls: Vec<String> = bot.handle().calls().into_iter().map(|call| call.method).collect();
    let announced = calls.iter().position(|method| method == "sendChatAction").unwrap();
    let sent = calls.iter().position(|method| method == "sendPhoto").unwrap();
    assert!(announced < sent, "{calls:?}");
    for call in bot.handle().calls_of("sendPhoto") {
        let size = call.params["picture.png"]["size"].as_u64().unwrap();
        assert!(size < SIZE_MAX_BYTES, "{size} bytes");
    }
    bot.stop().await;
}

#[tokio::test]
async fn a_plant_that_was_never_read_has_no_picture() {
    let (bot, log) = with_past(1, |_| Some(40.0)).await;
    let shown = bot.answers(OWNER, "/plant nicholas", "Nicholas the Some Fern").await;
    assert!(!shown.photo, "{shown:?}");
    log.delete("houseplant-metadata", "0").await;
    bot.sees("/plants", "1 plant\n").await;
    assert_eq!(asked(&bot, &["/plants"])[0]["method"], "sendMessage");
    bot.stop().await;
}

/// More plants than a caption has room for: the picture comes first, the list as a message.
#[tokio::test]
async fn many_plants_are_a_picture_and_a_list() {
    let (bot, log) = with_past(1, |_| Some(40.0)).await;
    let now_ms = windowsill::clock::now_ms();
    for plant_id in 2..40u8 {
        log.describe(&plant(plant_id.into(), &format!("客厅绿萝 {plant_id}"), 30.0)).await;
        let moisture = f32::from(plant_id) * 2.0;
        log.append(&[Reading { plant_id, moisture, at_ms: now_ms, partition: 0 }]).await;
    }
    bot.sees("/plants", "40 plants").await;
    let list = bot.answers(OWNER, "/plants", "40 plants").await;
    assert!(!list.photo, "{list:?}");
    let photo = |handle: &windowsill::demo::botapi::Handle| {
        handle.messages(OWNER).into_iter().find(|message| message.photo)
    };
    let photo = bot.handle().wait_for(SOON, "the picture", photo).await.unwrap();
    assert!(photo.text.is_empty() && photo.id < list.id, "{photo:?}");
    let size = bot.handle().calls_of("sendPhoto")[0].params["picture.png"]["size"].clone();
    assert!(size.as_u64().unwrap() < SIZE_MAX_BYTES, "{size} bytes");
    bot.stop().await;
}
