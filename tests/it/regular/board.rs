//! `/board`: one message in a chat, pinned and kept up to date.

use serde_json::json;
use windowsill::crash::REGULAR_POINTS;
use windowsill::demo::botapi::{Effect, Fault, ShownMessage};

use super::{House, OWNER, SOON, plain};
use crate::bot::Bot;

const BOARD: &str = "📌 Household board";
const ENDED: &str = "⏹ Household board";
const GROUP: i64 = -700;
const MOVED: i64 = -1_000_000_000_700;
const VIEWER: i64 = 31;

impl House {
    /// Waits for the one board of a chat, pinned, with this in it.
    async fn board(&self, chat_id: i64, part: &str) -> ShownMessage {
        let shows_it = |shown: &[ShownMessage]| {
            shown.last().is_some_and(|board| board.pinned && plain(&board.text).contains(part))
        };
        let shown = self.shows(chat_id, BOARD, part, shows_it).await;
        self.bot.is_quiet().await;
        shown.last().unwrap().clone()
    }
}

#[tokio::test]
async fn it_is_pinned_without_a_sound_and_changed_in_place() {
    let mut house = House::living().await;
    house.bot.answers(OWNER, "/board", "📌 The board comes to this chat").await;
    let board = house.board(OWNER, "🟢 Cyril · 45.0 % of 30–").await;
    assert!(board.silent && !board.edited, "{board:?}");
    let lines: Vec<String> = board.text.lines().map(plain).collect();
    assert!(lines[0].starts_with("📌 Household board, as of "), "{lines:?}");
    // What is not known comes before what is well.
    assert_eq!(lines[2], "⚪ Nicholas · no reading yet");
    let pins = house.bot.handle().calls_of("pinChatMessage");
    assert_eq!((pins.len(), pins[0].param("disable_notification").as_str()), (1, "true"));
    house.bot.stop().await;

    house.reads(61, 20.0).await;
    house.later(62).await;
    let changed = house.board(OWNER, "🟠 Cyril · 20.0 % of 30–").await;
    assert!(changed.edited && changed.id == board.id, "{changed:?}");
    house.bot.answers(OWNER, "/board on", "This chat has its board already").await;
    house.bot.is_quiet().await;
    assert_eq!(house.shown(OWNER, BOARD).len(), 1);

    house.bot.answers(OWNER, "/board off", "The board is not kept up to date any more.").await;
    let ended = house.shows(OWNER, ENDED, "its end", |shown| shown.len() == 1).await;
    house.bot.is_quiet().await;
    assert!(ended[0].id == board.id && plain(&ended[0].text).contains("🟠 Cyril"), "{ended:?}");
    assert!(!house.shown(OWNER, ENDED)[0].pinned && house.shown(OWNER, BOARD).is_empty());
    house.bot.answers(OWNER, "/board off", "This chat has no board anyway.").await;
    house.bot.answers(OWNER, "/board sideways", "I know /board, which").await;
    house.bot.stop().await;
}

#[tokio::test]
async fn one_that_somebody_deleted_is_sent_and_pinned_anew() {
    let mut house = House::living().await;
    house.bot.answers(OWNER, "/board", "The board comes").await;
    let first = house.board(OWNER, "Cyril").await;
    house.bot.world.ok("deleteMessage", json!({"chat_id": OWNER, "message_id": first.id})).await;
    house.bot.answers(OWNER, "/board", "This chat has its board already").await;
    let second = house.board(OWNER, "Cyril").await;
    assert!(second.id > first.id && !second.edited, "{second:?}");
    house.bot.world.ok("deleteMessage", json!({"chat_id": OWNER, "message_id": second.id})).await;
    house.bot.stop().await;
    house.reads(61, 70.0).await;
    house.later(62).await;
    let third = house.board(OWNER, "Cyril · 70.0 %").await;
    assert!(third.id > second.id, "{third:?}");
    assert_eq!(house.shown(OWNER, BOARD).len(), 1);
    house.bot.stop().await;
}

/// F1: killed before and after the transaction, and between Telegram's answer and the note of it.
#[tokio::test]
async fn whatever_kills_the_bot_a_chat_has_one_pinned_board() {
    // Both menus are sent first, then the answer, the board, and its pin.
    let sends = [3, 4, 5].map(|visit| ("after-send", visit));
    for (point, visit) in REGULAR_POINTS.map(|point| (point, 1)).into_iter().chain(sends) {
        let mut house = House::living().await;
        house.bot.answers(OWNER, "/help", "What I can do").await;
        house.bot.stop().await;
        house.bot.crash_at(point, visit);
        house.bot.started().await;
        house.bot.is_quiet().await;
        house.bot.handle().say(OWNER, OWNER, "/board");
        house.bot.crashed().await;
        house.bot.crash_no_more();
        house.later(1).await;
        house.board(OWNER, "Nicholas").await;
        let shown = house.shown(OWNER, BOARD);
        assert_eq!(shown.iter().filter(|board| board.pinned).count(), 1, "{point}: {shown:?}");
        // Only where Telegram may have had it and we did not live to know is there a second one.
        let most = if point == REGULAR_POINTS[0] { 1 } else { 2 };
        assert!(shown.len() <= most, "{point}: {shown:?}");
        house.bot.stop().await;
    }
}

/// A group in which we may not pin: the board goes on, and that is said once. Viewers change
/// nothing.
#[tokio::test]
async fn where_we_may_not_pin_it_goes_on_unpinned_and_says_so_once() {
    let bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    let house = House::of(bot).await;
    let words = "Bad Request: not enough rights to manage pinned messages in the chat";
    house.bot.handle().script(Fault::on("pinChatMessage", Effect::status(400, words)));
    let mut house = house.begun().await;
    house.bot.handle().create_group(GROUP, "Home");
    let refused = "Only members decide whether this chat has a board.";
    house.bot.answers_in(GROUP, VIEWER, "/board", refused).await;
    house.bot.answers_in(GROUP, OWNER, "/alerts here", "New alerts come to this chat").await;
    house.bot.handle().say(GROUP, OWNER, "/board");
    let told = house.bot.handle().wait_for_text(SOON, GROUP, 0, "I may not pin messages here");
    told.await.unwrap();
    house.bot.stop().await;
    house.reads(61, 20.0).await;
    house.later(62).await;
    let changed = |shown: &[ShownMessage]| shown.iter().any(|it| plain(&it.text).contains("🟠"));
    let shown = house.shows(GROUP, BOARD, "changed", changed).await;
    house.bot.is_quiet().await;
    assert!(shown.len() == 1 && !shown[0].pinned, "{shown:?}");
    assert_eq!(house.bot.times_said(GROUP, "I may not pin messages here"), 1);
    // The chat itself is within reach.
    let lasts = "select count(*) from subscription where chat_id = -700 and ended_at is null";
    house.bot.counts(lasts, 1).await;

    house.bot.handle().clear_faults();
    house.bot.answers_in(GROUP, OWNER, "/board", "This chat has its board already").await;
    house.board(GROUP, "Cyril").await;
    house.bot.stop().await;
}

/// Messages of a group stay behind when it becomes a supergroup.
#[tokio::test]
async fn a_group_that_moves_has_its_board_anew() {
    let bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    let house = House::of(bot).await.begun().await;
    house.bot.handle().create_group(GROUP, "Home");
    house.bot.answers_in(GROUP, OWNER, "/board", "The board comes to this chat").await;
    house.board(GROUP, "Cyril").await;
    house.bot.handle().migrate_group(GROUP, MOVED);
    house.board(MOVED, "Cyril").await;
    assert_eq!(house.shown(MOVED, BOARD).len(), 1);
    house.bot.stop().await;
}
