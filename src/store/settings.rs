//! What each chat has set.

use sqlx::SqliteConnection;

use super::{StoreError, outbox};
use crate::kernel::settings::{Quiet, Settings, Unit};

#[derive(sqlx::FromRow)]
struct Row {
    time_zone: Option<String>,
    unit: String,
    quiet_from: Option<u16>,
    quiet_to: Option<u16>,
}

impl Row {
    fn parse(self) -> Result<Settings, StoreError> {
        let unexpected = |what: String| StoreError::Unexpected(format!("in chat_setting: {what}"));
        let time_zone = match self.time_zone {
            Some(name) => {
                Some(name.parse().map_err(|_| unexpected(format!("a time zone {name:?}")))?)
            }
            None => None,
        };
        let unit = match self.unit.as_str() {
            "celsius" => Unit::Celsius,
            "fahrenheit" => Unit::Fahrenheit,
            other => return Err(unexpected(format!("a unit {other:?}"))),
        };
        let quiet = match (self.quiet_from, self.quiet_to) {
            (Some(from), Some(to)) => {
                let quiet = Quiet::new(from, to);
                Some(quiet.ok_or_else(|| unexpected(format!("quiet hours {from} to {to}")))?)
            }
            _ => None,
        };
        Ok(Settings { time_zone, unit, quiet })
    }
}

/// What a chat has set; the default where it never set anything.
pub async fn of(db: &mut SqliteConnection, chat_id: i64) -> Result<Settings, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "select time_zone, unit, quiet_from, quiet_to from chat_setting where chat_id = ?",
    )
    .bind(chat_id)
    .fetch_optional(db)
    .await?;
    row.map_or(Ok(Settings::default()), Row::parse)
}

/// From now on a chat has this. What its quiet hours hold back is looked at again.
pub async fn put(
    db: &mut SqliteConnection,
    chat_id: i64,
    settings: &Settings,
) -> Result<(), StoreError> {
    let unit = match settings.unit {
        Unit::Celsius => "celsius",
        Unit::Fahrenheit => "fahrenheit",
    };
    sqlx::query(
        "insert into chat_setting (chat_id, time_zone, unit, quiet_from, quiet_to)
         values (?, ?, ?, ?, ?)
         on conflict (chat_id) do update set
            time_zone = excluded.time_zone, unit = excluded.unit,
            quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to",
    )
    .bind(chat_id)
    .bind(settings.time_zone.map(chrono_tz::Tz::name))
    .bind(unit)
    .bind(settings.quiet.map(Quiet::from_minute))
    .bind(settings.quiet.map(Quiet::to_minute))
    .execute(&mut *db)
    .await?;
    outbox::defer_no_more(db, Some(chat_id)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::Now;
    use crate::store::{Store, Urgency, migration, removal};

    /// A group's settings follow it to its new id; whoever is removed leaves none.
    #[tokio::test]
    async fn settings_come_back_follow_their_group_and_go_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let chosen = Settings {
            time_zone: Some(chrono_tz::Asia::Tokyo),
            unit: Unit::Fahrenheit,
            quiet: Quiet::new(22 * 60, 7 * 60),
        };
        let seen = store.write(Urgency::People, move |db| {
            Box::pin(async move {
                let mut seen = vec![of(db, -5).await?];
                put(db, -5, &Settings::default()).await?;
                put(db, -5, &chosen).await?;
                migration::follow(db, -5, -1005, Now::apart(1)).await?;
                seen.extend([of(db, -5).await?, of(db, -1005).await?]);
                removal::remove_chat(db, -1005, Now::apart(2)).await?;
                seen.push(of(db, -1005).await?);
                Ok(seen)
            })
        });
        let none = Settings::default();
        assert_eq!(seen.await.unwrap(), [none, none, chosen, none]);
    }
}
