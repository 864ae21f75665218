//! F27: what people send that is no plain answer: pictures, edits, other people's words, invisible
//! and backward text.

use serde_json::{Value, json};
use windowsill::demo::botapi::ShownMessage;

use crate::bot::{Bot, OWNER, SOON};

/// Sends something that is no text in private, and waits for the answer.
async fn sends(bot: &Bot, content: Value, part: &str) -> ShownMessage {
    let after = bot.newest(OWNER);
    bot.handle().send(OWNER, OWNER, content);
    bot.handle().wait_for_text(SOON, OWNER, after, part).await.unwrap()
}

fn picture(caption: &str) -> Value {
    let size = json!({"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1});
    json!({"photo": [size], "caption": caption})
}

/// F27: photo, sticker, voice, forwarded and edited messages, in a conversation and outside.
#[tokio::test]
async fn whatever_is_no_plain_text_gets_a_word_and_the_question_again() {
    let mut bot = Bot::new().await;
    bot.started().await;
    sends(&bot, picture("a fern"), "I cannot act on a picture; please write it as text.").await;
    sends(&bot, picture("/plants"), "I cannot act on a command in a caption").await;
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    let voice = json!({"voice": {"file_id": "f", "file_unique_id": "u", "duration": 1,
        "mime_type": "audio/ogg"}});
    sends(&bot, voice, "a voice message").await;
    let sticker = json!({"sticker": {"file_id": "f", "file_unique_id": "u", "type": "regular",
        "width": 1, "height": 1, "is_animated": false, "is_video": false}});
    let after = bot.newest(OWNER);
    sends(&bot, sticker, "a sticker").await;
    bot.handle()
        .wait_for_text(SOON, OWNER, after, "Please enter plant's given name")
        .await
        .unwrap();
    sends(&bot, json!({"hologram": {"depth": 3}}), "this kind of message").await;
    let origin = json!({"type": "hidden_user", "date": 1, "sender_user_name": "Bert"});
    sends(&bot, json!({"forward_origin": origin, "text": "Cyril"}), "a forwarded message").await;
    let named = bot.newest(OWNER) + 1;
    bot.answers(OWNER, "Cyril", "scientific name").await;
    let after = bot.newest(OWNER);
    bot.handle().edit(OWNER, named, "Cyrus");
    bot.handle()
        .wait_for_text(SOON, OWNER, after, "I do not follow edited messages")
        .await
        .unwrap();
    bot.counts("select count(*) from conversation where state like '%Cyril%'", 1).await;
    bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
    bot.stop().await;
}

/// F27: right-to-left names are names; what cannot be seen, or writes backwards, is refused.
#[tokio::test]
async fn names_may_be_written_from_right_to_left_but_not_invisibly() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "\u{200b}", "I did not understand that.").await;
    bot.answers(OWNER, "\u{200b}/plants", "No result found for device").await;
    bot.answers(OWNER, "/plant \u{200b}\u{2060}", "I know no plant called").await;
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    bot.answers(OWNER, "\u{200b}\u{200d}\u{2060}", "A name has something to see in it").await;
    bot.answers(OWNER, "\u{202e}lirycs", "A name has no control characters").await;
    bot.answers(OWNER, "שרך ירוק", "scientific name").await;
    bot.answers(OWNER, "نبات", "common name").await;
    bot.counts("select count(*) from conversation where state like '%שרך ירוק%'", 1).await;
    bot.stop().await;
}

#[tokio::test]
async fn words_of_a_conversation_are_kindly_told_from_unknown_commands() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "/y", "There is nothing to confirm just now.").await;
    bot.answers(OWNER, "/skip", "There is no question open just now.").await;
    bot.answers(OWNER, "/cancel", "There is nothing to cancel.").await;
    bot.answers(OWNER, "/stauts", "Did you mean /status?").await;
    bot.stop().await;
}
