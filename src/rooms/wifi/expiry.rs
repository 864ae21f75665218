//! Forgetting randomised addresses that fell silent: a phone makes up a new one every few minutes.
//!
//! Invariant: by whole hours of the stream's own time, such an address is gone once it was silent
//! for longer than the retention, and begins anew if it comes back. That depends on the log alone,
//! however it is cut into steps, in a rebuild too, as long as no record comes more than the
//! retention behind others. A stream that stands still makes nobody forgotten.
//!
//! What is to be forgotten is found by `wifi_hour`, hour after hour, a bounded number in each step;
//! an address that comes back before its turn is forgotten right then.

use rustc_hash::FxHashSet;
use sqlx::SqliteConnection;

use super::fold::Retention;
use super::lookup::keys;
use super::merge::Chain;
use super::parts;
use super::stats;
use super::types::MacAddr;
use crate::kernel::time::{DAY_MS, HOUR_MS};
use crate::store::StoreError;

/// How long the hours of pictures are kept at least.
const PICTURE_HOURS: i64 = 30 * DAY_MS / HOUR_MS;
/// Addresses forgotten in one step: a burst of them must not hold up the writer.
const STEP_DEVICES: i64 = 20_000;
/// The bit that says that an address is made up, of `MacAddr::key`.
const RANDOMISED_BIT: i64 = 0x0200_0000_0000;

/// Does a silence between two hours end what is known of a device?
pub(super) fn is_over(retention: Retention, mac: MacAddr, last_hour: i64, next_hour: i64) -> bool {
    let hours = retention.hours().filter(|_| mac.is_randomised());
    hours.is_some_and(|hours| next_hour - last_hour > hours)
}

/// Parts the chains of a delta, in the order of their addresses, from what is stored: forgets
/// devices that were silent for too long before these, and gives those that came too late to be
/// told of at all.
pub(super) async fn part(
    db: &mut SqliteConnection,
    retention: Retention,
    chains: &[&Chain],
) -> Result<FxHashSet<MacAddr>, StoreError> {
    let (Some(hours), Some(heard_hour)) =
        (retention.hours(), chains.iter().map(|chain| chain.last_hour).max())
    else {
        return Ok(FxHashSet::default());
    };
    let before_hour = forgotten_before(db).await?;
    let newest_hour = newest(db).await?.map_or(heard_hour, |newest| newest.max(heard_hour));
    let mut too_late = FxHashSet::default();
    for chain in chains {
        if is_over(retention, chain.mac, chain.last_hour, newest_hour)
            && is_too_late(db, retention, chain, before_hour).await?
        {
            too_late.insert(chain.mac);
        }
    }
    // The last hour of every device is in wifi_hour.
    let oldest_hour = oldest(db).await?.map_or(heard_hour, |oldest| oldest.max(before_hour));
    if oldest_hour >= heard_hour - hours {
        return Ok(too_late);
    }
    // Some that were silent for too long have not had their turn; those of this delta have it now.
    let made_up = chains.iter().map(|chain| chain.mac).filter(|mac| mac.is_randomised());
    let silent: Vec<(i64, i64)> = sqlx::query_as(
        "select d.mac, d.last_ms / 3600000
           from json_each(?) m cross join wifi_device d on d.mac = m.value
          where d.last_ms / 3600000 < ?",
    )
    .bind(keys(made_up))
    .bind(heard_hour - hours)
    .fetch_all(&mut *db)
    .await?;
    let mut gone = Vec::new();
    for (key, last_hour) in silent {
        let mac = MacAddr::of_key(key);
        let Ok(index) = chains.binary_search_by_key(&mac, |chain| chain.mac) else { continue };
        if is_over(retention, mac, last_hour, chains[index].first_hour) {
            gone.push(key);
        }
    }
    forget(db, &gone).await?;
    Ok(too_late)
}

/// Is it parted from what is stored of the device by a silence, or older than what was forgotten?
async fn is_too_late(
    db: &mut SqliteConnection,
    retention: Retention,
    chain: &Chain,
    before_hour: i64,
) -> Result<bool, StoreError> {
    let first_ms: Option<i64> =
        sqlx::query_scalar("select first_ms from wifi_device where mac = ?")
            .bind(chain.mac.key())
            .fetch_optional(db)
            .await?;
    Ok(match first_ms {
        Some(first_ms) => is_over(retention, chain.mac, chain.last_hour, first_ms / HOUR_MS),
        None => chain.last_hour < before_hour,
    })
}

/// Forgets what has been silent for too long at this watermark, and the hours that no picture
/// shows any more.
pub(super) async fn prune(
    db: &mut SqliteConnection,
    retention: Retention,
    watermark_ms: i64,
) -> Result<(), StoreError> {
    let Some(newest_hour) = newest(db).await? else { return Ok(()) };
    // A rebuild keeps its watermark; it is not ahead of what it has folded.
    let now_hour = newest_hour.min(watermark_ms / HOUR_MS);
    let mut pictured_hour = now_hour - PICTURE_HOURS;
    if let Some(hours) = retention.hours() {
        pictured_hour = pictured_hour.min(forget_silent(db, now_hour - hours).await?);
    }
    sqlx::query("delete from wifi_hour where hour < ?").bind(pictured_hour).execute(db).await?;
    Ok(())
}

/// Forgets devices that were last heard before an hour. Gives the hour up to which it came.
async fn forget_silent(db: &mut SqliteConnection, until_hour: i64) -> Result<i64, StoreError> {
    let mut hour = forgotten_before(db).await?;
    let mut left_count = STEP_DEVICES;
    let began_hour = hour;
    while hour < until_hour && left_count > 0 {
        let next: Option<i64> =
            sqlx::query_scalar("select min(hour) from wifi_hour where hour >= ?")
                .bind(hour)
                .fetch_one(&mut *db)
                .await?;
        hour = next.unwrap_or(until_hour).min(until_hour);
        if hour == until_hour {
            break;
        }
        let gone: Vec<i64> = sqlx::query_scalar(
            "select d.mac from wifi_hour h join wifi_device d on d.mac = h.mac
              where h.hour = ?1 and h.mac & ?2 and d.last_ms / 3600000 = h.hour limit ?3",
        )
        .bind(hour)
        .bind(RANDOMISED_BIT)
        .bind(left_count)
        .fetch_all(&mut *db)
        .await?;
        forget(db, &gone).await?;
        left_count -= i64::try_from(gone.len()).unwrap_or(i64::MAX);
        if left_count > 0 {
            sqlx::query("delete from wifi_hour where hour = ? and mac & ?")
                .bind(hour)
                .bind(RANDOMISED_BIT)
                .execute(&mut *db)
                .await?;
            hour += 1;
        }
    }
    if hour > began_hour {
        sqlx::query(
            "insert into wifi_forgotten (id, before_hour) values (1, ?)
             on conflict (id) do update set before_hour = excluded.before_hour",
        )
        .bind(hour)
        .execute(db)
        .await?;
    }
    Ok(hour)
}

async fn forgotten_before(db: &mut SqliteConnection) -> Result<i64, StoreError> {
    let before_hour: Option<i64> =
        sqlx::query_scalar("select before_hour from wifi_forgotten where id = 1")
            .fetch_optional(db)
            .await?;
    Ok(before_hour.unwrap_or(0))
}

async fn oldest(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select min(hour) from wifi_hour").fetch_one(db).await?)
}

async fn newest(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select max(hour) from wifi_hour").fetch_one(db).await?)
}

/// Takes devices out of every view but the hours, which go by themselves.
async fn forget(db: &mut SqliteConnection, macs: &[i64]) -> Result<(), StoreError> {
    if macs.is_empty() {
        return Ok(());
    }
    let gone: Vec<MacAddr> = macs.iter().map(|key| MacAddr::of_key(*key)).collect();
    stats::note(db, &gone).await?;
    parts::forget(db, macs).await?;
    let macs = serde_json::Value::from(macs).to_string();
    for statement in [
        "delete from wifi_seeker where (ssid, mac) in
            (select ssid, mac from wifi_ssid where mac in (select value from json_each(?)))",
        "delete from wifi_ssid where mac in (select value from json_each(?))",
        "delete from wifi_undecided where mac in (select value from json_each(?))",
        "delete from wifi_device where mac in (select value from json_each(?))",
    ] {
        sqlx::query(statement).bind(&macs).execute(&mut *db).await?;
    }
    Ok(())
}
