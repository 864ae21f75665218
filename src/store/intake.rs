//! How updates reach the bot, as it last saw it, and the secret that Telegram's calls carry.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::kernel::time::MINUTE_MS;

/// A rival that is seen again within this time is the same one; it is looked for every minute or
/// so.
const RIVAL_LASTS_MS: u64 = 15 * MINUTE_MS as u64;

/// How updates come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Polling,
    Webhook,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Polling => "polling",
            Way::Webhook => "webhook",
        }
    }
}

/// Why Telegram's last delivery to the webhook failed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryError {
    pub reason: String,
    pub at_ms: i64,
}

/// How updates reach the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    pub way: Way,
    /// Updates that Telegram holds for us, where it was asked.
    pub pending: Option<i64>,
    pub last_error: Option<DeliveryError>,
    /// When another program was last seen with the same token.
    pub rival_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct Row {
    way: String,
    pending: Option<i64>,
    last_error: Option<String>,
    last_error_at: Option<i64>,
    rival_at: Option<i64>,
}

/// `None`: the bot has never run.
pub async fn load(db: &mut SqliteConnection) -> Result<Option<Intake>, StoreError> {
    let row: Option<Row> =
        sqlx::query_as("select way, pending, last_error, last_error_at, rival_at from intake")
            .fetch_optional(db)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let way = if row.way == Way::Webhook.name() { Way::Webhook } else { Way::Polling };
    let last_error = row.last_error.zip(row.last_error_at);
    let last_error = last_error.map(|(reason, at_ms)| DeliveryError { reason, at_ms });
    Ok(Some(Intake { way, pending: row.pending, last_error, rival_at: row.rival_at }))
}

/// From now on updates come this way.
pub async fn begin(db: &mut SqliteConnection, way: Way) -> Result<(), StoreError> {
    sqlx::query(
        "insert into intake (id, way) values (1, ?)
         on conflict (id) do update set
            way = excluded.way, pending = null, last_error = null, last_error_at = null",
    )
    .bind(way.name())
    .execute(db)
    .await?;
    Ok(())
}

/// What Telegram says of the webhook.
pub async fn note_webhook(
    db: &mut SqliteConnection,
    pending: Option<i64>,
    last_error: Option<&DeliveryError>,
) -> Result<(), StoreError> {
    sqlx::query("update intake set pending = ?, last_error = ?, last_error_at = ?")
        .bind(pending)
        .bind(last_error.map(|error| &error.reason))
        .bind(last_error.map(|error| error.at_ms))
        .execute(db)
        .await?;
    Ok(())
}

/// Another program was seen with the same token. Says whether that begins now: it lasts as long as
/// it is seen again and again, over restarts too.
pub async fn note_rival(db: &mut SqliteConnection, now_ms: i64) -> Result<bool, StoreError> {
    let before: Option<i64> =
        sqlx::query_scalar("select rival_at from intake").fetch_optional(&mut *db).await?.flatten();
    sqlx::query("update intake set rival_at = ?").bind(now_ms).execute(db).await?;
    // A clock that was set back says nothing about how long it lasts.
    Ok(before.is_none_or(|before_ms| now_ms.abs_diff(before_ms) > RIVAL_LASTS_MS))
}

/// The secret that was made up first stays.
pub async fn secret(db: &mut SqliteConnection, fresh: &str) -> Result<String, StoreError> {
    sqlx::query(
        "insert into webhook_secret (id, secret) values (1, ?) on conflict (id) do nothing",
    )
    .bind(fresh)
    .execute(&mut *db)
    .await?;
    Ok(sqlx::query_scalar("select secret from webhook_secret").fetch_one(db).await?)
}
