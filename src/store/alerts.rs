//! `Said`: the alerts that were raised, by identity.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::kernel::alert::Alert;
use crate::kernel::text::Text;
use crate::kernel::time::LAST_EVENT_MS;

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It went to the outbox.
    Sent,
    /// Old news: it waits to be told with others of its kind.
    Gathered,
    /// Nobody had subscribed when it fired.
    Nobody,
    /// Somebody wanted to hear nothing of it for a while, or has seen to it already.
    Snoozed,
    /// It lasted, and was over before anybody could be told.
    Over,
}

impl Told {
    fn name(self) -> &'static str {
        match self {
            Told::Sent => "sent",
            Told::Gathered => "gathered",
            Told::Nobody => "nobody",
            Told::Snoozed => "snoozed",
            Told::Over => "over",
        }
    }
}

/// Records an alert; the same identity again is nothing. Says whether it is new.
pub async fn record(
    db: &mut SqliteConnection,
    alert: &Alert,
    told: Told,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let result = sqlx::query(
        "insert into alert (rule, subject, event_ms, source, fired_at, urgent, told, text, brief)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (rule, subject, event_ms, source) do nothing",
    )
    .bind(alert.rule)
    .bind(&alert.subject)
    .bind(alert.event_ms)
    .bind(alert.source.as_ref().map_or_else(String::new, ToString::to_string))
    .bind(now_ms)
    .bind(alert.urgent)
    .bind(told.name())
    .bind(serde_json::to_string(&alert.text)?)
    .bind(serde_json::to_string(&alert.brief)?)
    .execute(db)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Nothing about this is sent to anybody until then. `brief` is what it was about.
pub async fn snooze(
    db: &mut SqliteConnection,
    about: &str,
    until_ms: i64,
    brief: Option<&Text>,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into snooze (about, until_at, brief) values (?, ?, ?)
         on conflict (about) do update set until_at = max(until_at, excluded.until_at),
            brief = coalesce(excluded.brief, brief)",
    )
    .bind(about)
    .bind(until_ms)
    .bind(brief.map(serde_json::to_string).transpose()?)
    .execute(db)
    .await?;
    Ok(())
}

/// Something about this is sent again from now on.
pub async fn unsnooze(db: &mut SqliteConnection, about: &str) -> Result<(), StoreError> {
    sqlx::query("delete from snooze where about = ?").bind(about).execute(db).await?;
    Ok(())
}

/// Until when somebody wants to hear nothing about this, if it is so now.
pub async fn snoozed_until(
    db: &mut SqliteConnection,
    about: &str,
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select until_at from snooze where about = ? and until_at > ?")
        .bind(about)
        .bind(now_ms)
        .fetch_optional(db)
        .await?)
}

/// Something that is not told until somebody wants to hear of it again.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    pub about: String,
    /// What it was about; its plain name where nobody kept it.
    pub brief: Text,
}

/// How much is silenced.
pub async fn silenced(db: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("select count(*) from snooze where until_at >= ?")
        .bind(LAST_EVENT_MS)
        .fetch_one(db)
        .await?)
}

/// Some of what is silenced, behind so many.
pub async fn silences(
    db: &mut SqliteConnection,
    skip: i64,
    limit: i64,
) -> Result<Vec<Silence>, StoreError> {
    let rows: Vec<(String, Option<String>)> = sqlx::query_as(
        "select about, brief from snooze where until_at >= ? order by about limit ? offset ?",
    )
    .bind(LAST_EVENT_MS)
    .bind(limit)
    .bind(skip)
    .fetch_all(db)
    .await?;
    let silence = |(about, brief): (String, Option<String>)| {
        let brief = brief.and_then(|brief| serde_json::from_str(&brief).ok());
        let brief = brief.unwrap_or_else(|| Text::new().data(&about));
        Silence { about, brief }
    };
    Ok(rows.into_iter().map(silence).collect())
}

/// The clock was set back: no snooze lasts longer than until then. A silence does.
pub async fn snooze_at_most(db: &mut SqliteConnection, until_ms: i64) -> Result<(), StoreError> {
    sqlx::query("update snooze set until_at = ?1 where until_at > ?1 and until_at < ?2")
        .bind(until_ms)
        .bind(LAST_EVENT_MS)
        .execute(db)
        .await?;
    Ok(())
}

/// What is snoozed or silenced, of what begins like this.
pub async fn snoozed(db: &mut SqliteConnection, prefix: &str) -> Result<Vec<String>, StoreError> {
    let within = "select about from snooze where about >= ?1 and substr(about, 1, length(?1)) = ?1";
    Ok(sqlx::query_scalar(within).bind(prefix).fetch_all(db).await?)
}

/// Forgets snoozes that ended before `before_ms`.
pub async fn forget_snoozes(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from snooze where until_at < ?").bind(before_ms).execute(db).await?;
    Ok(())
}

/// An alert as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Recorded {
    pub rule: String,
    pub subject: String,
    pub event_ms: i64,
    brief: String,
    told: String,
}

impl Recorded {
    /// The alert in one line; by its identity where another version wrote it.
    pub fn brief(&self) -> Text {
        let identity = |_| Text::of(&self.rule).plain(" · ").data(&self.subject);
        let brief: Text = serde_json::from_str(&self.brief).unwrap_or_else(identity);
        match self.told.as_str() {
            told if told == Told::Nobody.name() => brief.plain(" · told to nobody"),
            told if told == Told::Snoozed.name() => brief.plain(" · kept quiet"),
            told if told == Told::Over.name() => brief.plain(" · over at once"),
            _ => brief,
        }
    }
}

/// The latest event of a rule about a subject.
pub async fn latest(
    db: &mut SqliteConnection,
    rule: &str,
    subject: &str,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select max(event_ms) from alert where rule = ? and subject = ?")
        .bind(rule)
        .bind(subject)
        .fetch_one(db)
        .await?)
}

/// The event times of a rule's alerts about a subject next to a moment: the latest at or before
/// it, and the earliest at or after it.
pub async fn around(
    db: &mut SqliteConnection,
    rule: &str,
    subject: &str,
    at_ms: i64,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let of_subject = "from alert where rule = ? and subject = ? and event_ms";
    let before_ms = sqlx::query_scalar(&format!("select max(event_ms) {of_subject} <= ?"))
        .bind(rule)
        .bind(subject)
        .bind(at_ms)
        .fetch_one(&mut *db)
        .await?;
    let after_ms = sqlx::query_scalar(&format!("select min(event_ms) {of_subject} >= ?"))
        .bind(rule)
        .bind(subject)
        .bind(at_ms)
        .fetch_one(db)
        .await?;
    Ok((before_ms, after_ms))
}

/// Has a rule an alert of this moment, whomever it is about?
pub async fn is_recorded(
    db: &mut SqliteConnection,
    rule: &str,
    event_ms: i64,
) -> Result<bool, StoreError> {
    let recorded: Option<i64> =
        sqlx::query_scalar("select 1 from alert where event_ms = ? and rule = ?")
            .bind(event_ms)
            .bind(rule)
            .fetch_optional(db)
            .await?;
    Ok(recorded.is_some())
}

/// The newest alerts by event time.
pub async fn newest(db: &mut SqliteConnection, limit: i64) -> Result<Vec<Recorded>, StoreError> {
    Ok(sqlx::query_as(
        "select rule, subject, event_ms, brief, told from alert order by event_ms desc, subject limit ?",
    )
    .bind(limit)
    .fetch_all(db)
    .await?)
}

/// Old news that nobody has been told: how many, and the newest `limit` of them.
pub async fn gathered(
    db: &mut SqliteConnection,
    limit: i64,
) -> Result<(i64, Vec<Recorded>), StoreError> {
    let count = sqlx::query_scalar("select count(*) from alert where told = 'gathered'")
        .fetch_one(&mut *db)
        .await?;
    let newest = sqlx::query_as(
        "select rule, subject, event_ms, brief, told from alert where told = 'gathered'
          order by event_ms desc, subject limit ?",
    )
    .bind(limit)
    .fetch_all(db)
    .await?;
    Ok((count, newest))
}

/// The old news has been told, or there was nobody to tell it to.
pub async fn settle_gathered(db: &mut SqliteConnection, told: Told) -> Result<(), StoreError> {
    sqlx::query("update alert set told = ? where told = 'gathered'")
        .bind(told.name())
        .execute(db)
        .await?;
    Ok(())
}

/// What was raised since then has reached nobody: the last place it went to is out of reach.
pub async fn told_nobody_since(db: &mut SqliteConnection, since_ms: i64) -> Result<(), StoreError> {
    sqlx::query("update alert set told = 'nobody' where told = 'sent' and fired_at >= ?")
        .bind(since_ms)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets alerts whose events lie before `before_ms`.
pub async fn forget(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from alert where event_ms < ?").bind(before_ms).execute(db).await?;
    Ok(())
}

/// How many alerts are on record, by what became of them.
pub async fn count_by_told(
    db: &mut SqliteConnection,
) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let counted: Vec<(String, i64)> =
        sqlx::query_as("select told, count(*) from alert group by told").fetch_all(db).await?;
    let count_of = |told: Told| {
        let count = counted.iter().find(|(name, _)| name == told.name()).map(|(_, count)| *count);
        (told.name(), count.unwrap_or(0))
    };
    let all = [Told::Sent, Told::Gathered, Told::Nobody, Told::Snoozed, Told::Over];
    Ok(all.map(count_of).to_vec())
}
