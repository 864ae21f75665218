//! The SQL of questions about devices. Each runs inside one read transaction.

use sqlx::SqliteConnection;

use super::namebook as names;
use super::types::{MacAddr, Ssid};
use super::week;
use crate::kernel::time::HOUR_MS;
use crate::store::StoreError;

/// Devices offered when a part of a MAC fits several, and on one page of a list.
pub const PAGE_LIMIT: i64 = 10;
/// Networks that a card names; it says how many more there are.
pub const CARD_SSIDS: i64 = 20;
/// Hours that a card's strip shows.
pub const STRIP_HOURS: usize = 24;

/// What is known of one device.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DeviceRow {
    mac: i64,
    pub probe_count: i64,
    pub wildcard_count: i64,
    pub first_ms: i64,
    pub last_ms: i64,
    pub signal_min_dbm: Option<i32>,
    pub signal_max_dbm: Option<i32>,
    pub ssid_count: i64,
    pub ssids_complete: bool,
}

impl DeviceRow {
    pub fn mac(&self) -> MacAddr {
        MacAddr::of_key(self.mac)
    }
}

const DEVICE_ROW: &str = "select mac, probe_count, wildcard_count, first_ms, last_ms,
    signal_min_dbm, signal_max_dbm, ssid_count, ssids_complete from wifi_device";

/// A device, or several of one name, with what the card shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub name: Option<String>,
    /// Nothing of it is news.
    pub is_ignored: bool,
    /// The addresses it goes by, the one heard last first; never empty.
    pub parts: Vec<DeviceRow>,
    /// Networks that any of them looked for, and the ones asked for last.
    pub ssid_count: i64,
    pub ssids: Vec<Ssid>,
    /// Networks that wait for the stream to show whether they are text or hexadecimal.
    pub undecided_count: i64,
    /// Probes in each of the hours up to the newest probe, the oldest hour first.
    pub hours: [i64; STRIP_HOURS],
    /// Probes by hour since the epoch over the last days.
    pub week: Vec<(i64, i64)>,
}

/// What was typed after `/device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Mac(MacAddr),
    /// What could be a part of a MAC: its digits in lower case. It could be a name as well.
    Part {
        typed: String,
        digits: String,
    },
    /// A name.
    Other(String),
}

/// Fewer digits would fit too many devices.
const PART_DIGITS: std::ops::RangeInclusive<usize> = 2..=11;

impl Wanted {
    pub fn of(typed: &str) -> Wanted {
        let typed = typed.trim();
        if let Ok(mac) = typed.parse() {
            return Wanted::Mac(mac);
        }
        let digits: String = typed.chars().filter(|letter| !matches!(letter, ':' | '-')).collect();
        let is_part = PART_DIGITS.contains(&digits.len())
            && digits.chars().all(|digit| digit.is_ascii_hexdigit());
        if is_part {
            let digits = digits.to_ascii_lowercase();
            return Wanted::Part { typed: typed.to_owned(), digits };
        }
        Wanted::Other(typed.to_owned())
    }
}

/// What a look-up came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    One(Box<Card>),
    /// The most recently seen of these with their names, and how many there are in all.
    Several(Vec<Listed>, i64),
    /// A device of this name was never heard.
    Silent(String),
    /// Nothing, and the names most like it.
    Nothing(Vec<String>),
}

/// A device in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub device: DeviceRow,
    pub name: Option<String>,
}

/// Looks a device up: by its MAC, by its name, or by a part of its MAC.
pub async fn find(db: &mut SqliteConnection, wanted: &Wanted) -> Result<Found, StoreError> {
    let typed = match wanted {
        Wanted::Mac(mac) => return one(db, *mac).await,
        Wanted::Part { typed, .. } | Wanted::Other(typed) => typed,
    };
    let macs = names::macs_of(db, typed).await?;
    if !macs.is_empty() {
        return by_name(db, typed, &macs).await;
    }
    if let Wanted::Part { digits, .. } = wanted
        && let Some(found) = by_part(db, digits).await?
    {
        return Ok(found);
    }
    Ok(Found::Nothing(names::nearest(db, typed).await?))
}

async fn one(db: &mut SqliteConnection, mac: MacAddr) -> Result<Found, StoreError> {
    match devices(db, &[mac]).await? {
        parts if parts.is_empty() => Ok(match names::name_of(db, mac).await?.0 {
            Some(name) => Found::Silent(name),
            None => Found::Nothing(Vec::new()),
        }),
        parts => Ok(Found::One(Box::new(card(db, parts).await?))),
    }
}

/// Several addresses under one name are one device to the household.
async fn by_name(
    db: &mut SqliteConnection,
    typed: &str,
    macs: &[MacAddr],
) -> Result<Found, StoreError> {
    match devices(db, macs).await? {
        parts if parts.is_empty() => Ok(Found::Silent(typed.to_owned())),
        parts => Ok(Found::One(Box::new(card(db, parts).await?))),
    }
}

async fn devices(
    db: &mut SqliteConnection,
    macs: &[MacAddr],
) -> Result<Vec<DeviceRow>, StoreError> {
    let mut rows: Vec<DeviceRow> = Vec::new();
    for mac in macs {
        let row = sqlx::query_as(&format!("{DEVICE_ROW} where mac = ?"))
            .bind(mac.key())
            .fetch_optional(&mut *db)
            .await?;
        rows.extend(row);
    }
    rows.sort_by_key(|row| (std::cmp::Reverse(row.last_ms), row.mac));
    Ok(rows)
}

async fn by_part(db: &mut SqliteConnection, digits: &str) -> Result<Option<Found>, StoreError> {
    let total: i64 = sqlx::query_scalar(
        "select count(*) from wifi_device where instr(printf('%012x', mac), ?) > 0",
    )
    .bind(digits)
    .fetch_one(&mut *db)
    .await?;
    let rows: Vec<DeviceRow> = sqlx::query_as(&format!(
        "{DEVICE_ROW} where instr(printf('%012x', mac), ?) > 0
         order by last_ms desc, mac limit {PAGE_LIMIT}"
    ))
    .bind(digits)
    .fetch_all(&mut *db)
    .await?;
    Ok(match total {
        0 => None,
        1 => Some(Found::One(Box::new(card(db, rows).await?))),
        _ => Some(Found::Several(listed(db, rows).await?, total)),
    })
}

async fn listed(
    db: &mut SqliteConnection,
    rows: Vec<DeviceRow>,
) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::with_capacity(rows.len());
    for device in rows {
        let (name, _) = names::name_of(db, device.mac()).await?;
        listed.push(Listed { device, name });
    }
    Ok(listed)
}

async fn card(db: &mut SqliteConnection, parts: Vec<DeviceRow>) -> Result<Card, StoreError> {
    let macs: Vec<String> = parts.iter().map(|part| part.mac.to_string()).collect();
    // Whole numbers of our own, never anything typed.
    let among = macs.join(", ");
    let ssids: Vec<Vec<u8>> = sqlx::query_scalar(&format!(
        "select ssid from wifi_ssid where mac in ({among})
          group by ssid order by max(last_ms) desc, ssid limit {CARD_SSIDS}"
    ))
    .fetch_all(&mut *db)
    .await?;
    let ssids = ssids.iter().map(|bytes| Ssid::of_bytes(bytes));
    let ssids: Result<Vec<Ssid>, _> = ssids.collect();
    let ssids = ssids.map_err(|error| StoreError::Unexpected(error.to_string()))?;
    let ssid_count = sqlx::query_scalar(&format!(
        "select count(distinct ssid) from wifi_ssid where mac in ({among})"
    ))
    .fetch_one(&mut *db)
    .await?;
    let undecided_count = sqlx::query_scalar(&format!(
        "select count(distinct ssid) from wifi_undecided where mac in ({among})"
    ))
    .fetch_one(&mut *db)
    .await?;
    let last_ms = parts.iter().map(|part| part.last_ms).max().unwrap_or(0);
    let hours = hours(db, &among, last_ms).await?;
    let week = week::hours(db, &parts).await?;
    let (name, is_ignored) = match parts.first() {
        Some(part) => names::name_of(db, part.mac()).await?,
        None => (None, false),
    };
    Ok(Card { name, is_ignored, parts, ssid_count, ssids, undecided_count, hours, week })
}

/// The hours up to the newest probe: a device that is gone still has a history.
async fn hours(
    db: &mut SqliteConnection,
    among: &str,
    last_ms: i64,
) -> Result<[i64; STRIP_HOURS], StoreError> {
    let mut strip = [0; STRIP_HOURS];
    let first = last_ms / HOUR_MS + 1 - i64::try_from(STRIP_HOURS).unwrap_or(0);
    for (index, cell) in strip.iter_mut().enumerate() {
        // Time comes first in the key: a look-up an hour, no scan.
        let count: Option<i64> = sqlx::query_scalar(&format!(
            "select sum(probe_count) from wifi_hour where hour = ? and mac in ({among})"
        ))
        .bind(first + i64::try_from(index).unwrap_or(0))
        .fetch_one(&mut *db)
        .await?;
        *cell = count.unwrap_or(0);
    }
    Ok(strip)
}

/// How `/devices` is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Heard last first.
    Newest,
    /// Most probes first.
    Busiest,
    /// First heard within a day, the latest first.
    New,
}

/// A page of a list of devices, and how many there are in all.
pub async fn page(
    db: &mut SqliteConnection,
    order: Order,
    page: i64,
) -> Result<(Vec<Listed>, i64), StoreError> {
    let (condition, sorted) = match order {
        Order::Newest => ("true", "last_ms desc, mac"),
        Order::Busiest => ("true", "probe_count desc, mac"),
        // A day before the newest probe: what "today" is when the capture is old.
        Order::New => {
            ("first_ms > (select max(last_ms) from wifi_device) - 86400000", "first_ms desc, mac")
        }
    };
    let total = sqlx::query_scalar(&format!("select count(*) from wifi_device where {condition}"))
        .fetch_one(&mut *db)
        .await?;
    let rows = sqlx::query_as(&format!(
        "{DEVICE_ROW} where {condition} order by {sorted} limit {PAGE_LIMIT} offset ?"
    ))
    .bind(page.saturating_mul(PAGE_LIMIT))
    .fetch_all(&mut *db)
    .await?;
    Ok((listed(db, rows).await?, total))
}

/// Who looked for a network: MAC, how often, when last; and how many devices did.
pub async fn seekers(
    db: &mut SqliteConnection,
    ssid: &Ssid,
) -> Result<(Vec<(MacAddr, i64, i64)>, i64), StoreError> {
    let total = sqlx::query_scalar("select count(*) from wifi_ssid where ssid = ?")
        .bind(ssid.as_bytes().to_vec())
        .fetch_one(&mut *db)
        .await?;
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(&format!(
        "select mac, probe_count, last_ms from wifi_ssid where ssid = ?
          order by last_ms desc, mac limit {PAGE_LIMIT}"
    ))
    .bind(ssid.as_bytes().to_vec())
    .fetch_all(db)
    .await?;
    let seeker = |(mac, count, last_ms)| (MacAddr::of_key(mac), count, last_ms);
    Ok((rows.into_iter().map(seeker).collect(), total))
}
