//! Teloxide against our Bot API server: its types must be able to read every answer.

use teloxide::net::Download;
use teloxide::prelude::*;
use teloxide::types::{
    BotCommand, BotCommandScope, ChatAction, InlineKeyboardButton, InlineKeyboardMarkup, InputFile,
    ParseMode, ReactionType, ReplyParameters, UpdateKind,
};
use teloxide::{ApiError, RequestError};
use windowsill::demo::botapi::{Effect, Fault};

use crate::botapi::PIXEL;
use crate::botapi_world::{TOKEN, World};

const ANNA: i64 = 77;

async fn world_and_bot() -> (World, Bot) {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "/start now");
    let client = teloxide::net::default_reqwest_settings().no_proxy().build().unwrap();
    let bot = Bot::with_client(TOKEN, client).set_api_url(world.base.parse().unwrap());
    (world, bot)
}

#[tokio::test]
async fn teloxide_reads_messages_updates_and_files() {
    let (world, bot) = world_and_bot().await;
    let chat = ChatId(ANNA);
    assert!(bot.get_me().await.unwrap().user.is_bot);
    let rows = [[InlineKeyboardButton::callback("Water", "w")]];
    let sent = bot
        .send_message(chat, "<b>dry</b>")
        .parse_mode(ParseMode::Html)
        .reply_markup(InlineKeyboardMarkup::new(rows))
        .reply_parameters(ReplyParameters::new(teloxide::types::MessageId(1)))
        .await
        .unwrap();
    assert!(sent.reply_to_message().is_some() && sent.text() == Some("dry"));
    world.handle.press_label(ANNA, ANNA, "Water").unwrap();
    world.handle.block(ANNA);
    world.handle.unblock(ANNA);
    let updates = bot.get_updates().await.unwrap();
    let kinds: Vec<bool> =
        updates.iter().map(|update| matches!(update.kind, UpdateKind::Error(_))).collect();
    assert_eq!(kinds, [false; 4], "{updates:?}");
    let UpdateKind::CallbackQuery(query) = &updates[1].kind else { panic!("{updates:?}") };
    bot.answer_callback_query(query.id.clone()).text("ok").await.unwrap();
    bot.edit_message_text(chat, sent.id, "watered").await.unwrap();

    let picture = InputFile::memory(PIXEL).file_name("pixel.png");
    let photo = bot.send_photo(chat, picture).caption("a chart").await.unwrap();
    let file = bot.get_file(photo.photo().unwrap()[0].file.id.clone()).await.unwrap();
    let mut bytes = Vec::new();
    bot.download_file(&file.path, &mut bytes).await.unwrap();
    assert_eq!(bytes, PIXEL);
    bot.send_document(chat, InputFile::memory("a,b")).await.unwrap();
}

#[tokio::test]
async fn teloxide_reads_chats_commands_and_errors() {
    let (world, bot) = world_and_bot().await;
    let chat = ChatId(ANNA);
    let commands = [BotCommand::new("plants", "all of them")];
    let scope = BotCommandScope::AllPrivateChats;
    bot.set_my_commands(commands.clone()).scope(scope.clone()).await.unwrap();
    assert_eq!(bot.get_my_commands().scope(scope).await.unwrap(), commands);
    let id = teloxide::types::MessageId(1);
    bot.pin_chat_message(chat, id).await.unwrap();
    bot.send_chat_action(chat, ChatAction::Typing).await.unwrap();
    let eyes = ReactionType::Emoji { emoji: "👀".to_owned() };
    bot.set_message_reaction(chat, id).reaction([eyes]).await.unwrap();
    assert!(bot.get_chat(chat).await.unwrap().is_private());
    assert!(bot.get_webhook_info().await.unwrap().url.is_none());
    bot.delete_message(chat, id).await.unwrap();

    let blocked = |error| matches!(error, RequestError::Api(ApiError::BotBlocked));
    world.handle.block(ANNA);
    assert!(blocked(bot.send_message(chat, "x").await.unwrap_err()));
    world.handle.unblock(ANNA);
    world.handle.script(Fault::on("sendMessage", Effect::too_many_requests(7)).times(1));
    let flood = bot.send_message(chat, "x").await.unwrap_err();
    assert!(matches!(flood, RequestError::RetryAfter(wait) if wait.seconds() == 7), "{flood}");
    let unknown = bot.send_message(ChatId(1), "x").await.unwrap_err();
    assert!(matches!(unknown, RequestError::Api(ApiError::ChatNotFound)), "{unknown}");
    world.handle.create_group(-5, "Home");
    world.handle.migrate_group(-5, -1_000_000_000_005);
    let moved = bot.send_message(ChatId(-5), "x").await.unwrap_err();
    assert!(matches!(moved, RequestError::MigrateToChatId(_)), "{moved}");
    let updates = bot.get_updates().await.unwrap();
    let broken = updates.iter().find(|update| matches!(update.kind, UpdateKind::Error(_)));
    assert!(broken.is_none(), "{broken:?}");
}
