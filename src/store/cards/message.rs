//! The messages of cards: told, changed in place, and done with.

use sqlx::SqliteConnection;

use super::{Occasion, Stored};
use crate::kernel::card::{self, Ending, Face, GROUP_MAX, GROUP_MIN, Stance};
use crate::kernel::chat::{Keyboard, Place};
use crate::kernel::text::Text;
use crate::store::outbox::{self, Action, Body, Brief, Class, Digest, RowState, Target};
use crate::store::{StoreError, access};

/// Whom to tell quietly that an alert is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    pub place: Place,
    pub brief: Text,
}

/// An alert's part of a message.
#[derive(sqlx::FromRow)]
struct Part {
    id: i64,
    chat_id: i64,
    thread_id: Option<i32>,
    outbox_row: Option<i64>,
    message_id: Option<i32>,
    state: String,
    face: String,
}

impl Part {
    /// What it says so far.
    fn face(&self) -> Result<Face, StoreError> {
        Ok(serde_json::from_str(&self.face)?)
    }
}

const PART: &str =
    "select id, chat_id, thread_id, outbox_row, message_id, state, face from card_message";
const LIVE: &str = "about = ? and state = 'live'";

/// Tells a place of alerts that it has not been told of, or is to be told of again. Where an
/// earlier message about one waits for the end of quiet hours, that one changes instead; a reminder
/// of what still waits to be sent is none.
pub(super) async fn tell(
    db: &mut SqliteConnection,
    place: Place,
    cards: &[&Stored],
    occasion: Occasion,
    now_ms: i64,
) -> Result<(), StoreError> {
    let mut told: Vec<(&Stored, Face)> = Vec::new();
    for card in cards {
        let face = card.subject.face(&card.stance);
        if !take_over(db, place, card, occasion, now_ms).await? {
            told.push((card, face));
        }
    }
    match told.len() {
        GROUP_MIN..=GROUP_MAX => say(db, place, &told, now_ms).await,
        _ => {
            for one in told.chunks(1) {
                say(db, place, one, now_ms).await?;
            }
            Ok(())
        }
    }
}

/// Gives up the message that shows the card in this place so far. `true`: it was not sent yet, and
/// says the newest by itself.
async fn take_over(
    db: &mut SqliteConnection,
    place: Place,
    card: &Stored,
    occasion: Occasion,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let parts: Vec<Part> =
        sqlx::query_as(&format!("{PART} where {LIVE} and chat_id = ? and thread_id is ?"))
            .bind(&card.subject.about)
            .bind(place.chat_id)
            .bind(place.thread_id)
            .fetch_all(&mut *db)
            .await?;
    for part in parts {
        let state = match part.outbox_row {
            Some(row_id) => outbox::state_of(db, row_id, now_ms).await?,
            None => None,
        };
        let says_it = match state {
            Some(RowState::Waiting { is_deferred }) => {
                is_deferred || occasion == Occasion::Reminder
            }
            _ => false,
        };
        if says_it {
            show(db, card, now_ms).await?;
            return Ok(true);
        }
        put(db, &part, "moved", &part.face()?.moved(), now_ms).await?;
    }
    Ok(false)
}

/// One message for these alerts.
async fn say(
    db: &mut SqliteConnection,
    place: Place,
    told: &[(&Stored, Face)],
    now_ms: i64,
) -> Result<(), StoreError> {
    let faces: Vec<Face> = told.iter().map(|(_, face)| face.clone()).collect();
    let body = composed(&faces, told.iter().any(|(card, _)| card.urgent), true);
    let row_id = outbox::insert(db, place, Class::Alert, &Action::Say(body), now_ms, None).await?;
    for (card, face) in told {
        sqlx::query(
            "insert into card_message
                (about, since_ms, chat_id, thread_id, outbox_row, state, face)
             values (?, ?, ?, ?, ?, 'live', ?)",
        )
        .bind(&card.subject.about)
        .bind(card.subject.since_ms)
        .bind(place.chat_id)
        .bind(place.thread_id)
        .bind(row_id)
        .bind(serde_json::to_string(face)?)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The message of these faces: one alone, or several as a list. What it says in a digest says the
/// same.
fn composed(faces: &[Face], urgent: bool, is_live: bool) -> Body {
    let brief = |face: &Face| Brief { line: face.line.clone(), urgent };
    let silent = !is_live;
    if let [face] = faces {
        let (text, keyboard) = (face.words.clone(), face.keyboard.clone());
        return Body { keyboard, silent, brief: Some(brief(face)), ..Body::plain(text) };
    }
    let (text, keyboard) = card::group(faces, is_live);
    let digest = Some(Digest { named: faces.iter().map(brief).collect(), unnamed: 0 });
    Body { keyboard, silent, digest, ..Body::plain(text) }
}

/// Shows a card as it is now, wherever it is shown.
pub(super) async fn show(
    db: &mut SqliteConnection,
    card: &Stored,
    now_ms: i64,
) -> Result<(), StoreError> {
    let face = card.subject.face(&card.stance);
    for part in live(db, &card.subject.about).await? {
        put(db, &part, "live", &face, now_ms).await?;
    }
    Ok(())
}

/// What shows an earlier episode of this shows it no more.
pub(super) async fn retire(
    db: &mut SqliteConnection,
    about: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    for part in live(db, about).await? {
        let face = Face { keyboard: Keyboard::new(), ..part.face()? };
        put(db, &part, "over", &face, now_ms).await?;
    }
    Ok(())
}

/// The card is over wherever it is shown. Gives whom to tell of it: those who were told that it
/// began, and whose message does not tell it all by itself.
pub(super) async fn end(
    db: &mut SqliteConnection,
    card: &Stored,
    ending: &Ending,
    now_ms: i64,
) -> Result<Vec<Over>, StoreError> {
    let face = card.subject.face_over(ending, &card.stance);
    let is_silenced = matches!(card.stance, Stance::Silenced { .. });
    let subscribed = access::subscriptions(db).await?;
    let mut told = Vec::new();
    for part in live(db, &card.subject.about).await? {
        let place = Place { chat_id: part.chat_id, thread_id: part.thread_id };
        let was_sent = put(db, &part, "over", &face, now_ms).await?;
        let wants = was_sent && !is_silenced && subscribed.contains(&place);
        if let (true, Some(brief)) = (wants, &ending.brief) {
            told.push(Over { place, brief: brief.clone() });
        }
    }
    Ok(told)
}

/// Tells quietly what is over; several for one place as one message.
pub async fn tell_over(
    db: &mut SqliteConnection,
    mut overs: Vec<Over>,
    now_ms: i64,
) -> Result<(), StoreError> {
    overs.sort_by_key(|over| over.place);
    for of_place in overs.chunk_by(|one, other| one.place == other.place) {
        let together = (GROUP_MIN..=GROUP_MAX).contains(&of_place.len());
        let chunk = if together { of_place.len() } else { 1 };
        for overs in of_place.chunks(chunk) {
            let brief = |over: &Over| Brief { line: over.brief.clone(), urgent: false };
            let briefs: Vec<Brief> = overs.iter().map(brief).collect();
            let mut lines = overs.iter().map(|over| over.brief.clone());
            let first = lines.next().unwrap_or_default();
            let text = lines.fold(first, Text::below);
            let mut body = Body { silent: true, ..Body::plain(text) };
            match briefs.as_slice() {
                [brief] => body.brief = Some(brief.clone()),
                _ => body.digest = Some(Digest { named: briefs, unnamed: 0 }),
            }
            let action = Action::Say(body);
            outbox::insert(db, overs[0].place, Class::Alert, &action, now_ms, None).await?;
        }
    }
    Ok(())
}

async fn live(db: &mut SqliteConnection, about: &str) -> Result<Vec<Part>, StoreError> {
    Ok(sqlx::query_as(&format!("{PART} where {LIVE} order by id"))
        .bind(about)
        .fetch_all(db)
        .await?)
}

/// An alert's part of a message says this now, and the message with it. Says whether the message
/// has been sent before, or may be on its way.
async fn put(
    db: &mut SqliteConnection,
    part: &Part,
    state: &str,
    face: &Face,
    now_ms: i64,
) -> Result<bool, StoreError> {
    sqlx::query("update card_message set state = ?, face = ? where id = ?")
        .bind(state)
        .bind(serde_json::to_string(face)?)
        .bind(part.id)
        .execute(&mut *db)
        .await?;
    match part.outbox_row {
        Some(row_id) => redraw(db, row_id, now_ms).await,
        // A digest told it: nothing shows it alone.
        None => {
            sqlx::query("delete from card_message where id = ? and state <> 'live'")
                .bind(part.id)
                .execute(db)
                .await?;
            Ok(true)
        }
    }
}

/// The message of an outbox row says what its alerts say now. Says whether it has been sent
/// before, or may be on its way.
async fn redraw(db: &mut SqliteConnection, row_id: i64, now_ms: i64) -> Result<bool, StoreError> {
    let parts: Vec<Part> = sqlx::query_as(&format!("{PART} where outbox_row = ? order by id"))
        .bind(row_id)
        .fetch_all(&mut *db)
        .await?;
    let Some(first) = parts.first() else { return Ok(false) };
    let (message_id, chat_id, thread_id) = (first.message_id, first.chat_id, first.thread_id);
    let is_live = parts.iter().any(|part| part.state == "live");
    let faces: Vec<Face> = parts.iter().map(Part::face).collect::<Result<_, _>>()?;
    let row = outbox::state_of(db, row_id, now_ms).await?;
    let is_sent = message_id.is_some()
        || matches!(row, Some(RowState::Sent | RowState::Waiting { is_deferred: false }));
    // Only what is not urgent is ever put off.
    let body = composed(&faces, false, is_live);
    outbox::overtake_edits(db, chat_id, row_id, message_id, now_ms).await?;
    if is_sent {
        let target = message_id.map_or(Target::Row(row_id), Target::Message);
        let place = Place { chat_id, thread_id };
        outbox::insert(db, place, Class::Alert, &Action::Edit(target, body), now_ms, None).await?;
    } else if row == Some(RowState::Waiting { is_deferred: true }) {
        outbox::rewrite(db, row_id, &body).await?;
    }
    if !is_live {
        sqlx::query("delete from card_message where outbox_row = ?")
            .bind(row_id)
            .execute(db)
            .await?;
    }
    Ok(is_sent)
}

/// A row of the outbox became this message.
pub async fn sent(
    db: &mut SqliteConnection,
    row_id: i64,
    message_id: i32,
) -> Result<(), StoreError> {
    sqlx::query("update card_message set message_id = ? where outbox_row = ?")
        .bind(message_id)
        .bind(row_id)
        .execute(db)
        .await?;
    Ok(())
}

/// A chat is out of reach, or let in no more: nothing is changed there any longer.
pub async fn forget_chat(db: &mut SqliteConnection, chat_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from card_message where chat_id = ?").bind(chat_id).execute(db).await?;
    Ok(())
}
