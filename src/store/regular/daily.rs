//! Which chats want a daily digest, when, and of which day they were told last.

use chrono::NaiveDate;
use sqlx::SqliteConnection;

use crate::kernel::chat::Place;
use crate::kernel::daily::Daily;
use crate::store::StoreError;

/// Where a digest goes, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub place: Place,
    pub daily: Daily,
}

#[derive(sqlx::FromRow)]
struct Row {
    chat_id: i64,
    thread_id: Option<i32>,
    minute: u16,
    since_at: i64,
    told_on: Option<String>,
}

const ROW: &str = "select chat_id, thread_id, minute, since_at, told_on from daily";

impl Row {
    fn parse(self) -> Result<Wanted, StoreError> {
        let told_on = self.told_on.map(|day| {
            day.parse::<NaiveDate>()
                .map_err(|_| StoreError::Unexpected(format!("in daily: a day {day:?}")))
        });
        let daily =
            Daily { minute: self.minute, since_ms: self.since_at, told_on: told_on.transpose()? };
        Ok(Wanted { place: Place { chat_id: self.chat_id, thread_id: self.thread_id }, daily })
    }
}

/// What a chat wants; `None` where it wants none.
pub async fn of(db: &mut SqliteConnection, chat_id: i64) -> Result<Option<Wanted>, StoreError> {
    let row: Option<Row> = sqlx::query_as(&format!("{ROW} where chat_id = ?"))
        .bind(chat_id)
        .fetch_optional(db)
        .await?;
    row.map(Row::parse).transpose()
}

/// Every chat that wants one and is within reach.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Wanted>, StoreError> {
    let rows: Vec<Row> =
        sqlx::query_as(&format!("{ROW} where not is_away order by chat_id")).fetch_all(db).await?;
    rows.into_iter().map(Row::parse).collect()
}

/// From now on the chat's digest comes to this place, at this minute of its day. What it was told
/// stays told.
pub async fn want(
    db: &mut SqliteConnection,
    place: Place,
    minute: u16,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into daily (chat_id, thread_id, minute, since_at) values (?, ?, ?, ?)
         on conflict (chat_id) do update set
            thread_id = excluded.thread_id, minute = excluded.minute,
            since_at = excluded.since_at, is_away = 0",
    )
    .bind(place.chat_id)
    .bind(place.thread_id)
    .bind(minute)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

pub async fn end(db: &mut SqliteConnection, chat_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from daily where chat_id = ?").bind(chat_id).execute(db).await?;
    Ok(())
}

/// The chat's digest of this day is in the outbox.
pub async fn mark_told(
    db: &mut SqliteConnection,
    chat_id: i64,
    day: NaiveDate,
) -> Result<(), StoreError> {
    sqlx::query("update daily set told_on = ? where chat_id = ?")
        .bind(day.to_string())
        .bind(chat_id)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::Now;
    use crate::store::regular::{leave_thread, set_away};
    use crate::store::{Store, Urgency, migration, removal};

    const TOPIC: Place = Place { chat_id: -5, thread_id: Some(3) };

    #[tokio::test]
    async fn a_wish_follows_its_group_and_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let day: NaiveDate = "2026-12-01".parse().unwrap();
        let seen = store.write(Urgency::People, move |db| {
            Box::pin(async move {
                want(db, TOPIC, 480, 1).await?;
                mark_told(db, -5, day).await?;
                want(db, TOPIC, 1200, 2).await?;
                let mut seen = vec![of(db, -5).await?];
                set_away(db, -5, true).await?;
                assert_eq!(all(db).await?, []);
                set_away(db, -5, false).await?;
                migration::follow(db, -5, -1005, Now::apart(3)).await?;
                leave_thread(db, Place { chat_id: -1005, ..TOPIC }).await?;
                seen.extend([of(db, -5).await?, of(db, -1005).await?]);
                assert_eq!(all(db).await?.len(), 1);
                removal::remove_chat(db, -1005, Now::apart(4)).await?;
                seen.push(of(db, -1005).await?);
                Ok(seen)
            })
        });
        let daily = Daily { minute: 1200, since_ms: 2, told_on: Some(day) };
        let wanted = |place| Some(Wanted { place, daily });
        let moved = Place { chat_id: -1005, thread_id: None };
        assert_eq!(seen.await.unwrap(), [wanted(TOPIC), None, wanted(moved), None]);
    }
}
