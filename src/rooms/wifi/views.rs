//! The SQL of the Wi-Fi room's views: merging a delta, and deciding what SSIDs are written in.

use std::sync::LazyLock;

use rustc_hash::FxHashSet;
use sqlx::SqliteConnection;

use super::encoding::Encoding;
use super::fold::{Delta, Device, Name, Tally};
use super::types::{MacAddr, Ssid};
use super::wire::Row;
use super::{Wifi, copies, documents, evidence, hits, presence};
use crate::engine::{Closed, Due, Span, TableRow, Version, Views};
use crate::store::StoreError;
use crate::store::bulk::BulkStatement;

/// Networks that are kept of a device.
const SSID_LIMIT: i64 = 1_000;
/// What is folded from streams.
const FOLDED: [&str; 9] = [
    "wifi_device",
    "wifi_ssid",
    "wifi_undecided",
    "wifi_evidence",
    "wifi_undecided_minute",
    "wifi_hour",
    "wifi_document",
    "wifi_new",
    "wifi_span",
];
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
        presence::merge_span(db, delta).await?;
        let mut sure: Vec<NameRow> = Vec::new();
        let mut undecided: Vec<NameRow> = Vec::new();
        for ((mac, name), tally) in &delta.names {
            match name {
                Name::Sure(ssid) => sure.push((*mac, *ssid, *tally)),
                Name::Undecided(ssid) => undecided.push((*mac, *ssid, *tally)),
            }
        }
        let encoding = evidence::decided(db).await?;
        evidence::note(db, &delta.evidence, encoding).await?;
        match encoding {
            None => merge_names(db, &MERGE_UNDECIDED, undecided).await?,
            Some(encoding) => sure.extend(undecided.into_iter().map(|row| decided(row, encoding))),
        }
        merge_sure(db, sure).await
    }

    async fn close(
        &self,
        db: &mut SqliteConnection,
        due: Due,
        delta: &Delta,
    ) -> Result<Closed, StoreError> {
        if let Some(encoding) = evidence::decide(db, &due, &delta.evidence).await? {
            let waiting = take_undecided(db).await?;
            merge_sure(db, waiting.into_iter().map(|row| decided(row, encoding)).collect()).await?;
        }
        let encoding = evidence::decided(db).await?;
        let mut alerts = hits::release(db, &self.rules, &due, &delta.hits, encoding).await?;
        alerts.extend(presence::newcomers(db, &self.rules, &due).await?);
        alerts.extend(presence::comings_and_goings(db, &self.rules, &due).await?);
        if let Some(watermark_ms) = due.watermark_ms {
            alerts.extend(hits::days(db, &self.rules, watermark_ms).await?);
        }
        Ok(Closed { windows: 0, alerts })
    }

    async fn next_due(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        let timers = [
            evidence::rests_at(db).await?,
            presence::next_absence(db, &self.rules, watermark_ms).await?,
            hits::next_day(db).await?,
        ];
        Ok(timers.into_iter().flatten().min())
    }

    async fn settle_past(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        match watermark_ms {
            Some(watermark_ms) => presence::settle_past(db, watermark_ms).await,
            None => Ok(()),
        }
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

/// Adds networks whose names are sure.
async fn merge_sure(db: &mut SqliteConnection, sure: Vec<NameRow>) -> Result<(), StoreError> {
    let touched: FxHashSet<MacAddr> = sure.iter().map(|(mac, ..)| *mac).collect();
    merge_names(db, &MERGE_SSIDS, sure).await?;
    recount(db, touched).await
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
