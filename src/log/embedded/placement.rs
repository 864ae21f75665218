//! Which partition a record goes to, and its packing into rows.
//!
//! Invariant: the same key goes to the same partition as with Kafka's default partitioner, so a
//! log can move between the two.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernel::record::NewRecord;
use crate::log::batch::BatchBuilder;
use crate::log::{LogError, MAX_RECORD_BYTES};

/// A row is closed when it holds so many bytes or records.
const ROW_BYTES: usize = 256 * 1024;
const ROW_RECORDS: usize = 10_000;

/// The records of one append, packed against offset 0 of their rows.
pub(super) struct Packed {
    pub rows: Vec<BatchBuilder>,
    /// For each record in the order given: its row and its index there.
    pub places: Vec<(usize, i64)>,
}

/// Packs the records of one append for a topic of so many partitions.
pub(super) fn pack(
    topic: &str,
    partitions: i32,
    records: &[NewRecord],
    turn: &AtomicU32,
) -> Result<Packed, LogError> {
    let mut packed = Packed { rows: Vec::new(), places: Vec::with_capacity(records.len()) };
    let mut open: BTreeMap<i32, usize> = BTreeMap::new();
    for record in records {
        let partition = partition_of(topic, partitions, record, turn)?;
        check_size(record)?;
        let row = *open.entry(partition).or_insert_with(|| {
            packed.rows.push(BatchBuilder::new(partition, 0));
            packed.rows.len() - 1
        });
        let builder = &mut packed.rows[row];
        let index = builder.count() as i64;
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.push(index, record.ts_ms, key, value, &record.headers)?;
        packed.places.push((row, index));
        if builder.count() >= ROW_RECORDS || builder.size_bytes() >= ROW_BYTES {
            open.remove(&partition);
        }
    }
    Ok(packed)
}

/// Murmur2 as Kafka's Java client computes it.
pub(super) fn murmur2(bytes: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MIX);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(MIX) ^ mixed.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

fn partition_of(
    topic: &str,
    partitions: i32,
    record: &NewRecord,
    turn: &AtomicU32,
) -> Result<i32, LogError> {
    match (record.partition, &record.key) {
        (Some(partition), _) if (0..partitions).contains(&partition) => Ok(partition),
        (Some(partition), _) => {
            Err(LogError::UnknownPartition { topic: topic.to_owned(), partition, partitions })
        }
        (None, Some(key)) => Ok(partition_of_key(key, partitions)),
        (None, None) => Ok(positive(turn.fetch_add(1, Ordering::Relaxed)) % partitions),
    }
}

/// Where Kafka's default partitioner puts a key.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    positive(murmur2(key)) % partitions
}

/// Kafka takes the sign bit away, not the absolute value.
fn positive(number: u32) -> i32 {
    (number & 0x7fff_ffff).cast_signed()
}

pub(super) fn check_size(record: &NewRecord) -> Result<(), LogError> {
    let size_bytes = record.size_bytes();
    if size_bytes > MAX_RECORD_BYTES {
        return Err(LogError::TooLarge { size_bytes, limit_bytes: MAX_RECORD_BYTES });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_in_kafkas_own_tests() {
        let expected: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in expected {
            assert_eq!(murmur2(key).cast_signed(), hash, "{key:?}");
        }
    }

    fn keyless() -> NewRecord {
        NewRecord::default()
    }

    #[test]
    fn records_without_a_key_are_spread_evenly() {
        let packed = pack("t", 3, &vec![keyless(); 9], &AtomicU32::new(0)).unwrap();
        let counts: Vec<u32> = packed.rows.iter().map(|row| row.packed().count).collect();
        assert_eq!(counts, [3, 3, 3]);
    }

    #[test]
    fn a_large_append_becomes_several_rows() {
        let packed = pack("t", 1, &vec![keyless(); 25_000], &AtomicU32::new(0)).unwrap();
        let counts: Vec<u32> = packed.rows.iter().map(|row| row.packed().count).collect();
        assert_eq!(counts, [10_000, 10_000, 5_000]);
        assert_eq!(packed.places[10_000], (1, 0));
    }
}
