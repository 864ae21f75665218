//! What the house tells its owners unasked, in their private chats and without a sound.
//!
//! Invariant: a notice enters the outbox in the transaction of what it is about, so that a restart
//! neither loses it nor says it twice.

use sqlx::SqliteConnection;

use super::access::{Access, FixedAccess};
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::time::{HOUR_MS, SECOND_MS};
use crate::store::dead_letters::{self, Summary, Untold};
use crate::store::outbox::{self, Target};
use crate::store::{StoreError, access, standstill};

/// The first dead letter after a quiet time is told after this long, with what came meanwhile.
const GATHER_MS: i64 = 2 * SECOND_MS;
/// Dead letters are told no more often than this.
const QUIET_MS: i64 = HOUR_MS;
/// Kinds of dead letters that a notice names.
const KINDS_NAMED: i64 = 8;

/// Tells every owner but the one whose chat this is about.
pub async fn tell_owners(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    about_chat: Option<i64>,
    text: Text,
    now_ms: i64,
) -> Result<(), StoreError> {
    let say = Say { silent: true, ..Say::new(text) };
    for owner in Access::load(db, fixed).await?.owners() {
        if Some(owner) != about_chat {
            outbox::tell(db, Place::private(owner), Target::New, &say, now_ms).await?;
        }
    }
    Ok(())
}

/// A chat is out of reach, and its alerts have ended.
pub async fn tell_unreachable(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    chat_id: i64,
    reason: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let text = Text::of("🔕 Alerts no longer go to ")
        .data(chat_name(db, chat_id).await?)
        .plain(": Telegram says “")
        .data(reason)
        .plain("”. Once I can write there again, /start brings them back.");
    tell_owners(db, fixed, Some(chat_id), text, now_ms).await
}

/// Telegram will not have an alert.
pub async fn tell_refused(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    chat_id: i64,
    reason: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let text = Text::of("⚠️ An alert could not be sent to ")
        .data(chat_name(db, chat_id).await?)
        .plain(": Telegram says “")
        .data(reason)
        .plain("”. /alerts has it.");
    tell_owners(db, fixed, None, text, now_ms).await
}

/// Another program uses the bot's token, and Telegram gives each update to one of the two.
pub async fn tell_rival(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    now_ms: i64,
) -> Result<(), StoreError> {
    let text = Text::of("⚠️ ")
        .bold("Another program uses this bot's token")
        .plain(
            ", so some of what you write reaches it and not me. Please stop one of the two. If you \
             do not know the other, get a new token from @BotFather with ",
        )
        .code("/revoke")
        .plain(". /status says when it was last seen; alerts go out all the same.");
    tell_owners(db, fixed, None, text, now_ms).await
}

async fn chat_name(db: &mut SqliteConnection, chat_id: i64) -> Result<String, StoreError> {
    // Groups have negative ids (Bot API, `Chat.id`).
    if chat_id < 0 {
        return Ok(format!("the group {chat_id}"));
    }
    let members = access::members(db).await?;
    let known = members.into_iter().find(|member| member.user_id == chat_id);
    Ok(match known.filter(|member| !member.name.is_empty()) {
        Some(member) => format!("{} (chat {chat_id})", member.name),
        None => format!("chat {chat_id}"),
    })
}

/// When the owners are to be told of dead letters. `None`: there is nothing to tell, or nobody.
pub async fn next_dead_letters(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let Some(untold) = dead_letters::untold(db).await? else { return Ok(None) };
    let has_owner = Access::load(db, fixed).await?.has_owner();
    Ok(has_owner.then(|| due(untold, now_ms)))
}

fn due(untold: Untold, now_ms: i64) -> i64 {
    let quiet_until_ms = untold.told_at.map_or(i64::MIN, |told_at| told_at + QUIET_MS);
    // A clock that was set back must not keep us silent until it is where it was.
    if untold.first_at.max(untold.told_at.unwrap_or(i64::MIN)) > now_ms {
        return now_ms;
    }
    quiet_until_ms.max(untold.first_at + GATHER_MS)
}

/// Tells the owners of every dead letter they do not know, in one message.
pub async fn tell_dead_letters(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    now_ms: i64,
) -> Result<(), StoreError> {
    match next_dead_letters(db, fixed, now_ms).await? {
        Some(due_ms) if due_ms <= now_ms => {}
        _ => return Ok(()),
    }
    let Some(untold) = dead_letters::untold(db).await? else { return Ok(()) };
    let (kinds, total) = dead_letters::groups(db, untold.after_id, 0, KINDS_NAMED).await?;
    tell_owners(db, fixed, None, dead_letter_words(&kinds, total), now_ms).await?;
    dead_letters::mark_told(db, now_ms).await
}

/// When the owners are to be told of pipelines that stand still. `None`: nothing is to be told.
pub async fn next_standstill(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
) -> Result<Option<i64>, StoreError> {
    let since = standstill::untold(db).await?.into_iter().map(|halted| halted.since_at).min();
    let Some(since_at) = since else { return Ok(None) };
    let has_owner = Access::load(db, fixed).await?.has_owner();
    Ok(has_owner.then_some(since_at))
}

/// Tells the owners of every pipeline that has come to stand still.
pub async fn tell_standstill(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    now_ms: i64,
) -> Result<(), StoreError> {
    if next_standstill(db, fixed).await?.is_none() {
        return Ok(());
    }
    for halted in standstill::untold(db).await? {
        let text = Text::of("⛔ ")
            .bold(&halted.pipeline)
            .plain(" stands still: ")
            .data(&halted.reason)
            .line()
            .plain("Look-ups show what was known until then, and no alert comes from it.");
        tell_owners(db, fixed, None, text, now_ms).await?;
    }
    standstill::mark_told(db, now_ms).await
}

fn dead_letter_words(kinds: &[Summary], total: i64) -> Text {
    let mut text = Text::of("⚠️ ").bold("Some records could not be used").plain(":");
    for kind in kinds {
        let origin = &kind.first.letter.origin;
        text = text
            .line()
            .plain(format!("{} × ", kind.group.count))
            .data(&kind.group.topic)
            .plain(": ")
            .data(&kind.first.letter.reason)
            .plain(format!(" (first: partition {}, offset {})", origin.partition, origin.offset));
    }
    let unnamed = total - i64::try_from(kinds.len()).unwrap_or(0);
    if unnamed > 0 {
        text = text.line().plain(format!("… and {unnamed} more kinds."));
    }
    text.line()
        .line()
        .plain("The rest goes on. They are kept: /dead_letters lists them, and ")
        .code("windowsill dead-letters replay")
        .plain(" tries them again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 100 * HOUR_MS;

    fn told(told_at: Option<i64>, first_at: i64) -> i64 {
        due(Untold { after_id: 0, told_at, first_at }, NOW_MS)
    }

    #[test]
    fn the_first_is_told_soon_and_later_ones_once_an_hour() {
        assert_eq!(told(None, NOW_MS), NOW_MS + GATHER_MS);
        assert_eq!(told(Some(NOW_MS - 2 * HOUR_MS), NOW_MS), NOW_MS + GATHER_MS);
        assert_eq!(told(Some(NOW_MS - HOUR_MS / 2), NOW_MS), NOW_MS + HOUR_MS / 2);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nothing() {
        assert_eq!(told(Some(NOW_MS + 9 * HOUR_MS), NOW_MS), NOW_MS);
        assert_eq!(told(None, NOW_MS + HOUR_MS), NOW_MS);
    }
}
