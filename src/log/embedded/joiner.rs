//! Joining small rows: appends of single records are read as few large batches.
//!
//! Invariant: records keep their order and their offsets; a large row passes as it is.

use crate::log::LogError;
use crate::log::batch::{Batch, BatchBuilder};

/// Rows below this are joined with their neighbours, up to these sizes.
const SMALL_ROW_RECORDS: u32 = 1024;
const JOINED_RECORDS: usize = 64 * 1024;
const JOINED_BYTES: usize = 1024 * 1024;

/// Joins runs of small rows into batches.
#[derive(Default)]
pub(super) struct Joiner {
    done: Vec<Batch>,
    run: Vec<Batch>,
    run_records: usize,
    run_bytes: usize,
}

impl Joiner {
    pub(super) fn take(&mut self, batch: Batch) -> Result<(), LogError> {
        if batch.count >= SMALL_ROW_RECORDS {
            self.close_run()?;
            self.done.push(batch);
            return Ok(());
        }
        self.run_records += batch.count as usize;
        self.run_bytes += batch.bytes.len();
        self.run.push(batch);
        if self.run_records >= JOINED_RECORDS || self.run_bytes >= JOINED_BYTES {
            self.close_run()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<Batch>, LogError> {
        self.close_run()?;
        Ok(self.done)
    }

    fn close_run(&mut self) -> Result<(), LogError> {
        let run = std::mem::take(&mut self.run);
        self.run_records = 0;
        self.run_bytes = 0;
        if run.len() < 2 {
            self.done.extend(run);
            return Ok(());
        }
        let mut joined = BatchBuilder::new(run[0].partition, run[0].base_offset);
        for batch in &run {
            for record in batch.records() {
                joined.push_ref(&record?)?;
            }
        }
        self.done.extend(joined.finish());
        Ok(())
    }
}
