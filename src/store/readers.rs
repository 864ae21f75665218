//! Connections that read: a few, and the one used last is used next, so that it still holds the pages
//! that the next reader needs.
//!
//! Invariant: a connection is kept only when what it was lent for has ended. One that failed, or
//! whose borrower went away in the middle, is closed: it could still be inside a transaction, and
//! whoever read by it later would look into the past.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::StoreError;

/// Readers at once; more wait their turn.
const READERS: u32 = 4;
/// A connection that nobody needed for so long is closed: each holds pages in memory.
const IDLE_FOR: Duration = Duration::from_secs(600);

/// Connections of one file.
#[derive(Clone)]
pub(super) struct Readers {
    options: SqliteConnectOptions,
    /// Where connections are made: each has a thread that is no less urgent than the one it is made
    /// on, and whoever needs the first may be the background.
    threads: Handle,
    pool: Arc<Pool>,
}

struct Pool {
    turns: Semaphore,
    /// The one given back last is at the end.
    idle: Mutex<Vec<(SqliteConnection, Instant)>>,
}

/// A connection that is lent.
pub(super) struct Lent<'a> {
    pub(super) connection: SqliteConnection,
    pool: &'a Pool,
    _turn: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new(options: SqliteConnectOptions) -> Readers {
        let pool = Pool {
            turns: Semaphore::new(usize::try_from(READERS).unwrap_or(1)),
            idle: Mutex::default(),
        };
        Readers { options, threads: Handle::current(), pool: Arc::new(pool) }
    }

    /// Lends a connection, once there is one to spare.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, StoreError> {
        let turn = self.pool.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        let idle = self.pool.idle().pop();
        let connection = match idle {
            Some((connection, _)) => connection,
            None => self.connect().await?,
        };
        Ok(Lent { connection, pool: &self.pool, _turn: turn })
    }

    async fn connect(&self) -> Result<SqliteConnection, StoreError> {
        let options = self.options.clone();
        let made = self.threads.spawn(async move {
            let mut connection = SqliteConnection::connect_with(&options).await?;
            connection.execute("pragma query_only = on").await?;
            Ok::<_, sqlx::Error>(connection)
        });
        Ok(made.await.map_err(|_| StoreError::Closed)??)
    }

    /// Waits for those that read, and closes every connection. Nobody reads after that.
    pub(super) async fn close(&self) {
        let all_turns = self.pool.turns.acquire_many(READERS).await;
        self.pool.turns.close();
        drop(all_turns);
        let idle = std::mem::take(&mut *self.pool.idle());
        for (connection, _) in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a reader of the database did not close cleanly");
            }
        }
    }
}

impl Lent<'_> {
    /// Keeps the connection for whoever reads next.
    pub(super) fn give_back(self) {
        let mut idle = self.pool.idle();
        idle.push((self.connection, Instant::now()));
        idle.retain(|(_, since)| since.elapsed() < IDLE_FOR);
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<(SqliteConnection, Instant)>> {
        // A list of connections is whole after any panic.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use crate::store::{Store, StoreError, Urgency};

    async fn count(store: &Store) -> i64 {
        let counted = store.read(|db| {
            Box::pin(async move {
                Ok(sqlx::query_scalar("select count(*) from member").fetch_one(db).await?)
            })
        });
        counted.await.unwrap()
    }

    #[tokio::test]
    async fn who_goes_away_in_the_middle_leaves_nobody_in_the_past() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        assert_eq!(count(&store).await, 0);
        let (has_read, mut was_read) = tokio::sync::mpsc::channel(1);
        let mut cut_short = Box::pin(store.read(|db| {
            Box::pin(async move {
                sqlx::query("select * from member").fetch_all(&mut *db).await?;
                let _ = has_read.send(()).await;
                std::future::pending::<Result<(), StoreError>>().await
            })
        }));
        tokio::select! {
            _ = was_read.recv() => {}
            _ = &mut cut_short => {}
        }
        drop(cut_short);
        let added = store.write(Urgency::People, |db| {
            Box::pin(async move { crate::store::access::add_owner(db, 1, "Robin", 1).await })
        });
        added.await.unwrap();
        assert_eq!(count(&store).await, 1);
    }

    #[tokio::test]
    async fn closing_waits_for_readers_and_then_nobody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let (go_on, may_go_on) = tokio::sync::oneshot::channel::<()>();
        let mut reading = Box::pin(store.read(|db| {
            Box::pin(async move {
                let _ = may_go_on.await;
                Ok(sqlx::query_scalar("select count(*) from member").fetch_one(db).await?)
            })
        }));
        assert!(reading.as_mut().now_or_never().is_none());
        let reader = store.reader();
        let mut closing = Box::pin(store.clone().close());
        assert!(closing.as_mut().now_or_never().is_none());
        go_on.send(()).unwrap();
        let (found, ()): (Result<i64, StoreError>, ()) = tokio::join!(reading, closing);
        assert_eq!(found.unwrap(), 0);
        let late = reader.read(|_| Box::pin(async { Ok(()) })).await;
        assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    }
}
