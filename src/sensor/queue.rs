//! The queue on the disk (`sensor.db`): readings that the other end does not have yet, and what a
//! start without the other end needs to know.
//!
//! Invariant: a reading that was taken is on the disk before `push` returns. One that is answered
//! goes in the transaction that notes where the topic ended then; so whatever is in the queue was
//! first sent after that (`log::once`). A connection that failed is not used again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::calibration::Calibration;
use super::mapping::Plants;
use super::moment::Now;
use crate::condition::FileFault;
use crate::log::once::Ends;

/// The file in the data directory, and the lock of whoever uses the sensors.
const FILE: &str = "sensor.db";
pub const LOCK: &str = "sensor.lock";
/// More readings than this push the oldest out: 87 days of four sensors, about 100 MB.
pub const READINGS_MAX: i64 = 1_000_000;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const SCHEMA_VERSION: i64 = 1;

const TABLES: &str = "
create table meta (
    key text primary key,
    value text not null
) strict, without rowid;

-- Numbers are never used again.
create table reading (
    number integer primary key autoincrement,
    sensor_id text not null,
    -- Null while the mapping was never read.
    plant_id integer,
    -- Thousandths of a per cent, and of a degree Celsius.
    moisture integer not null,
    temperature integer not null,
    -- Null while the wall clock is not known to be set: then the other two say when it was.
    at_ms integer,
    boot text,
    since_boot_ms integer
) strict;

create table mapping (
    sensor_id text primary key,
    plant_id integer not null
) strict, without rowid;

create table calibration (
    sensor_id text primary key,
    low integer not null,
    high integer not null
) strict, without rowid;
";

/// Why the queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A full disk, a damaged file.
    #[error(transparent)]
    File(#[from] FileFault),
    #[error("{0} was made by a newer version of windowsill; use that one, or move the file away")]
    Newer(PathBuf),
}

/// A reading without its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub sensor_id: String,
    /// `None`: the mapping was never read yet.
    pub plant_id: Option<i32>,
    /// Thousandths of a per cent.
    pub moisture: i32,
    /// Thousandths of a degree Celsius.
    pub temperature: i32,
}

/// A reading that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub number: i64,
    pub sensor_id: String,
    pub plant_id: i32,
    /// Thousandths of a per cent.
    pub moisture: i32,
    /// Thousandths of a degree Celsius.
    pub temperature: i32,
    pub at_ms: i64,
}

/// What a push did beside its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Readings whose time became known.
    pub stamped: u64,
    /// Readings held in an earlier life of the machine, whose time will never be known.
    pub timeless: u64,
    /// The oldest readings that had to make room.
    pub pushed_out: u64,
}

/// The queue of a data directory.
pub struct Queue {
    path: PathBuf,
    id: String,
    db: Mutex<Option<SqliteConnection>>,
}

impl Queue {
    /// Opens the queue, and makes it if it is missing.
    pub async fn open(data_dir: &Path) -> Result<Queue, QueueError> {
        let path = data_dir.join(FILE);
        let fault = |fault: sqlx::Error| QueueError::from(FileFault::of(&path, &fault));
        let mut db = connect(&path).await.map_err(fault)?;
        let version = prepare(&mut db).await.map_err(fault)?;
        if version > SCHEMA_VERSION {
            return Err(QueueError::Newer(path));
        }
        let id: String = sqlx::query_scalar("select value from meta where key = 'id'")
            .fetch_one(&mut db)
            .await
            .map_err(fault)?;
        Ok(Queue { path, id, db: Mutex::new(Some(db)) })
    }

    /// The name that its places have in the log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Takes readings of one moment, in one transaction. Once the wall clock is set, what was held
    /// since the machine's start gets its time first. A reading without a plant gets the one that the
    /// mapping has for it by now, and is left out where that has none.
    pub async fn push(&self, readings: Vec<Reading>, now: Now) -> Result<Pushed, QueueError> {
        self.transact(move |db| {
            Box::pin(async move {
                let mut pushed = match now.boot_ms() {
                    Some(boot_ms) => settle_times(db, &now.moment.boot, boot_ms).await?,
                    None => Pushed::default(),
                };
                for reading in &readings {
                    insert(db, reading, &now).await?;
                }
                pushed.pushed_out = make_room(db).await?;
                Ok(pushed)
            })
        })
        .await
    }

    /// The oldest readings whose plant and time are known.
    pub async fn oldest(&self, limit: u32) -> Result<Vec<Queued>, QueueError> {
        type Row = (i64, String, i32, i32, i32, i64);
        let rows: Vec<Row> = self
            .transact(move |db| {
                Box::pin(
                    sqlx::query_as(
                        "select number, sensor_id, plant_id, moisture, temperature, at_ms
                         from reading where at_ms is not null and plant_id is not null
                         order by number limit ?",
                    )
                    .bind(limit)
                    .fetch_all(db),
                )
            })
            .await?;
        let queued = |(number, sensor_id, plant_id, moisture, temperature, at_ms): Row| Queued {
            number,
            sensor_id,
            plant_id,
            moisture,
            temperature,
            at_ms,
        };
        Ok(rows.into_iter().map(queued).collect())
    }

    /// The other end has these; it said where the topic ends now.
    pub async fn delivered(&self, numbers: Vec<i64>, ends: Ends) -> Result<(), QueueError> {
        self.transact(move |db| {
            Box::pin(async move {
                for number in numbers {
                    sqlx::query("delete from reading where number = ?")
                        .bind(number)
                        .execute(&mut *db)
                        .await?;
                }
                set(db, "since", &ends.to_string()).await
            })
        })
        .await
    }

    /// Where the topic ended before anything in the queue was sent. `None`: nothing ever was.
    pub async fn since(&self) -> Result<Option<Ends>, QueueError> {
        let text = self.transact(|db| Box::pin(get(db, "since"))).await?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Nothing was sent yet, and the topic ends here.
    pub async fn begin_at(&self, ends: Ends) -> Result<(), QueueError> {
        self.transact(move |db| Box::pin(async move { set(db, "since", &ends.to_string()).await }))
            .await
    }

    /// How many readings wait, those without a time included.
    pub async fn waiting(&self) -> Result<i64, QueueError> {
        self.transact(|db| {
            Box::pin(sqlx::query_scalar("select count(*) from reading").fetch_one(db))
        })
        .await
    }

    /// The mapping as it was last read. `None`: it never was.
    pub async fn plants(&self) -> Result<Option<Plants>, QueueError> {
        let rows: Option<Vec<(String, i32)>> = self
            .transact(|db| {
                Box::pin(async move {
                    if get(db, "mapping").await?.is_none() {
                        return Ok(None);
                    }
                    let rows = sqlx::query_as("select sensor_id, plant_id from mapping");
                    rows.fetch_all(db).await.map(Some)
                })
            })
            .await?;
        Ok(rows.map(|rows| rows.into_iter().collect()))
    }

    /// Keeps the mapping for a start without the other end. What was measured before it was first
    /// read gets its plant; readings of sensors that feed none go. Gives how many went.
    pub async fn keep_plants(&self, plants: Plants) -> Result<u64, QueueError> {
        self.transact(move |db| {
            Box::pin(async move {
                sqlx::query("delete from mapping").execute(&mut *db).await?;
                for (sensor_id, plant_id) in plants {
                    sqlx::query("insert into mapping (sensor_id, plant_id) values (?, ?)")
                        .bind(sensor_id)
                        .bind(plant_id)
                        .execute(&mut *db)
                        .await?;
                }
                set(db, "mapping", "read").await?;
                sqlx::query(
                    "update reading set plant_id = (select plant_id from mapping
                         where mapping.sensor_id = reading.sensor_id)
                     where plant_id is null",
                )
                .execute(&mut *db)
                .await?;
                let gone = sqlx::query("delete from reading where plant_id is null");
                Ok(gone.execute(db).await?.rows_affected())
            })
        })
        .await
    }

    /// What `sensor calibrate` found, by sensor.
    pub async fn calibrations(&self) -> Result<Vec<(String, Calibration)>, QueueError> {
        let rows: Vec<(String, u16, u16)> = self
            .transact(|db| {
                Box::pin(
                    sqlx::query_as("select sensor_id, low, high from calibration").fetch_all(db),
                )
            })
            .await?;
        let calibration =
            |(sensor_id, low, high)| Some((sensor_id, Calibration::new(low, high).ok()?));
        Ok(rows.into_iter().filter_map(calibration).collect())
    }

    pub async fn calibrate(
        &self,
        sensor_id: String,
        calibration: Calibration,
    ) -> Result<(), QueueError> {
        let [low, high]: [u16; 2] = calibration.into();
        self.transact(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "insert or replace into calibration (sensor_id, low, high) values (?, ?, ?)",
                )
                .bind(sensor_id)
                .bind(low)
                .bind(high)
                .execute(db)
                .await
                .map(drop)
            })
        })
        .await
    }

    async fn transact<T, F>(&self, work: F) -> Result<T, QueueError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let mut held = self.db.lock().await;
        // Whatever fails, or is cancelled, takes the connection with it.
        let known = held.take();
        let done = async {
            let mut db = match known {
                Some(db) => db,
                None => connect(&self.path).await?,
            };
            let mut transaction = db.begin_with("begin immediate").await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok((db, done))
        };
        let (db, done) = done.await.map_err(|fault| FileFault::of(&self.path, &fault))?;
        *held = Some(db);
        Ok(done)
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    SqliteConnection::connect_with(&options).await
}

/// Makes the tables of a new file, with a name for the queue. Gives the file's version.
async fn prepare(db: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let mut transaction = db.begin_with("begin immediate").await?;
    let version: i64 =
        sqlx::query_scalar("pragma user_version").fetch_one(&mut *transaction).await?;
    if version == 0 {
        sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
        let id = format!("{:016x}", fastrand::u64(..));
        set(&mut transaction, "id", &id).await?;
        let version = format!("pragma user_version = {SCHEMA_VERSION}");
        sqlx::raw_sql(&version).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(version)
}

/// Gives those that were held since this start of the machine their time.
async fn settle_times(
    db: &mut SqliteConnection,
    boot: &str,
    boot_ms: i64,
) -> Result<Pushed, sqlx::Error> {
    let stamped = sqlx::query(
        "update reading set at_ms = ? + since_boot_ms, boot = null, since_boot_ms = null
         where at_ms is null and boot = ?",
    )
    .bind(boot_ms)
    .bind(boot)
    .execute(&mut *db)
    .await?;
    let timeless = sqlx::query("delete from reading where at_ms is null").execute(db).await?;
    Ok(Pushed {
        stamped: stamped.rows_affected(),
        timeless: timeless.rows_affected(),
        pushed_out: 0,
    })
}

async fn insert(
    db: &mut SqliteConnection,
    reading: &Reading,
    now: &Now,
) -> Result<(), sqlx::Error> {
    let held = now.wall_ms.is_none().then_some(&now.moment);
    // The mapping may have come between the measurement and this transaction.
    sqlx::query(
        "insert into reading
             (sensor_id, plant_id, moisture, temperature, at_ms, boot, since_boot_ms)
         select ?1, coalesce(?2, mapping.plant_id), ?3, ?4, ?5, ?6, ?7
           from (select 1) left join mapping on mapping.sensor_id = ?1
          where ?2 is not null or mapping.plant_id is not null
             or not exists (select 1 from meta where key = 'mapping')",
    )
    .bind(&reading.sensor_id)
    .bind(reading.plant_id)
    .bind(reading.moisture)
    .bind(reading.temperature)
    .bind(now.wall_ms)
    .bind(held.map(|moment| moment.boot.as_str()))
    .bind(held.map(|moment| moment.since_boot_ms))
    .execute(db)
    .await
    .map(drop)
}

async fn make_room(db: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    // Numbers follow one another, so the count need not be taken each time.
    let gone =
        sqlx::query("delete from reading where number <= (select max(number) from reading) - ?")
            .bind(READINGS_MAX)
            .execute(db)
            .await?;
    Ok(gone.rows_affected())
}

async fn get(db: &mut SqliteConnection, key: &'static str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("select value from meta where key = ?").bind(key).fetch_optional(db).await
}

async fn set(db: &mut SqliteConnection, key: &'static str, value: &str) -> Result<(), sqlx::Error> {
    sqlx::query("insert or replace into meta (key, value) values (?, ?)")
        .bind(key)
        .bind(value)
        .execute(db)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests;
