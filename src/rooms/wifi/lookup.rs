//! The SQL of questions about devices. Each runs inside one read transaction.
//!
//! Invariant: no question goes through the rows of all devices, lists apart: an address and its
//! beginning are keys, a part is searched in packed addresses (`parts`) and counted up to a bound,
//! and who was heard last is found by the hours.

use std::fmt;
use std::sync::LazyLock;

use serde_json::Value;
use sqlx::SqliteConnection;

use super::copies::name_key;
use super::namebook as names;
use super::parts::{self, Digits};
use super::types::{MacAddr, Ssid};
use super::week;
use crate::kernel::time::HOUR_MS;
use crate::store::StoreError;

/// Devices that have a part of a MAC are counted up to here.
const PART_LIMIT: usize = 200;
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
    pub ssids_complete: bool,
}

impl DeviceRow {
    pub fn mac(&self) -> MacAddr {
        MacAddr::of_key(self.mac)
    }
}

const DEVICE_ROW: &str = "select mac, probe_count, wildcard_count, first_ms, last_ms,
    signal_min_dbm, signal_max_dbm, ssids_complete from wifi_device";

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
    /// What could be a part of a MAC. It could be a name as well.
    Part {
        typed: String,
        digits: Digits,
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
        if PART_DIGITS.contains(&digits.len())
            && let Some(digits) = Digits::of(&digits)
        {
            return Wanted::Part { typed: typed.to_owned(), digits };
        }
        Wanted::Other(typed.to_owned())
    }
}

/// What a look-up came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    One(Box<Card>),
    /// The most recently seen of these with their names, and how many were found.
    Several(Vec<Listed>, Count),
    /// A device of this name was never heard.
    Silent(String),
    /// Nothing, and the names most like it.
    Nothing(Vec<String>),
}

/// How many devices were found; counting stops at a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    All(usize),
    MoreThan(usize),
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Count::All(count) => write!(out, "{count}"),
            Count::MoreThan(count) => write!(out, "More than {count}"),
        }
    }
}

/// A device in a list.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    #[sqlx(flatten)]
    pub device: DeviceRow,
    pub name: Option<String>,
}

/// Looks a device up: by its MAC, by its name, or by a part of its MAC.
pub async fn find(db: &mut SqliteConnection, wanted: &Wanted) -> Result<Found, StoreError> {
    let (typed, digits) = match wanted {
        Wanted::Mac(mac) => return one(db, *mac).await,
        Wanted::Part { typed, digits } => (typed, Some(*digits)),
        Wanted::Other(typed) => (typed, None),
    };
    let (named, beginning) =
        named_or_beginning(db, typed, digits.filter(|_| is_beginning(typed))).await?;
    if !named.is_empty() {
        return by_name(db, typed, &named).await;
    }
    if let Some(digits) = digits
        && let Some(found) = by_part(db, beginning, digits).await?
    {
        return Ok(found);
    }
    if typed.contains([':', '-']) && digits.is_some() {
        // Written as an address is: nobody meant a name.
        return Ok(Found::Nothing(Vec::new()));
    }
    Ok(Found::Nothing(names::nearest(db, typed).await?))
}

static NAMED_OR_BEGINNING: LazyLock<String> = LazyLock::new(|| {
    format!("select {}, {}", names::macs("?1"), parts::beginning("?2", "?3", PART_LIMIT + 1))
});

/// The devices of this name, and those whose addresses begin with these digits, up to one more than
/// are counted.
async fn named_or_beginning(
    db: &mut SqliteConnection,
    typed: &str,
    digits: Option<Digits>,
) -> Result<(Vec<MacAddr>, Vec<MacAddr>), StoreError> {
    let range = digits.map(Digits::range);
    let (named, beginning): (String, String) = sqlx::query_as(&NAMED_OR_BEGINNING)
        .bind(name_key(typed))
        .bind(range.map(|(from, _)| from))
        .bind(range.map(|(_, to)| to))
        .fetch_one(db)
        .await?;
    Ok((parts::addresses(&named)?, parts::addresses(&beginning)?))
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

pub(super) async fn devices(
    db: &mut SqliteConnection,
    macs: &[MacAddr],
) -> Result<Vec<DeviceRow>, StoreError> {
    Ok(sqlx::query_as(&format!(
        "{DEVICE_ROW} where mac in (select value from json_each(?)) order by last_ms desc, mac"
    ))
    .bind(keys(macs.iter().copied()))
    .fetch_all(db)
    .await?)
}

/// Addresses as SQL takes a list of any length.
pub(super) fn keys(macs: impl Iterator<Item = MacAddr>) -> String {
    Value::from(macs.map(MacAddr::key).collect::<Vec<i64>>()).to_string()
}

/// Those that have a part in their address. A part that is written as an address is means its
/// beginning, if some addresses begin so.
async fn by_part(
    db: &mut SqliteConnection,
    beginning: Vec<MacAddr>,
    digits: Digits,
) -> Result<Option<Found>, StoreError> {
    let macs = match beginning.is_empty() {
        true => parts::holding(db, digits, PART_LIMIT + 1).await?,
        false => beginning,
    };
    let count = match macs.len() {
        0 => return Ok(None),
        1 => {
            let rows = devices(db, &macs).await?;
            return Ok(Some(Found::One(Box::new(card(db, rows).await?))));
        }
        count if count > PART_LIMIT => Count::MoreThan(PART_LIMIT),
        count => Count::All(count),
    };
    Ok(Some(Found::Several(newest_of(db, &macs).await?, count)))
}

static NEWEST_OF: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select d.*, {} as name from
            ({DEVICE_ROW} where mac in (select value from json_each(?))
              order by last_ms desc, mac limit {PAGE_LIMIT}) d
          order by d.last_ms desc, d.mac",
        names::name("d.mac")
    )
});

/// Those of these devices that were heard last.
async fn newest_of(db: &mut SqliteConnection, macs: &[MacAddr]) -> Result<Vec<Listed>, StoreError> {
    Ok(sqlx::query_as(&NEWEST_OF).bind(keys(macs.iter().copied())).fetch_all(db).await?)
}

/// `40:ec` or `40:ec:99-1`: bytes from the left.
fn is_beginning(typed: &str) -> bool {
    let is_separator = |letter: char| matches!(letter, ':' | '-');
    !typed.starts_with(is_separator) && typed.contains(is_separator)
}

async fn listed(
    db: &mut SqliteConnection,
    rows: Vec<DeviceRow>,
) -> Result<Vec<Listed>, StoreError> {
    let mut known = names::names_of(db, rows.iter().map(DeviceRow::mac)).await?;
    let listed = |device: DeviceRow| Listed { name: known.remove(&device.mac()), device };
    Ok(rows.into_iter().map(listed).collect())
}

/// What else a card shows, in one statement: each statement costs more than what it reads.
#[derive(sqlx::FromRow)]
struct Extras {
    ssids: String,
    ssid_count: i64,
    undecided_count: i64,
    week: String,
    name: Option<String>,
    is_ignored: bool,
}

static EXTRAS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "with part (mac) as (select value from json_each(?1))
         select (select json_group_array(hex(ssid) order by asked_ms desc, ssid) from
                    (select ssid, max(last_ms) as asked_ms from part join wifi_ssid using (mac)
                      group by ssid order by asked_ms desc, ssid limit {CARD_SSIDS})) as ssids,
                (select count(distinct ssid) from part join wifi_ssid using (mac)) as ssid_count,
                (select count(distinct ssid) from part join wifi_undecided using (mac))
                    as undecided_count,
                (select json_group_array(json_array(hour, probes) order by hour)
                   from ({hours})) as week,
                {name} as name,
                {is_ignored} as is_ignored",
        hours = week::hours("?2"),
        name = names::name("?3"),
        is_ignored = names::is_ignored("?3"),
    )
});

async fn card(db: &mut SqliteConnection, parts: Vec<DeviceRow>) -> Result<Card, StoreError> {
    let extras: Extras = sqlx::query_as(&EXTRAS)
        .bind(keys(parts.iter().map(DeviceRow::mac)))
        .bind(week::stays(&parts)?)
        .bind(parts.first().map(|part| part.mac))
        .fetch_one(db)
        .await?;
    let ssids: Vec<Ssid> = serde_json::from_str(&extras.ssids)?;
    let week: Vec<(i64, i64)> = serde_json::from_str(&extras.week)?;
    let last_ms = parts.iter().map(|part| part.last_ms).max().unwrap_or(0);
    let hours = strip(&week, last_ms);
    let Extras { ssid_count, undecided_count, name, is_ignored, .. } = extras;
    Ok(Card { name, is_ignored, parts, ssid_count, ssids, undecided_count, hours, week })
}

/// The hours up to the newest probe: a device that is gone still has a history.
fn strip(week: &[(i64, i64)], last_ms: i64) -> [i64; STRIP_HOURS] {
    let mut strip = [0; STRIP_HOURS];
    let first = last_ms.div_euclid(HOUR_MS) + 1 - i64::try_from(STRIP_HOURS).unwrap_or(0);
    for (hour, count) in week {
        let cell = usize::try_from(hour - first).ok().and_then(|index| strip.get_mut(index));
        if let Some(cell) = cell {
            *cell += count;
        }
    }
    strip
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
    let newest_ms = heard_last(db).await?.unwrap_or(0);
    let (condition, sorted) = match order {
        Order::Newest | Order::Busiest => ("?1 is not null", "probe_count desc, mac"),
        // A day before the newest probe: what "today" is when the capture is old.
        Order::New => ("first_ms > ?1 - 86400000", "first_ms desc, mac"),
    };
    let total = sqlx::query_scalar(&format!("select count(*) from wifi_device where {condition}"))
        .bind(newest_ms)
        .fetch_one(&mut *db)
        .await?;
    let offset = page.saturating_mul(PAGE_LIMIT);
    let rows = match order {
        Order::Newest => newest(db, PAGE_LIMIT, offset).await?,
        Order::Busiest | Order::New => {
            sqlx::query_as(&format!(
                "{DEVICE_ROW} where {condition} order by {sorted} limit {PAGE_LIMIT} offset ?2"
            ))
            .bind(newest_ms)
            .bind(offset)
            .fetch_all(&mut *db)
            .await?
        }
    };
    Ok((listed(db, rows).await?, total))
}

/// A page of the devices heard last: hour after hour, and at the end those whose hours are no
/// longer kept.
pub(super) async fn newest(
    db: &mut SqliteConnection,
    limit: i64,
    offset: i64,
) -> Result<Vec<DeviceRow>, StoreError> {
    let last_heard = "from wifi_hour h cross join wifi_device d
         on d.mac = h.mac and d.last_ms / 3600000 = h.hour";
    let mut rows: Vec<DeviceRow> = sqlx::query_as(&format!(
        "select d.* {last_heard} order by h.hour desc, d.last_ms desc, d.mac
          limit ? offset ?"
    ))
    .bind(limit)
    .bind(offset)
    .fetch_all(&mut *db)
    .await?;
    let missing = limit - i64::try_from(rows.len()).unwrap_or(limit);
    if missing == 0 {
        return Ok(rows);
    }
    let before: i64 =
        sqlx::query_scalar(&format!("select count(*) {last_heard}")).fetch_one(&mut *db).await?;
    let older: Vec<DeviceRow> = sqlx::query_as(&format!(
        "{DEVICE_ROW} d where not exists
            (select 1 from wifi_hour h where h.hour = d.last_ms / 3600000 and h.mac = d.mac)
          order by last_ms desc, mac limit ? offset ?"
    ))
    .bind(missing)
    .bind((offset - before).max(0))
    .fetch_all(db)
    .await?;
    rows.extend(older);
    Ok(rows)
}

/// When any device was last heard.
async fn heard_last(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "select max(d.last_ms) from wifi_hour h join wifi_device d on d.mac = h.mac
          where h.hour = (select max(hour) from wifi_hour)",
    )
    .fetch_one(db)
    .await?)
}

/// Who looked for a network: MAC, how often, when last; and how many devices did.
pub async fn seekers(
    db: &mut SqliteConnection,
    ssid: &Ssid,
) -> Result<(Vec<(MacAddr, i64, i64)>, i64), StoreError> {
    let total = sqlx::query_scalar("select count(*) from wifi_seeker where ssid = ?")
        .bind(ssid.as_bytes().to_vec())
        .fetch_one(&mut *db)
        .await?;
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(&format!(
        "select mac, probe_count, last_ms from wifi_seeker join wifi_ssid using (mac, ssid)
          where ssid = ? order by last_ms desc, mac limit {PAGE_LIMIT}"
    ))
    .bind(ssid.as_bytes().to_vec())
    .fetch_all(db)
    .await?;
    let seeker = |(mac, count, last_ms)| (MacAddr::of_key(mac), count, last_ms);
    Ok((rows.into_iter().map(seeker).collect(), total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, Urgency};

    async fn hear(db: &mut SqliteConnection, keys: std::ops::Range<i64>) {
        for key in keys {
            let heard = sqlx::query(
                "insert into wifi_device
                    (mac, probe_count, wildcard_count, first_ms, last_ms, ssid_bound)
                 values (?1, 1, 1, ?1, ?1, 0)",
            );
            heard.bind(key).execute(&mut *db).await.unwrap();
        }
    }

    #[tokio::test]
    async fn of_a_beginning_that_many_have_a_bounded_number_is_counted() {
        const FIRST: i64 = 0x40ec_0000_0000;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let tried = store.write(Urgency::Bulk, |db| {
            Box::pin(async move {
                hear(db, FIRST..FIRST + 1).await;
                let found = find(db, &Wanted::of("40:ec")).await?;
                assert!(matches!(found, Found::One(card) if card.parts[0].mac == FIRST));
                let crowds = [(1, 200, Count::All(200)), (200, 300, Count::MoreThan(200))];
                for (known, count, expected) in crowds {
                    hear(db, FIRST + known..FIRST + count).await;
                    let Found::Several(newest, counted) = find(db, &Wanted::of("40:ec")).await?
                    else {
                        panic!("several were heard")
                    };
                    assert_eq!(counted, expected);
                    let newest: Vec<i64> = newest.iter().map(|it| it.device.mac - FIRST).collect();
                    let last = count.min(201) - 1;
                    let expected: Vec<i64> = (last - 9..=last).rev().collect();
                    assert_eq!(newest, expected);
                }
                Ok(())
            })
        });
        tried.await.unwrap();
    }
}
