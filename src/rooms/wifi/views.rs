//! The SQL of the Wi-Fi room's views: merging a delta, and deciding what SSIDs are written in.

use sqlx::SqliteConnection;

use super::encoding::Encoding;
use super::fold::{Delta, Tally};
use super::merge::{self, Chains, NameRow, Names};
use super::types::{MacAddr, Ssid};
use super::wire::Row;
use super::{Wifi, copies, documents, evidence, expiry, hits, parts, presence, stats};
use crate::engine::{Closed, Due, News, Span, TableRow, Version, Views};
use crate::store::StoreError;

/// What is folded from streams.
const FOLDED: [&str; 11] = [
    "wifi_device",
    "wifi_ssid",
    "wifi_seeker",
    "wifi_undecided",
    "wifi_evidence",
    "wifi_undecided_minute",
    "wifi_hour",
    "wifi_forgotten",
    "wifi_document",
    "wifi_new",
    "wifi_span",
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
        presence::merge_span(db, delta).await?;
        let encoding = evidence::decided(db).await?;
        evidence::note(db, &delta.evidence, encoding).await?;
        let chains = Chains::of(delta, self.retention);
        for round in 0..chains.rounds {
            let mut heard = chains.round(round);
            let too_late = expiry::part(db, self.retention, &heard).await?;
            heard.retain(|chain| !too_late.contains(&chain.mac));
            let (sure, undecided) = chains.names(delta, round, &too_late, encoding);
            merge::undecided(db, undecided).await?;
            let names = Names::of(sure);
            merge::devices(db, &chains, &heard, &names).await?;
            merge::ssids(db, &names).await?;
        }
        parts::pack(db).await
    }

    async fn close(
        &self,
        db: &mut SqliteConnection,
        due: Due,
        delta: &Delta,
    ) -> Result<Closed, StoreError> {
        if let Some(encoding) =
            evidence::decide(db, &due, &delta.evidence, self.ssid_encoding).await?
        {
            read_undecided(db, encoding).await?;
        }
        let encoding = evidence::decided(db).await?;
        let mut alerts = hits::release(db, &self.rules, &due, &delta.hits, encoding).await?;
        alerts.extend(evidence::contradiction(db, &delta.evidence, due.now_ms).await?);
        alerts.extend(presence::newcomers(db, &self.rules, &due).await?);
        alerts.extend(presence::comings_and_goings(db, &self.rules, &due).await?);
        // A day is told when all its hits have had their turn.
        if let Some(watermark_ms) = due.watermark_ms
            && !hits::has_ready(db).await?
        {
            alerts.extend(hits::days(db, &self.rules, watermark_ms).await?);
        }
        Ok(Closed { windows: 0, news: alerts.into_iter().map(News::from).collect() })
    }

    async fn next_due(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        if hits::has_ready(db).await? || presence::has_ready(db).await? {
            return Ok(Some(watermark_ms));
        }
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
        parts::clear(db).await?;
        copies::doubt_all(db).await
    }

    async fn prune(&self, db: &mut SqliteConnection, watermark_ms: i64) -> Result<(), StoreError> {
        expiry::prune(db, self.retention, watermark_ms).await
    }
}

/// Networks that are taken out of waiting at once: all that is held of them in memory.
const TAKEN: i64 = 10_000;

/// Reads what waited for the decision, now that the stream has shown its encoding.
async fn read_undecided(db: &mut SqliteConnection, encoding: Encoding) -> Result<(), StoreError> {
    loop {
        let rows: Vec<(i64, Vec<u8>, i64, i64, i64)> = sqlx::query_as(
            "delete from wifi_undecided where (mac, ssid) in
                (select mac, ssid from wifi_undecided order by mac, ssid limit ?)
             returning mac, ssid, probe_count, first_ms, last_ms",
        )
        .bind(TAKEN)
        .fetch_all(&mut *db)
        .await?;
        if rows.is_empty() {
            return Ok(());
        }
        // We stored no more bytes than an SSID has.
        let row = |(mac, ssid, count, first_ms, last_ms): (i64, Vec<u8>, i64, i64, i64)| {
            let ssid = encoding.read(Ssid::of_bytes(&ssid).ok()?);
            Some((MacAddr::of_key(mac), ssid, Tally { count, first_ms, last_ms }))
        };
        let waiting: Vec<NameRow> = rows.into_iter().filter_map(row).collect();
        let waited: Vec<MacAddr> = waiting.iter().map(|(mac, ..)| *mac).collect();
        merge::waited(db, &Names::of(waiting)).await?;
        stats::note(db, &waited).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, Urgency};

    #[tokio::test]
    async fn however_much_has_waited_all_of_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let tried = store.write(Urgency::Bulk, |db| {
            Box::pin(async move {
                sqlx::query(
                    "with recursive numbers (mac) as
                        (select 1 union all select mac + 1 from numbers limit ?)
                     insert into wifi_undecided (mac, ssid, probe_count, first_ms, last_ms)
                     select mac, cast('cafe' as blob), 1, 5, 5 from numbers",
                )
                .bind(TAKEN + 1)
                .execute(&mut *db)
                .await?;
                sqlx::query(
                    "insert into wifi_device (mac, probe_count, wildcard_count, first_ms, last_ms)
                     select mac, 1, 0, 5, 5 from wifi_undecided",
                )
                .execute(&mut *db)
                .await?;
                read_undecided(db, Encoding::Hex).await?;
                let read: (i64, i64, i64, i64) = sqlx::query_as(
                    "select (select count(*) from wifi_undecided),
                        (select count(*) from wifi_ssid where ssid = x'cafe'),
                        (select count(*) from wifi_seeker where ssid = x'cafe'),
                        (select sum(ssid_bound) from wifi_device)",
                )
                .fetch_one(&mut *db)
                .await?;
                assert_eq!(read, (0, TAKEN + 1, TAKEN + 1, TAKEN + 1));
                Ok(())
            })
        });
        tried.await.unwrap();
    }
}
