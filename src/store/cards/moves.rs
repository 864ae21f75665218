//! Messages of cards whose place is no longer what it was.

use sqlx::SqliteConnection;

use super::message::{PART, Part, put, shown_by, tell};
use super::{Occasion, Stored, of};
use crate::kernel::chat::Place;
use crate::kernel::time::Now;
use crate::store::{StoreError, access, outbox};

/// A forum topic is gone, and its chat gets what went there. What shows a card in the topic is the
/// chat's own message of it from now on, if that has none.
pub async fn leave_thread(
    db: &mut SqliteConnection,
    place: Place,
    now: Now,
) -> Result<(), StoreError> {
    let twice: Vec<Part> = sqlx::query_as(&format!(
        "{PART} where state = 'live' and chat_id = ?1 and thread_id = ?2 and exists (
            select 1 from card_message as other
             where other.about = card_message.about and other.state = 'live'
               and other.chat_id = ?1 and other.thread_id is null)
          order by id"
    ))
    .bind(place.chat_id)
    .bind(place.thread_id)
    .fetch_all(&mut *db)
    .await?;
    // A list that tells of anything else stays.
    let mut told_in_chat = Vec::new();
    for row_id in twice.iter().filter_map(|part| part.outbox_row) {
        let of_row = twice.iter().filter(|part| part.outbox_row == Some(row_id));
        if !told_in_chat.contains(&row_id) && of_row.count() == shown_by(db, row_id).await? {
            told_in_chat.push(row_id);
        }
    }
    for part in twice {
        put(db, &part, "over", &part.face()?.settled(), now).await?;
    }
    for row_id in told_in_chat {
        outbox::drop_waiting(db, row_id, "told in the chat itself", now.machine_ms).await?;
    }
    sqlx::query("update card_message set thread_id = null where chat_id = ? and thread_id = ?")
        .bind(place.chat_id)
        .bind(place.thread_id)
        .execute(db)
        .await?;
    Ok(())
}

/// A group's messages cannot be reached any more: it has become another chat. What was to change
/// them is dropped. Gives what they showed that lasts.
pub async fn leave_messages(
    db: &mut SqliteConnection,
    chat_id: i64,
    now: Now,
) -> Result<Vec<String>, StoreError> {
    let lasting = sqlx::query_scalar(
        "select distinct about from card_message
          where chat_id = ? and message_id is not null and state = 'live' order by about",
    )
    .bind(chat_id)
    .fetch_all(&mut *db)
    .await?;
    outbox::drop_card_edits(db, chat_id, "the group has a new id", now.machine_ms).await?;
    sqlx::query("delete from card_message where chat_id = ? and message_id is not null")
        .bind(chat_id)
        .execute(db)
        .await?;
    Ok(lasting)
}

/// A chat shows these alerts anew, as they are now, if it still gets any. Groups that change their
/// id have no topics.
pub async fn show_again(
    db: &mut SqliteConnection,
    chat_id: i64,
    abouts: &[String],
    now: Now,
) -> Result<(), StoreError> {
    let place = Place { chat_id, thread_id: None };
    if !access::subscriptions(db).await?.contains(&place) {
        return Ok(());
    }
    let mut cards = Vec::new();
    for about in abouts {
        cards.extend(of(db, about).await?);
    }
    let (urgent, others): (Vec<&Stored>, Vec<&Stored>) = cards.iter().partition(|card| card.urgent);
    for cards in [urgent, others] {
        tell(db, place, &cards, Occasion::Reminder, now).await?;
    }
    Ok(())
}

/// A chat is out of reach, or let in no more: nothing is changed there any longer.
pub async fn forget_chat(db: &mut SqliteConnection, chat_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from card_message where chat_id = ?").bind(chat_id).execute(db).await?;
    Ok(())
}
