//! The messages of cards: told, changed in place, and done with.
//!
//! Invariant: a message gives up its card only when the one that takes its place was sent: until
//! then both are changed, and a person has the buttons that they see.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::{Occasion, Stored};
use crate::kernel::card::{Ending, Episode, Face, GROUP_MAX, GROUP_MIN, Stance};
use crate::kernel::chat::{Keyboard, Place};
use crate::kernel::text::Text;
use crate::kernel::time::Now;
use crate::store::outbox::{self, Action, Body, Brief, Class, Digest, RowState, Target};
use crate::store::{StoreError, access, digest};

/// Whom to tell quietly that an alert is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    pub place: Place,
    pub brief: Text,
}

/// An alert's part of a message.
#[derive(sqlx::FromRow)]
pub(super) struct Part {
    id: i64,
    about: String,
    since_ms: i64,
    chat_id: i64,
    thread_id: Option<i32>,
    pub(super) outbox_row: Option<i64>,
    message_id: Option<i32>,
    state: String,
    face: String,
}

impl Part {
    /// What it says so far.
    pub(super) fn face(&self) -> Result<Face, StoreError> {
        Ok(serde_json::from_str(&self.face)?)
    }

    fn episode(&self) -> Episode {
        Episode { about: self.about.clone(), since_ms: self.since_ms }
    }

    fn place(&self) -> Place {
        Place { chat_id: self.chat_id, thread_id: self.thread_id }
    }
}

pub(super) const PART: &str =
    "select id, about, since_ms, chat_id, thread_id, outbox_row, message_id, state, face
    from card_message";
const LIVE: &str = "about = ? and state = 'live'";
/// The columns by which a row of the outbox tells a card: by name, and in a digest by number.
const ROWS: [&str; 2] = ["outbox_row", "digest_row"];

/// Tells a place of alerts that it has not been told of, or is to be told of again. Where an
/// earlier message about one waits for the end of quiet hours, that one changes instead; a reminder
/// of what still waits to be sent is none.
pub(super) async fn tell(
    db: &mut SqliteConnection,
    place: Place,
    cards: &[&Stored],
    occasion: Occasion,
    now: Now,
) -> Result<(), StoreError> {
    let mut told: Vec<(&Stored, Face)> = Vec::new();
    for card in cards {
        if is_on_its_way(db, place, card, occasion, now).await? {
            show(db, card, now).await?;
        } else {
            told.push((card, card.subject.face(&card.stance)));
        }
    }
    match told.len() {
        GROUP_MIN..=GROUP_MAX => say(db, place, &told, now).await,
        _ => {
            for one in told.chunks(1) {
                say(db, place, one, now).await?;
            }
            Ok(())
        }
    }
}

/// Does a message that was not sent yet tell this place of the card?
async fn is_on_its_way(
    db: &mut SqliteConnection,
    place: Place,
    card: &Stored,
    occasion: Occasion,
    now: Now,
) -> Result<bool, StoreError> {
    for part in live(db, &card.subject.about).await? {
        let (true, Some(row_id)) = (part.place() == place, part.outbox_row) else { continue };
        if let Some(RowState::Waiting { is_deferred }) =
            outbox::state_of(db, row_id, now.house_ms).await?
            && (is_deferred || occasion == Occasion::Reminder)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One message for these alerts.
async fn say(
    db: &mut SqliteConnection,
    place: Place,
    told: &[(&Stored, Face)],
    now: Now,
) -> Result<(), StoreError> {
    let shown: Vec<(Episode, Face)> =
        told.iter().map(|(card, face)| (card.subject.episode(), face.clone())).collect();
    let body = composed(&shown, told.iter().any(|(card, _)| card.urgent), true);
    let row_id =
        outbox::insert(db, place, Class::Alert, &Action::Say(body), now.machine_ms, None).await?;
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

/// The message of these alerts: one alone, or several as a list. What it says in a digest says the
/// same.
fn composed(shown: &[(Episode, Face)], urgent: bool, is_live: bool) -> Body {
    let brief = |(episode, face): &(Episode, Face)| {
        let (of, line) = (Some(episode.clone()), face.line.clone());
        Brief { of, line, urgent }
    };
    let silent = shown.iter().all(|(_, face)| face.is_quiet);
    if let [one] = shown {
        let (text, keyboard) = (one.1.words.clone(), one.1.keyboard.clone());
        return Body { keyboard, silent, brief: Some(brief(one)), ..Body::plain(text) };
    }
    let named = shown.iter().map(brief).collect();
    Body { silent, ..digest::message(Digest { named, unnamed: 0 }, is_live) }
}

/// A digest or a list of alerts as these alerts are now.
fn recomposed(mut told: Digest, faces: &BTreeMap<Episode, Face>, is_live: bool) -> Body {
    let mut silent = told.unnamed == 0;
    for brief in &mut told.named {
        let face = brief.of.as_ref().and_then(|episode| faces.get(episode));
        if let Some(face) = face {
            brief.line.clone_from(&face.line);
        }
        silent &= face.is_some_and(|face| face.is_quiet);
    }
    Body { silent, ..digest::message(told, is_live) }
}

/// A row has become this message. What showed its cards before, in the same place, gives them up.
pub async fn sent(
    db: &mut SqliteConnection,
    row_id: i64,
    message_id: i32,
    now: Now,
) -> Result<(), StoreError> {
    // A card outlives the row that it began as.
    let mut shown = 0;
    for row in ROWS {
        let noted = sqlx::query(&format!("update card_message set message_id = ? where {row} = ?"))
            .bind(message_id)
            .bind(row_id)
            .execute(&mut *db)
            .await?;
        shown += noted.rows_affected();
    }
    // Most messages show no card.
    if shown == 0 {
        return Ok(());
    }
    let earlier: Vec<Part> = sqlx::query_as(&format!(
        "{PART} where state = 'live' and outbox_row is not ?1
            and about in (select about from card_message where outbox_row = ?1)
            and exists (
                select 1 from card_message as newer
                 where newer.outbox_row = ?1 and newer.state = 'live'
                   and newer.about = card_message.about and newer.id > card_message.id
                   and newer.chat_id = card_message.chat_id
                   and newer.thread_id is card_message.thread_id)
          order by id"
    ))
    .bind(row_id)
    .fetch_all(&mut *db)
    .await?;
    for part in earlier {
        put(db, &part, "moved", &part.face()?.moved(), now).await?;
    }
    Ok(())
}

/// Shows a card as it is now, wherever it is shown.
pub(super) async fn show(
    db: &mut SqliteConnection,
    card: &Stored,
    now: Now,
) -> Result<(), StoreError> {
    let face = card.subject.face(&card.stance);
    for part in live(db, &card.subject.about).await? {
        put(db, &part, "live", &face, now).await?;
    }
    Ok(())
}

/// What shows an earlier episode of this shows it no more.
pub(super) async fn retire(
    db: &mut SqliteConnection,
    about: &str,
    now: Now,
) -> Result<(), StoreError> {
    for part in live(db, about).await? {
        let face = Face { keyboard: Keyboard::new(), is_quiet: true, ..part.face()? };
        put(db, &part, "over", &face, now).await?;
    }
    Ok(())
}

/// A silence is over: messages of alerts that ended in it do not offer its end any more.
pub(super) async fn lift(
    db: &mut SqliteConnection,
    about: &str,
    now: Now,
) -> Result<(), StoreError> {
    let over: Vec<Part> =
        sqlx::query_as(&format!("{PART} where about = ? and state = 'over' order by id"))
            .bind(about)
            .fetch_all(&mut *db)
            .await?;
    for part in over {
        put(db, &part, "over", &part.face()?.settled(), now).await?;
    }
    Ok(())
}

/// The card is over wherever it is shown. Gives whom to tell of it: those who were told that it
/// began, and whose message does not tell it all by itself.
pub(super) async fn end(
    db: &mut SqliteConnection,
    card: &Stored,
    ending: &Ending,
    now: Now,
) -> Result<Vec<Over>, StoreError> {
    let face = card.subject.face_over(ending, &card.stance);
    let is_silenced = matches!(card.stance, Stance::Silenced { .. });
    let subscribed = access::subscriptions(db).await?;
    let (mut told, mut sent_to, mut unsent) = (Vec::new(), Vec::new(), Vec::new());
    for part in live(db, &card.subject.about).await? {
        let place = part.place();
        let alone = match part.outbox_row.filter(|_| part.message_id.is_none()) {
            Some(row_id) => (shown_by(db, row_id).await? == 1).then_some(row_id),
            None => None,
        };
        if !put(db, &part, "over", &face, now).await? {
            unsent.extend(alone.map(|row_id| (place, row_id)));
            continue;
        }
        if sent_to.contains(&place) {
            continue;
        }
        sent_to.push(place);
        let wants = !is_silenced && subscribed.contains(&place);
        if let (true, Some(brief)) = (wants, &ending.brief) {
            told.push(Over { place, brief: brief.clone() });
        }
    }
    // Where an earlier message says that it is over, nobody is reminded of it in the morning. A list
    // stays: it may be the only one that tells of the others.
    for (place, row_id) in unsent {
        if sent_to.contains(&place) {
            outbox::drop_waiting(db, row_id, "over before it was told again", now.machine_ms)
                .await?;
            forget(db, row_id).await?;
        }
    }
    Ok(told)
}

/// How many alerts a row shows, those that are over among them.
pub(super) async fn shown_by(db: &mut SqliteConnection, row_id: i64) -> Result<usize, StoreError> {
    let parts: Vec<i64> = sqlx::query_scalar("select id from card_message where outbox_row = ?")
        .bind(row_id)
        .fetch_all(db)
        .await?;
    Ok(parts.len())
}

/// Does a row show an alert that lasts?
pub(super) async fn shows_any(db: &mut SqliteConnection, row_id: i64) -> Result<bool, StoreError> {
    let shown: Option<i64> = sqlx::query_scalar(
        "select 1 from card_message where outbox_row = ? and state = 'live' limit 1",
    )
    .bind(row_id)
    .fetch_optional(db)
    .await?;
    Ok(shown.is_some())
}

/// Tells quietly what is over; several for one place as one message.
pub async fn tell_over(
    db: &mut SqliteConnection,
    mut overs: Vec<Over>,
    now: Now,
) -> Result<(), StoreError> {
    overs.sort_by_key(|over| over.place);
    for of_place in overs.chunk_by(|one, other| one.place == other.place) {
        let together = (GROUP_MIN..=GROUP_MAX).contains(&of_place.len());
        let chunk = if together { of_place.len() } else { 1 };
        for overs in of_place.chunks(chunk) {
            let brief = |over: &Over| Brief { of: None, line: over.brief.clone(), urgent: false };
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
            outbox::insert(db, overs[0].place, Class::Alert, &action, now.machine_ms, None).await?;
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
pub(super) async fn put(
    db: &mut SqliteConnection,
    part: &Part,
    state: &str,
    face: &Face,
    now: Now,
) -> Result<bool, StoreError> {
    sqlx::query("update card_message set state = ?, face = ? where id = ?")
        .bind(state)
        .bind(serde_json::to_string(face)?)
        .bind(part.id)
        .execute(&mut *db)
        .await?;
    match part.outbox_row {
        Some(row_id) => redraw(db, row_id, now).await,
        // A digest counted it: nothing shows it.
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
async fn redraw(db: &mut SqliteConnection, row_id: i64, now: Now) -> Result<bool, StoreError> {
    let parts: Vec<Part> = sqlx::query_as(&format!("{PART} where outbox_row = ? order by id"))
        .bind(row_id)
        .fetch_all(&mut *db)
        .await?;
    let Some(first) = parts.first() else { return Ok(false) };
    let (message_id, place) = (first.message_id, first.place());
    let is_live = parts.iter().any(|part| part.state == "live");
    let row = outbox::state_of(db, row_id, now.house_ms).await?;
    let is_sent = message_id.is_some()
        || matches!(row, Some(RowState::Sent | RowState::Waiting { is_deferred: false }));
    let shown = parts
        .iter()
        .map(|part| Ok((part.episode(), part.face()?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let body = match outbox::digest_of(db, row_id).await? {
        Some(told) => recomposed(told, &shown.iter().cloned().collect(), is_live),
        // Only what is not urgent is ever put off.
        None => composed(&shown, false, is_live),
    };
    outbox::overtake_edits(db, place.chat_id, row_id, message_id, now.machine_ms).await?;
    if is_sent {
        let target = message_id.map_or(Target::Row(row_id), Target::Message);
        outbox::insert(db, place, Class::Alert, &Action::Edit(target, body), now.machine_ms, None)
            .await?;
    } else if row == Some(RowState::Waiting { is_deferred: true }) {
        outbox::rewrite(db, row_id, &body).await?;
    }
    // The last word was said, unless it is a way out of a silence.
    let asks = matches!(shown.as_slice(), [(_, face)] if face.asks());
    if !is_live && !asks {
        forget(db, row_id).await?;
    }
    Ok(is_sent)
}

/// What a row shows is changed no more.
async fn forget(db: &mut SqliteConnection, row_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from card_message where outbox_row = ?").bind(row_id).execute(db).await?;
    Ok(())
}

/// A digest tells what these rows were to tell. It shows the cards that it names; those that it only
/// counts are known by it. Says whether it shows one that lasts.
pub async fn gather(
    db: &mut SqliteConnection,
    rows: &[i64],
    into_row: i64,
    told: &Digest,
) -> Result<bool, StoreError> {
    for row_id in rows {
        for row in ROWS {
            sqlx::query(&format!("update card_message set {row} = ? where {row} = ?"))
                .bind(into_row)
                .bind(row_id)
                .execute(&mut *db)
                .await?;
        }
    }
    // Each of them once, as the newest row had it.
    sqlx::query(
        "delete from card_message where outbox_row = ?1 and exists (
            select 1 from card_message as newer
             where newer.outbox_row = ?1 and newer.about = card_message.about
               and newer.since_ms = card_message.since_ms and newer.id > card_message.id)",
    )
    .bind(into_row)
    .execute(&mut *db)
    .await?;
    let named: Vec<&Episode> = told.named.iter().filter_map(|brief| brief.of.as_ref()).collect();
    sqlx::query(
        "update card_message set outbox_row = null, digest_row = ?1
          where outbox_row = ?1 and (about, since_ms) not in (
            select value ->> 'about', value ->> 'since_ms' from json_each(?2))",
    )
    .bind(into_row)
    .bind(serde_json::to_string(&named)?)
    .execute(&mut *db)
    .await?;
    shows_any(db, into_row).await
}
