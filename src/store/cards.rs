//! Alerts that last, and the messages that show them.
//!
//! Invariant: in a place one message at most shows an alert with its buttons, once the one that
//! takes its place was sent. Whatever changes an alert changes its messages in the same
//! transaction; what has not been sent yet is never doubled. Times of cards are the house's.

use sqlx::SqliteConnection;

use super::alerts::{self, Told};
use super::{StoreError, access};
use crate::kernel::alert::Alert;
use crate::kernel::card::{Card, Ending, Reaction, Stance, Subject, Tap};
use crate::kernel::text::Text;
use crate::kernel::time::{Now, SECOND_MS};

mod message;
mod moves;

pub use message::{Over, gather, sent, tell_over};
pub use moves::{forget_chat, leave_messages, leave_thread, show_again};

/// An alert waits for so long to be told with others, if the step that raised it does not say that
/// there are no more.
pub const GATHER_MS: i64 = 60 * SECOND_MS;

/// A card as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub subject: Subject,
    pub stance: Stance,
    urgent: bool,
    repeat_ms: Option<i64>,
    is_waiting: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    about: String,
    since_ms: i64,
    urgent: bool,
    text: String,
    brief: String,
    keyboard: String,
    repeat_ms: Option<i64>,
    stance: String,
    is_waiting: bool,
}

const ROW: &str = "select about, since_ms, urgent, text, brief, keyboard, repeat_ms, stance,
    waits_since is not null as is_waiting from card";

impl Row {
    fn parse(self) -> Result<Stored, StoreError> {
        Ok(Stored {
            subject: Subject {
                about: self.about,
                since_ms: self.since_ms,
                text: serde_json::from_str(&self.text)?,
                brief: serde_json::from_str(&self.brief)?,
                keyboard: serde_json::from_str(&self.keyboard)?,
            },
            stance: serde_json::from_str(&self.stance)?,
            urgent: self.urgent,
            repeat_ms: self.repeat_ms,
            is_waiting: self.is_waiting,
        })
    }
}

/// The card of an alert that lasts now.
pub async fn of(db: &mut SqliteConnection, about: &str) -> Result<Option<Stored>, StoreError> {
    let row: Option<Row> =
        sqlx::query_as(&format!("{ROW} where about = ?")).bind(about).fetch_optional(db).await?;
    row.map(Row::parse).transpose()
}

/// What is known of an alert when it is found true.
#[derive(Debug)]
pub struct Known {
    card: Option<Stored>,
    snoozed_until: Option<i64>,
}

impl Known {
    pub async fn of(
        db: &mut SqliteConnection,
        about: &str,
        now_ms: i64,
    ) -> Result<Known, StoreError> {
        let card = of(db, about).await?;
        let snoozed_until = alerts::snoozed_until(db, about, now_ms).await?;
        Ok(Known { card, snoozed_until })
    }

    /// Has somebody seen to it, so that it is not told again?
    pub fn is_quiet(&self) -> bool {
        let is_seen_to = self.card.as_ref().is_some_and(|card| card.stance != Stance::Firing);
        is_seen_to || self.snoozed_until.is_some()
    }
}

/// Takes in an alert that lasts, of which this was known, and which was recorded with this fate.
/// One that is sent waits for others to be told with it: see [`tell_waiting`].
pub async fn raise(
    db: &mut SqliteConnection,
    alert: &Alert,
    card: &Card,
    known: Known,
    told: Told,
    now: Now,
) -> Result<(), StoreError> {
    let Some(about) = &alert.about else { return Ok(()) };
    let snoozed_until = known.snoozed_until;
    let known = known.card.filter(|known| known.subject.since_ms == card.since_ms);
    let stance = match &known {
        Some(known) => known.stance.clone(),
        None => snoozed_until.map_or(Stance::Firing, Stance::of_quiet),
    };
    match &known {
        None => message::retire(db, about, now).await?,
        // It was found true once more before it was told: each time is told.
        Some(known) if known.is_waiting => tell_waiting(db, i64::MAX, now).await?,
        Some(_) => {}
    }
    let is_sent = told == Told::Sent;
    sqlx::query(
        "insert into card (about, since_ms, rule, subject, event_ms, urgent, text, brief, keyboard,
            repeat_ms, stance, waits_since, next_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (about) do update set
            since_ms = excluded.since_ms, rule = excluded.rule, subject = excluded.subject,
            event_ms = excluded.event_ms, urgent = excluded.urgent, text = excluded.text,
            brief = excluded.brief, keyboard = excluded.keyboard, repeat_ms = excluded.repeat_ms,
            stance = excluded.stance, waits_since = coalesce(waits_since, excluded.waits_since),
            next_at = excluded.next_at",
    )
    .bind(about)
    .bind(card.since_ms)
    .bind(alert.rule)
    .bind(&alert.subject)
    .bind(alert.event_ms)
    .bind(alert.urgent)
    .bind(serde_json::to_string(&alert.text)?)
    .bind(serde_json::to_string(&alert.brief)?)
    .bind(serde_json::to_string(&alert.keyboard)?)
    .bind(card.repeat_ms)
    .bind(serde_json::to_string(&stance)?)
    .bind(is_sent.then_some(now.house_ms))
    .bind(if is_sent { None } else { stance.next_ms(now.house_ms, card.repeat_ms) })
    .execute(&mut *db)
    .await?;
    if is_sent || known.is_none() {
        // It is told with others, or nothing shows it.
        return Ok(());
    }
    let subject = Subject {
        about: about.clone(),
        since_ms: card.since_ms,
        text: alert.text.clone(),
        brief: alert.brief.clone(),
        keyboard: alert.keyboard.clone(),
    };
    let (urgent, repeat_ms) = (alert.urgent, card.repeat_ms);
    let shown = Stored { subject, stance, urgent, repeat_ms, is_waiting: false };
    message::show(db, &shown, now).await
}

/// Tells every place of the alerts that have waited since `before_ms` or longer: those of one
/// moment together, unless they are few, or so many that the outbox makes a digest of them.
pub async fn tell_waiting(
    db: &mut SqliteConnection,
    before_ms: i64,
    now: Now,
) -> Result<(), StoreError> {
    tell(db, before_ms, Occasion::News, now).await
}

/// Why an alert is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// It was found true.
    News,
    /// It still is.
    Reminder,
}

async fn tell(
    db: &mut SqliteConnection,
    before_ms: i64,
    occasion: Occasion,
    now: Now,
) -> Result<(), StoreError> {
    let rows: Vec<Row> = sqlx::query_as(&format!(
        "{ROW} where waits_since <= ? order by urgent desc, event_ms, about"
    ))
    .bind(before_ms)
    .fetch_all(&mut *db)
    .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let cards: Vec<Stored> = rows.into_iter().map(Row::parse).collect::<Result<_, _>>()?;
    let (urgent, others): (Vec<&Stored>, Vec<&Stored>) = cards.iter().partition(|card| card.urgent);
    for place in access::subscriptions(db).await? {
        for cards in [&urgent, &others] {
            message::tell(db, place, cards, occasion, now).await?;
        }
    }
    for card in &cards {
        settle(db, card, &card.stance, now.house_ms).await?;
    }
    Ok(())
}

/// A card has this stance from now on, and waits for nothing but its next moment.
async fn settle(
    db: &mut SqliteConnection,
    card: &Stored,
    stance: &Stance,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("update card set stance = ?, waits_since = null, next_at = ? where about = ?")
        .bind(serde_json::to_string(stance)?)
        .bind(stance.next_ms(now_ms, card.repeat_ms))
        .bind(&card.subject.about)
        .execute(db)
        .await?;
    Ok(())
}

/// An alert that lasted is over: its messages say so. Gives whom to tell of it quietly.
pub async fn end(
    db: &mut SqliteConnection,
    ending: &Ending,
    now: Now,
) -> Result<Vec<Over>, StoreError> {
    let known = of(db, &ending.about).await?;
    let Some(card) = known.filter(|card| card.subject.since_ms == ending.since_ms) else {
        return Ok(Vec::new());
    };
    if card.is_waiting {
        sqlx::query(
            "update alert set told = 'over' where source = '' and (rule, subject, event_ms) =
                (select rule, subject, event_ms from card where about = ?)",
        )
        .bind(&ending.about)
        .execute(&mut *db)
        .await?;
    }
    sqlx::query("delete from card where about = ?").bind(&ending.about).execute(&mut *db).await?;
    message::end(db, &card, ending, now).await
}

/// The alerts that a tap means, as far as they last: what each is about, since when, and how it
/// stands with people.
pub async fn tapped(
    db: &mut SqliteConnection,
    chat_id: i64,
    message_id: i32,
    tap: &Tap,
) -> Result<Vec<Stored>, StoreError> {
    match tap {
        Tap::One { about, since_ms, .. } => {
            let card = of(db, about).await?;
            Ok(card.filter(|card| card.subject.since_ms == *since_ms).into_iter().collect())
        }
        Tap::All(_) => {
            let rows: Vec<Row> = sqlx::query_as(&format!(
                "{ROW} where about in (select about from card_message
                    where chat_id = ? and message_id = ? and state = 'live') order by about"
            ))
            .bind(chat_id)
            .bind(message_id)
            .fetch_all(db)
            .await?;
            rows.into_iter().map(Row::parse).collect()
        }
    }
}

/// Somebody has reacted to an alert; its messages show it wherever they are.
pub async fn react(
    db: &mut SqliteConnection,
    about: &str,
    reaction: Reaction,
    by: &str,
    now: Now,
) -> Result<(), StoreError> {
    let Some(card) = of(db, about).await? else {
        if reaction == Reaction::TellAgain {
            alerts::unsnooze(db, about).await?;
            message::lift(db, about, now).await?;
        }
        return Ok(());
    };
    let Some(stance) = card.stance.after(reaction, by, now.house_ms) else { return Ok(()) };
    alerts::unsnooze(db, about).await?;
    if reaction == Reaction::TellAgain {
        message::lift(db, about, now).await?;
    }
    if let Some(until_ms) = stance.quiet_until() {
        alerts::snooze(db, about, until_ms, Some(&card.subject.brief)).await?;
    }
    settle(db, &card, &stance, now.house_ms).await?;
    message::show(db, &Stored { stance, ..card }, now).await
}

/// When a card has its next moment by the house's clock.
pub async fn next_due(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    let next_at: Option<i64> =
        sqlx::query_scalar("select min(next_at) from card where next_at is not null")
            .fetch_one(&mut *db)
            .await?;
    let waits_since: Option<i64> =
        sqlx::query_scalar("select min(waits_since) from card where waits_since is not null")
            .fetch_one(db)
            .await?;
    let gathered_at = waits_since.map(|since_ms| since_ms + GATHER_MS);
    Ok([next_at, gathered_at].into_iter().flatten().min())
}

/// Tells again what nobody has seen to, and what was snoozed and still lasts; and tells what has
/// waited for others for long enough.
pub async fn ring(db: &mut SqliteConnection, now: Now) -> Result<(), StoreError> {
    let gathered_ms = now.house_ms - GATHER_MS;
    sqlx::query(
        "update card set stance = ?, next_at = null, waits_since = min(coalesce(waits_since, ?), ?)
          where next_at <= ?",
    )
    .bind(serde_json::to_string(&Stance::Firing)?)
    .bind(gathered_ms)
    .bind(gathered_ms)
    .bind(now.house_ms)
    .execute(&mut *db)
    .await?;
    tell(db, gathered_ms, Occasion::Reminder, now).await
}

/// The clock was set back: nothing waits for longer than its whole time.
pub async fn wait_at_most(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update card set next_at = min(next_at, ?1 + max(coalesce(repeat_ms, 0), ?2)),
            waits_since = min(waits_since, ?1)",
    )
    .bind(now_ms)
    .bind(crate::kernel::card::SNOOZE_MS)
    .execute(db)
    .await?;
    Ok(())
}

/// How much lasts now.
pub async fn count(db: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("select count(*) from card").fetch_one(db).await?)
}

/// Some of what lasts now, urgent and older ones first, behind so many; in one line each.
pub async fn lasting(
    db: &mut SqliteConnection,
    skip: i64,
    limit: i64,
) -> Result<Vec<Text>, StoreError> {
    let cards = open(db, skip, limit).await?;
    let line = |card: &Stored| card.subject.face(&card.stance).line;
    Ok(cards.iter().map(line).collect())
}

/// The cards of the same.
pub async fn open(
    db: &mut SqliteConnection,
    skip: i64,
    limit: i64,
) -> Result<Vec<Stored>, StoreError> {
    let rows: Vec<Row> =
        sqlx::query_as(&format!("{ROW} order by urgent desc, event_ms, about limit ? offset ?"))
            .bind(limit)
            .bind(skip)
            .fetch_all(db)
            .await?;
    rows.into_iter().map(Row::parse).collect()
}

#[cfg(test)]
mod tests;
