//! Packing of streams: many rows of a few records become one, which takes a quarter of the space
//! and is read at once.
//!
//! Invariant: every record keeps its offset; a row is packed once, because a run is packed only
//! when it is full.

use super::rows::{self, Outline};
use super::{Partition, Pass, TX_ROWS, begin, commit};
use crate::log::embedded::schema::Fault;

/// Rows below this are small; a run of them is packed when it comes to as much.
const PACKED_BYTES: i64 = 64 * 1024;

/// What to do with the first rows that are not packed yet.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Nothing: there is nothing, or too little.
    Wait,
    /// Rows up to this offset are as they should be.
    Skip(i64),
    /// Rows up to this offset become one.
    Pack(i64),
}

impl Pass<'_> {
    pub(super) async fn pack(&mut self, at: &Partition) -> Result<(), Fault> {
        let mut clean_offset = at.clean_offset;
        while !self.is_over() {
            let outlines = rows::outlines(self.conn, at, clean_offset, TX_ROWS).await?;
            match next(&outlines) {
                Next::Wait => break,
                Next::Skip(next_offset) => clean_offset = next_offset,
                Next::Pack(next_offset) => {
                    let old =
                        rows::read(self.conn, at, clean_offset, next_offset, usize::MAX).await?;
                    let new = rows::repack(at, &old, |_| true)?;
                    clean_offset = next_offset;
                    let mut tx = begin(self.conn).await?;
                    rows::replace(&mut tx, at, &old, &new).await?;
                    set_clean(&mut tx, at, clean_offset).await?;
                    commit(tx).await?;
                    self.report.packed += i64::try_from(old.len() - new.len()).unwrap_or(0);
                }
            }
        }
        if clean_offset > at.clean_offset {
            set_clean(self.conn, at, clean_offset).await?;
        }
        Ok(())
    }
}

fn next(outlines: &[Outline]) -> Next {
    let is_small = |row: &&Outline| row.size_bytes < PACKED_BYTES;
    let Some(first) = outlines.first() else { return Next::Wait };
    if !is_small(&first) {
        return Next::Skip(first.next_offset);
    }
    let mut run_bytes = 0;
    let mut run_rows = 0;
    let mut next_offset = first.next_offset;
    for row in outlines.iter().take_while(is_small) {
        run_bytes += row.size_bytes;
        run_rows += 1;
        next_offset = row.next_offset;
        if run_bytes >= PACKED_BYTES {
            break;
        }
    }
    // A run ends when it is full, before a large row, or with as many rows as fit a transaction.
    let is_full = run_bytes >= PACKED_BYTES || run_rows < outlines.len() || run_rows == TX_ROWS;
    match (is_full, run_rows) {
        (false, _) => Next::Wait,
        (true, 1) => Next::Skip(next_offset),
        (true, _) => Next::Pack(next_offset),
    }
}

async fn set_clean(
    conn: &mut sqlx::SqliteConnection,
    at: &Partition,
    clean_offset: i64,
) -> Result<(), Fault> {
    sqlx::query(
        "insert into upkeep (topic_id, partition, clean_offset) values (?, ?, ?)
         on conflict do update set clean_offset = excluded.clean_offset",
    )
    .bind(at.topic_id)
    .bind(at.partition)
    .bind(clean_offset)
    .execute(conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(sizes: &[i64]) -> Vec<Outline> {
        let outline = |(index, size_bytes): (usize, &i64)| Outline {
            base_offset: index as i64,
            next_offset: index as i64 + 1,
            count: 1,
            size_bytes: *size_bytes,
        };
        sizes.iter().enumerate().map(outline).collect()
    }

    #[test]
    fn a_run_is_packed_when_it_is_full_or_nothing_can_join_it() {
        assert_eq!(next(&rows(&[])), Next::Wait);
        assert_eq!(next(&rows(&[10, 10])), Next::Wait);
        assert_eq!(next(&rows(&[PACKED_BYTES, 10])), Next::Skip(1));
        assert_eq!(next(&rows(&[10, PACKED_BYTES, 10])), Next::Skip(1));
        assert_eq!(next(&rows(&[10, 10, PACKED_BYTES])), Next::Pack(2));
        assert_eq!(next(&rows(&[PACKED_BYTES - 1, 1, 5])), Next::Pack(2));
        assert_eq!(next(&rows(&[1; TX_ROWS])), Next::Pack(TX_ROWS as i64));
    }
}
