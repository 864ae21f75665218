//! The SQL of the plants' views: merging a delta and closing windows. Copies of tables are in
//! `tables`, questions in `lookup` and `sensors`.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use sqlx::SqliteConnection;

use super::fold::{BUCKET_MS, Bucket, Delta, Late, Latest, Slot, WINDOWS};
use super::rules::DryWindow;
use super::types::{PlantId, SensorId};
use super::{Plants, Row};
use super::{care, lives, outlook, tables};
use crate::engine::{Closed, Due, News, Span, TableRow, Version, Views};
use crate::kernel::pipeline::Pipeline;
use crate::kernel::time::{DAY_MS, HOUR_MS};
use crate::store::StoreError;
use crate::store::bulk::BulkStatement;

/// How long windows and buckets are kept behind the watermark (contract: windows 7 days).
const WINDOW_RETENTION_MS: i64 = 7 * DAY_MS;
const BUCKET_RETENTION_MS: i64 = 90 * DAY_MS;
/// A sensor that is silent for so long is forgotten; its mapping stays. So are the readings of a
/// plant that nobody has described.
const HEARD_RETENTION_MS: i64 = 90 * DAY_MS;

/// The views that are folded from readings, and their columns of event time.
const FOLDED: [(&str, &str); 4] = [
    ("plant_window", "start_ms"),
    ("plant_bucket", "start_ms"),
    ("plant_latest", "event_ms"),
    ("plant_sensor", "heard_ms"),
];

/// What of them only judging needs.
const JUDGED: [&str; 2] = ["plant_late", "plant_roll_call"];

static MERGE_WINDOWS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_window (start_ms, plant_id, low_count)",
        3,
        "on conflict (start_ms, plant_id) do update set low_count = low_count + excluded.low_count",
    )
});

static MERGE_BUCKETS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_bucket
            (start_ms, plant_id, reading_count, moisture_sum, moisture_min, moisture_max,
             temperature_sum, temperature_min, temperature_max)",
        9,
        "on conflict (start_ms, plant_id) do update set
            reading_count = reading_count + excluded.reading_count,
            moisture_sum = moisture_sum + excluded.moisture_sum,
            moisture_min = min(moisture_min, excluded.moisture_min),
            moisture_max = max(moisture_max, excluded.moisture_max),
            temperature_sum = temperature_sum + excluded.temperature_sum,
            temperature_min = min(temperature_min, excluded.temperature_min),
            temperature_max = max(temperature_max, excluded.temperature_max)",
    )
});

static MERGE_LATEST: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_latest
            (plant_id, event_ms, record_partition, record_offset, moisture, temperature)",
        6,
        "on conflict (plant_id) do update set
            event_ms = excluded.event_ms, record_partition = excluded.record_partition,
            record_offset = excluded.record_offset, moisture = excluded.moisture,
            temperature = excluded.temperature
          where (excluded.event_ms, excluded.record_partition, excluded.record_offset)
              > (event_ms, record_partition, record_offset)",
    )
});

static MERGE_LATE: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_late
            (start_ms, plant_id, reading_count, moisture_sum, temperature_sum)",
        5,
        "on conflict (start_ms, plant_id) do update set
            reading_count = reading_count + excluded.reading_count,
            moisture_sum = moisture_sum + excluded.moisture_sum,
            temperature_sum = temperature_sum + excluded.temperature_sum",
    )
});

static MERGE_HEARD: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_sensor (sensor_id, heard_ms)",
        2,
        "on conflict (sensor_id) do update set heard_ms = max(heard_ms, excluded.heard_ms)",
    )
});

impl Views for Plants {
    async fn replace_table(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        rows: &[TableRow<Row>],
    ) -> Result<(), StoreError> {
        tables::replace(db, tables::mirror(table), rows).await?;
        lives::unsettle(db, self.name()).await?;
        lives::forget_orphans(db).await
    }

    async fn put_row(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        key: &[u8],
        row: Option<&Row>,
        version: Version,
    ) -> Result<Option<Version>, StoreError> {
        let version = tables::put(db, tables::mirror(table), key, row, version).await?;
        match row {
            None => {
                lives::unsettle(db, self.name()).await?;
                lives::forget_orphans(db).await?;
            }
            Some(Row::Watering(watering)) => {
                care::note_fresh(db, *watering).await?;
            }
            Some(Row::Plant(_) | Row::Mapping(_)) => {}
        }
        Ok(version)
    }

    async fn merge(&self, db: &mut SqliteConnection, delta: &Delta) -> Result<(), StoreError> {
        MERGE_WINDOWS.run(db, &sorted(&delta.lows), |query, row| bind_low(query, *row)).await?;
        MERGE_BUCKETS
            .run(db, &sorted(&delta.buckets), |query, row| bind_bucket(query, *row))
            .await?;
        MERGE_LATEST.run(db, &sorted(&delta.latest), |query, row| bind_latest(query, *row)).await?;
        MERGE_LATE.run(db, &sorted(&delta.late), |query, row| bind_late(query, *row)).await?;
        let heard: Vec<(&SensorId, &i64)> = delta.heard.iter().collect();
        MERGE_HEARD.run(db, &heard, |query, row| bind_heard(query, *row)).await
    }

    async fn close(
        &self,
        db: &mut SqliteConnection,
        due: Due,
        delta: &Delta,
    ) -> Result<Closed, StoreError> {
        let windows: i64 = sqlx::query_scalar(
            "select count(*) from plant_window where start_ms >= ? and start_ms < ?",
        )
        .bind(due.first_start_ms)
        .bind(due.end_start_ms)
        .fetch_one(&mut *db)
        .await?;
        let mut dry = Vec::new();
        if windows > 0 {
            let limit = self.low_readings_limit;
            dry = dry_windows(db, due.first_start_ms, due.end_start_ms, limit).await?;
        }
        dry.extend(self.touched_again(db, due, delta).await?);
        if let Some(watermark_ms) = due.watermark_ms {
            forget_unheard(db, due.before_ms, watermark_ms).await?;
            care::judge(db, watermark_ms, due.is_final, delta).await?;
        }
        let mut news = lives::judge(db, self, &due, dry).await?;
        if let Some(watermark_ms) = due.watermark_ms {
            let evening = outlook::ring(db, watermark_ms, due, self.time_zone).await?;
            news.extend(evening.into_iter().map(News::from));
        }
        Ok(Closed { windows, news })
    }

    async fn next_due(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        let (_, first_open_ms) = WINDOWS.starts_closed_between(i64::MIN, watermark_ms);
        let start_ms: Option<i64> =
            sqlx::query_scalar("select min(start_ms) from plant_window where start_ms >= ?")
                .bind(first_open_ms)
                .fetch_one(&mut *db)
                .await?;
        let window_ms = start_ms.map(|start_ms| WINDOWS.closes_at(start_ms));
        let shown_ms = care::next_due(db).await?;
        let evening_ms = outlook::next_due(db).await?;
        let quarter_ms = lives::next_quarter(db, watermark_ms).await?;
        let silence_ms = match self.lives.silent_ms {
            Some(limit_ms) => lives::next_roll_call(db, limit_ms, watermark_ms).await?,
            None => None,
        };
        let told_ms = care::next_fresh(db).await?;
        let timers = [window_ms, shown_ms, told_ms, evening_ms, quarter_ms, silence_ms];
        Ok(timers.into_iter().flatten().min())
    }

    /// Windows at or below the watermark are closed by that alone, and waterings are looked for by
    /// the step after it.
    async fn settle_past(
        &self,
        _db: &mut SqliteConnection,
        _watermark_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn spans(&self, db: &mut SqliteConnection) -> Result<Vec<Span>, StoreError> {
        let mut spans = Vec::new();
        for (view, time) in FOLDED {
            let query = format!("select min({time}), max({time}) from {view}");
            let ends: (Option<i64>, Option<i64>) =
                sqlx::query_as(&query).fetch_one(&mut *db).await?;
            if let (Some(from_ms), Some(to_ms)) = ends {
                spans.push(Span { view, from_ms, to_ms });
            }
        }
        Ok(spans)
    }

    async fn empty(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        for view in FOLDED.map(|(view, _)| view).into_iter().chain(JUDGED) {
            sqlx::query(&format!("delete from {view}")).execute(&mut *db).await?;
        }
        care::empty(db).await?;
        tables::doubt_all(db).await
    }

    async fn prune(&self, db: &mut SqliteConnection, watermark_ms: i64) -> Result<(), StoreError> {
        sqlx::query("delete from plant_window where start_ms < ?")
            .bind(watermark_ms - WINDOWS.size_ms - WINDOW_RETENTION_MS)
            .execute(&mut *db)
            .await?;
        let oldest_ms = watermark_ms - BUCKET_MS - BUCKET_RETENTION_MS;
        for view in ["plant_bucket", "plant_late"] {
            sqlx::query(&format!("delete from {view} where start_ms < ?"))
                .bind(oldest_ms)
                .execute(&mut *db)
                .await?;
        }
        care::prune(db, oldest_ms).await
    }
}

/// Forgets who has not been heard for long. That reads every sensor and plant, so it is done once
/// an hour of the watermark.
async fn forget_unheard(
    db: &mut SqliteConnection,
    before_ms: Option<i64>,
    watermark_ms: i64,
) -> Result<(), StoreError> {
    let hour = |ms: i64| ms.div_euclid(HOUR_MS);
    if before_ms.is_some_and(|before_ms| hour(before_ms) == hour(watermark_ms)) {
        return Ok(());
    }
    let oldest_ms = hour(watermark_ms) * HOUR_MS - HEARD_RETENTION_MS;
    for unheard in [
        "delete from plant_sensor where heard_ms < ?",
        "delete from plant_latest
          where event_ms < ? and plant_id not in (select plant_id from plant)",
    ] {
        sqlx::query(unheard).bind(oldest_ms).execute(&mut *db).await?;
    }
    Ok(())
}

impl Plants {
    /// Windows that were closed before this step and that a record which is not late touched.
    async fn touched_again(
        &self,
        db: &mut SqliteConnection,
        due: Due,
        delta: &Delta,
    ) -> Result<Vec<DryWindow>, StoreError> {
        let mut touched: BTreeMap<i64, HashSet<i32>> = BTreeMap::new();
        for slot in delta.lows.keys() {
            let start_ms = slot.start_ms(WINDOWS.size_ms);
            if start_ms < due.first_start_ms {
                touched.entry(start_ms).or_default().insert(slot.plant_id());
            }
        }
        let mut again = Vec::new();
        for (start_ms, plants) in touched {
            let dry = dry_windows(db, start_ms, start_ms + 1, self.low_readings_limit).await?;
            again.extend(dry.into_iter().filter(|window| plants.contains(&window.plant_id)));
        }
        Ok(again)
    }
}

/// A map's rows in the order of the table's key, so that a large step writes each page once.
fn sorted<K: Copy + Ord, V: Copy>(map: &FxHashMap<K, V>) -> Vec<(K, V)> {
    let mut rows: Vec<(K, V)> = map.iter().map(|(key, value)| (*key, *value)).collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows
}

/// Windows of plants with metadata that hold more than `limit` low readings.
async fn dry_windows(
    db: &mut SqliteConnection,
    first_start_ms: i64,
    end_start_ms: i64,
    limit: i64,
) -> Result<Vec<DryWindow>, StoreError> {
    let rows: Vec<(i32, String, String, String, f32, i64, i64)> = sqlx::query_as(
        "select w.plant_id, p.given_name, p.common_name, p.scientific_name,
                p.moisture_low, w.start_ms, w.low_count
           from plant_window w join plant p using (plant_id)
          where w.start_ms >= ? and w.start_ms < ? and w.low_count > ?
          order by w.start_ms, w.plant_id",
    )
    .bind(first_start_ms)
    .bind(end_start_ms)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let window = |row: (i32, String, String, String, f32, i64, i64)| DryWindow {
        plant_id: row.0,
        given_name: row.1,
        common_name: row.2,
        scientific_name: row.3,
        moisture_low: row.4,
        start_ms: row.5,
        end_ms: WINDOWS.end_of(row.5),
        low_count: row.6,
    };
    Ok(rows.into_iter().map(window).collect())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments<'q>>;

fn bind_low<'q>(query: Query<'q>, (slot, count): (Slot, i64)) -> Query<'q> {
    query.bind(slot.start_ms(WINDOWS.size_ms)).bind(slot.plant_id()).bind(count)
}

fn bind_bucket<'q>(query: Query<'q>, (slot, bucket): (Slot, Bucket)) -> Query<'q> {
    query
        .bind(slot.start_ms(BUCKET_MS))
        .bind(slot.plant_id())
        .bind(bucket.count)
        .bind(bucket.moisture.sum)
        .bind(bucket.moisture.min)
        .bind(bucket.moisture.max)
        .bind(bucket.temperature.sum)
        .bind(bucket.temperature.min)
        .bind(bucket.temperature.max)
}

fn bind_latest<'q>(query: Query<'q>, (plant_id, latest): (PlantId, Latest)) -> Query<'q> {
    query
        .bind(plant_id.get())
        .bind(latest.at.event_ms)
        .bind(latest.at.partition)
        .bind(latest.at.offset)
        .bind(latest.moisture)
        .bind(latest.temperature)
}

fn bind_late<'q>(query: Query<'q>, (slot, late): (Slot, Late)) -> Query<'q> {
    query
        .bind(slot.start_ms(BUCKET_MS))
        .bind(slot.plant_id())
        .bind(late.count)
        .bind(late.moisture)
        .bind(late.temperature)
}

fn bind_heard<'q>(query: Query<'q>, (sensor_id, heard_ms): (&SensorId, &i64)) -> Query<'q> {
    query.bind(sensor_id.as_str().to_owned()).bind(*heard_ms)
}
