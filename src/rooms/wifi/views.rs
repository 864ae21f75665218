//! The SQL of the Wi-Fi room's views: merging a delta, and deciding what SSIDs are written in.

use sqlx::SqliteConnection;

use super::encoding::{Encoding, Evidence};
use super::fold::{Delta, Tally};
use super::merge::{self, Chains, NameRow};
use super::types::{MacAddr, Ssid};
use super::wire::Row;
use super::{Wifi, copies, documents, expiry};
use crate::engine::{Closed, Due, Span, TableRow, Version, Views};
use crate::store::StoreError;

/// What is folded from streams.
const FOLDED: [&str; 7] = [
    "wifi_device",
    "wifi_ssid",
    "wifi_undecided",
    "wifi_encoding",
    "wifi_hour",
    "wifi_forgotten",
    "wifi_document",
];

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
        let encoding = note_evidence(db, &delta.evidence).await?;
        if let Some(encoding) = encoding {
            let waited = take_undecided(db).await?;
            merge::ssids(db, as_decided(waited, encoding)).await?;
        }
        let chains = Chains::of(delta, self.retention);
        for round in 0..chains.rounds {
            let mut heard = chains.round(round);
            let too_late = expiry::part(db, self.retention, &heard).await?;
            heard.retain(|chain| !too_late.contains(&chain.mac));
            merge::devices(db, &chains, &heard).await?;
            let (mut sure, undecided) = chains.names(delta, round, &too_late);
            match encoding {
                Some(encoding) => sure.extend(as_decided(undecided, encoding)),
                None => merge::undecided(db, undecided).await?,
            }
            merge::ssids(db, sure).await?;
        }
        Ok(())
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
        sqlx::query("insert into wifi_part (wifi_part) values ('delete-all')")
            .execute(&mut *db)
            .await?;
        copies::doubt_all(db).await
    }

    async fn prune(&self, db: &mut SqliteConnection, watermark_ms: i64) -> Result<(), StoreError> {
        expiry::prune(db, self.retention, watermark_ms).await
    }
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

fn as_decided(rows: Vec<NameRow>, encoding: Encoding) -> Vec<NameRow> {
    rows.into_iter().map(|row| decided(row, encoding)).collect()
}

/// What an SSID that could be either is, now that the stream has shown its encoding.
fn decided((mac, text, tally): NameRow, encoding: Encoding) -> NameRow {
    let read = std::str::from_utf8(text.as_bytes()).ok().and_then(|text| Ssid::of_hex(text).ok());
    match (encoding, read) {
        (Encoding::Hex, Some(ssid)) => (mac, ssid, tally),
        (Encoding::Text | Encoding::Hex, _) => (mac, text, tally),
    }
}
