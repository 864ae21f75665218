//! The SQL of the Wi-Fi room's views: merging a delta, and deciding what SSIDs are written in.

use std::sync::LazyLock;

use rustc_hash::FxHashSet;
use sqlx::SqliteConnection;

use super::encoding::{Encoding, Evidence};
use super::fold::{Delta, Device, Name, Tally};
use super::types::{MacAddr, Ssid};
use super::wire::Row;
use super::{Wifi, copies, documents};
use crate::engine::{Closed, Due, Span, TableRow, Version, Views};
use crate::store::StoreError;
use crate::store::bulk::BulkStatement;

/// Networks that are kept of a device.
const SSID_LIMIT: i64 = 1_000;
/// What is folded from streams.
const FOLDED: [&str; 6] =
    ["wifi_device", "wifi_ssid", "wifi_undecided", "wifi_encoding", "wifi_hour", "wifi_document"];
/// A literal number, so that the partial index `wifi_device_full` serves it.
const FULL_DEVICES: &str = "select mac from wifi_device where ssid_count > 1000";
/// How long the hours of pictures are kept behind the newest one. Not behind the watermark, which
/// follows the clock: a capture of last year has its pictures too.
const HOURS_KEPT: i64 = 30 * 24;

static MERGE_DEVICES: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into wifi_device
            (mac, probe_count, wildcard_count, first_ms, last_ms, signal_min_dbm, signal_max_dbm)",
        7,
        "on conflict (mac) do update set
            probe_count = probe_count + excluded.probe_count,
            wildcard_count = wildcard_count + excluded.wildcard_count,
            first_ms = min(first_ms, excluded.first_ms),
            last_ms = max(last_ms, excluded.last_ms),
            signal_min_dbm = coalesce(min(signal_min_dbm, excluded.signal_min_dbm),
                                      signal_min_dbm, excluded.signal_min_dbm),
            signal_max_dbm = coalesce(max(signal_max_dbm, excluded.signal_max_dbm),
                                      signal_max_dbm, excluded.signal_max_dbm)",
    )
});

static MERGE_SSIDS: LazyLock<BulkStatement> = LazyLock::new(|| names_into("wifi_ssid"));
static MERGE_UNDECIDED: LazyLock<BulkStatement> = LazyLock::new(|| names_into("wifi_undecided"));

static MERGE_HOURS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into wifi_hour (hour, mac, probe_count)",
        3,
        "on conflict (hour, mac) do update set probe_count = probe_count + excluded.probe_count",
    )
});

/// Counts the networks of devices anew.
static COUNT_SSIDS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "with touched (mac) as (",
        1,
        ") update wifi_device set ssid_count =
            (select count(*) from wifi_ssid where wifi_ssid.mac = wifi_device.mac)
          where mac in (select mac from touched)",
    )
});

fn names_into(table: &str) -> BulkStatement {
    BulkStatement::new(
        &format!("insert into {table} (mac, ssid, probe_count, first_ms, last_ms)"),
        5,
        "on conflict (mac, ssid) do update set
            probe_count = probe_count + excluded.probe_count,
            first_ms = min(first_ms, excluded.first_ms),
            last_ms = max(last_ms, excluded.last_ms)",
    )
}

type NameRow = (MacAddr, Ssid, Tally);

impl Views for Wifi {
    async fn replace_table(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        rows: &[TableRow<Row>],
    ) -> Result<(), StoreError> {
        copies::replace(db, copies::mirror(table), rows).await
    }

    async fn put_row(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        key: &[u8],
        row: Option<&Row>,
        version: Version,
    ) -> Result<Option<Version>, StoreError> {
        copies::put(db, copies::mirror(table), key, row, version).await
    }

    async fn merge(&self, db: &mut SqliteConnection, delta: &Delta) -> Result<(), StoreError> {
        documents::merge(db, delta).await?;
        merge_devices(db, delta).await?;
        let mut sure: Vec<NameRow> = Vec::new();
        let mut undecided: Vec<NameRow> = Vec::new();
        for ((mac, name), tally) in &delta.names {
            match name {
                Name::Sure(ssid) => sure.push((*mac, *ssid, *tally)),
                Name::Undecided(ssid) => undecided.push((*mac, *ssid, *tally)),
            }
        }
        match note_evidence(db, &delta.evidence).await? {
            None => merge_names(db, &MERGE_UNDECIDED, undecided).await?,
            Some(encoding) => {
                undecided.extend(take_undecided(db).await?);
                sure.extend(undecided.into_iter().map(|row| decided(row, encoding)));
            }
        }
        let touched: FxHashSet<MacAddr> = sure.iter().map(|(mac, ..)| *mac).collect();
        merge_names(db, &MERGE_SSIDS, sure).await?;
        recount(db, touched).await
    }

    async fn close(
        &self,
        _db: &mut SqliteConnection,
        _due: Due,
        _delta: &Delta,
    ) -> Result<Closed, StoreError> {
        Ok(Closed::default())
    }

    async fn next_open(
        &self,
        _db: &mut SqliteConnection,
        _watermark_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    async fn spans(&self, db: &mut SqliteConnection) -> Result<Vec<Span>, StoreError> {
        let ends: (Option<i64>, Option<i64>) =
            sqlx::query_as("select min(first_ms), max(last_ms) from wifi_device")
                .fetch_one(db)
                .await?;
        let span = |(from_ms, to_ms)| Span { view: "wifi_device", from_ms, to_ms };
        Ok(ends.0.zip(ends.1).map(span).into_iter().collect())
    }

    async fn empty(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        for view in FOLDED {
            sqlx::query(&format!("delete from {view}")).execute(&mut *db).await?;
        }
        copies::doubt_all(db).await
    }

    async fn prune(&self, db: &mut SqliteConnection, _watermark_ms: i64) -> Result<(), StoreError> {
        sqlx::query("delete from wifi_hour where hour < (select max(hour) from wifi_hour) - ?")
            .bind(HOURS_KEPT)
            .execute(&mut *db)
            .await?;
        Ok(())
    }
}

async fn merge_devices(db: &mut SqliteConnection, delta: &Delta) -> Result<(), StoreError> {
    let mut devices: Vec<(MacAddr, Device)> =
        delta.devices.iter().map(|(mac, device)| (*mac, *device)).collect();
    devices.sort_unstable_by_key(|(mac, _)| *mac);
    MERGE_DEVICES
        .run(db, &devices, |query, (mac, device)| {
            query
                .bind(mac.key())
                .bind(device.probes.count)
                .bind(device.wildcard_count)
                .bind(device.probes.first_ms)
                .bind(device.probes.last_ms)
                .bind(device.signal_dbm.map(|(weakest, _)| weakest))
                .bind(device.signal_dbm.map(|(_, strongest)| strongest))
        })
        .await?;
    let mut hours: Vec<(i64, MacAddr, i64)> =
        delta.hours.iter().map(|((mac, hour), count)| (*hour, *mac, *count)).collect();
    hours.sort_unstable();
    MERGE_HOURS
        .run(db, &hours, |query, (hour, mac, count)| query.bind(*hour).bind(mac.key()).bind(*count))
        .await
}

async fn merge_names(
    db: &mut SqliteConnection,
    statement: &BulkStatement,
    mut names: Vec<NameRow>,
) -> Result<(), StoreError> {
    names.sort_unstable_by_key(|(mac, ssid, _)| (*mac, *ssid));
    statement
        .run(db, &names, |query, (mac, ssid, tally)| {
            query
                .bind(mac.key())
                .bind(ssid.as_bytes().to_vec())
                .bind(tally.count)
                .bind(tally.first_ms)
                .bind(tally.last_ms)
        })
        .await
}

/// Adds what a batch has shown, and gives the encoding if it is decided now.
async fn note_evidence(
    db: &mut SqliteConnection,
    evidence: &Evidence,
) -> Result<Option<Encoding>, StoreError> {
    let known: Option<(Option<String>, i64)> =
        sqlx::query_as("select decided, undecided_count from wifi_encoding where id = 1")
            .fetch_optional(&mut *db)
            .await?;
    let (decided, before_count) = known.unwrap_or_default();
    let decided = decided.as_deref().and_then(Encoding::of_name);
    if *evidence == Evidence::default() {
        return Ok(decided);
    }
    let mut whole = *evidence;
    whole.undecided_count += before_count;
    let verdict = if decided.is_some() { None } else { whole.verdict() };
    let witness = evidence.hex.first.min(evidence.text.first);
    sqlx::query(
        "insert into wifi_encoding
            (id, decided, reason, witness_ms, hex_count, text_count, undecided_count)
         values (1, ?, ?, ?, ?, ?, ?)
         on conflict (id) do update set
            decided = coalesce(decided, excluded.decided),
            reason = coalesce(reason, excluded.reason),
            witness_ms = coalesce(witness_ms, excluded.witness_ms),
            hex_count = hex_count + excluded.hex_count,
            text_count = text_count + excluded.text_count,
            undecided_count = undecided_count + excluded.undecided_count",
    )
    .bind(verdict.as_ref().map(|(encoding, _)| encoding.name()))
    .bind(verdict.as_ref().map(|(_, reason)| reason.as_str()))
    .bind(witness.map(|at| at.event_ms))
    .bind(evidence.hex.count)
    .bind(evidence.text.count)
    .bind(evidence.undecided_count)
    .execute(db)
    .await?;
    Ok(decided.or(verdict.map(|(encoding, _)| encoding)))
}

/// Takes what waited for the decision.
async fn take_undecided(db: &mut SqliteConnection) -> Result<Vec<NameRow>, StoreError> {
    let rows: Vec<(i64, Vec<u8>, i64, i64, i64)> = sqlx::query_as(
        "delete from wifi_undecided returning mac, ssid, probe_count, first_ms, last_ms",
    )
    .fetch_all(db)
    .await?;
    // We stored no more bytes than an SSID has.
    let row = |(mac, ssid, count, first_ms, last_ms): (i64, Vec<u8>, i64, i64, i64)| {
        let ssid = Ssid::of_bytes(&ssid).ok()?;
        Some((MacAddr::of_key(mac), ssid, Tally { count, first_ms, last_ms }))
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

/// What an SSID that could be either is, now that the stream has shown its encoding.
fn decided((mac, text, tally): NameRow, encoding: Encoding) -> NameRow {
    let read = std::str::from_utf8(text.as_bytes()).ok().and_then(|text| Ssid::of_hex(text).ok());
    match (encoding, read) {
        (Encoding::Hex, Some(ssid)) => (mac, ssid, tally),
        (Encoding::Text | Encoding::Hex, _) => (mac, text, tally),
    }
}

/// Counts the networks of these devices anew and drops what is beyond the limit.
async fn recount(db: &mut SqliteConnection, devices: FxHashSet<MacAddr>) -> Result<(), StoreError> {
    let mut devices: Vec<MacAddr> = devices.into_iter().collect();
    devices.sort_unstable();
    COUNT_SSIDS.run(db, &devices, |query, mac| query.bind(mac.key())).await?;
    let full: Vec<i64> = sqlx::query_scalar(FULL_DEVICES).fetch_all(&mut *db).await?;
    for mac in full {
        sqlx::query(
            "delete from wifi_ssid where mac = ?1 and ssid in
                (select ssid from wifi_ssid where mac = ?1 order by first_ms, ssid
                 limit -1 offset ?2)",
        )
        .bind(mac)
        .bind(SSID_LIMIT)
        .execute(&mut *db)
        .await?;
        sqlx::query("update wifi_device set ssid_count = ?, ssids_complete = 0 where mac = ?")
            .bind(SSID_LIMIT)
            .bind(mac)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
