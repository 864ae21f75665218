use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

type Row = (u8, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

fn header() -> impl Strategy<Value = Header> {
    (".{0,6}", option::of(vec(any::<u8>(), 0..6))).prop_map(|(name, value)| Header { name, value })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let bytes = || option::of(vec(any::<u8>(), 0..200));
    let ts_ms = prop_oneof![any::<i64>(), 1_700_000_000_000..1_700_000_100_000i64];
    vec((0..3u8, ts_ms, bytes(), bytes(), vec(header(), 0..3)), 1..50)
}

fn pack(base_offset: i64, rows: &[Row]) -> (Batch, Vec<i64>) {
    let mut builder = BatchBuilder::new(3, base_offset);
    let mut offset = base_offset;
    let mut offsets = Vec::new();
    for (gap, ts_ms, key, value, headers) in rows {
        offset += i64::from(*gap);
        builder.push(offset, *ts_ms, key.as_deref(), value.as_deref(), headers).unwrap();
        offsets.push(offset);
        offset += 1;
    }
    (builder.finish().unwrap(), offsets)
}

proptest! {
    #[test]
    fn what_was_pushed_is_read(base_offset in 0..1_000_000_000i64, rows in rows()) {
        let (batch, offsets) = pack(base_offset, &rows);
        let read: Vec<_> = batch.records().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), rows.len());
        prop_assert_eq!(batch.first_ts_ms, rows.iter().map(|row| row.1).min().unwrap());
        prop_assert_eq!(batch.last_ts_ms, rows.iter().map(|row| row.1).max().unwrap());
        prop_assert_eq!(batch.next_offset, offsets[offsets.len() - 1] + 1);
        for ((record, row), offset) in read.iter().zip(&rows).zip(&offsets) {
            prop_assert_eq!((record.partition, record.offset), (3, *offset));
            prop_assert_eq!(record.ts_ms, row.1);
            prop_assert_eq!(record.key, row.2.as_deref());
            prop_assert_eq!(record.value, row.3.as_deref());
            prop_assert_eq!(&headers(record.headers).unwrap(), &row.4);
        }
    }

    #[test]
    fn records_before_the_wanted_offset_are_passed_over(rows in rows(), skip in 0..60usize) {
        let (mut batch, offsets) = pack(7, &rows);
        batch.from_offset = offsets.get(skip).copied().unwrap_or(batch.next_offset);
        let read: Vec<i64> = batch.records().map(|record| record.unwrap().offset).collect();
        prop_assert_eq!(&read[..], &offsets[skip.min(offsets.len())..]);
    }

    #[test]
    fn damaged_bytes_never_panic(
        rows in rows(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        keep in any::<prop::sample::Index>(),
    ) {
        let (mut batch, _) = pack(0, &rows);
        for (at, byte) in changes {
            let at = at.index(batch.bytes.len());
            batch.bytes[at] = byte;
        }
        batch.bytes.truncate(keep.index(batch.bytes.len() + 1));
        for record in batch.records().flatten() {
            let _ = headers(record.headers);
        }
    }

    #[test]
    fn garbage_never_panics(bytes in vec(any::<u8>(), 0..400), count in any::<u32>()) {
        let (mut batch, _) = pack(0, &[(0, 0, None, None, Vec::new())]);
        batch.count = count;
        batch.next_offset = i64::MAX;
        batch.bytes = bytes.clone();
        let errors = batch.records().filter(Result::is_err).count();
        prop_assert!(errors <= 1);
        let _ = headers(&bytes);
    }
}

#[test]
fn a_batch_cut_anywhere_is_an_error() {
    let row = |ts_ms| (1, ts_ms, Some(vec![1; 300]), Some(vec![2; 3]), Vec::new());
    let (batch, _) = pack(5, &[row(1), row(2)]);
    for keep in 0..batch.bytes.len() {
        let mut cut = batch.clone();
        cut.bytes.truncate(keep);
        assert!(cut.records().any(|record| record.is_err()), "cut to {keep} bytes");
    }
}

#[test]
fn bytes_after_the_last_record_are_an_error() {
    let (mut batch, _) = pack(0, &[(0, 0, None, None, Vec::new())]);
    batch.bytes.push(0);
    assert!(matches!(batch.records().last(), Some(Err(LogError::Damaged { .. }))));
}

#[test]
fn an_offset_that_does_not_rise_is_refused() {
    let mut builder = BatchBuilder::new(0, 10);
    builder.push(10, 0, None, None, &[]).unwrap();
    let refused = builder.push(10, 0, None, None, &[]).unwrap_err();
    assert!(refused.to_string().contains("an offset of 11 or more"), "{refused}");
}

#[test]
fn nothing_pushed_is_no_batch() {
    assert_eq!(BatchBuilder::new(0, 0).finish(), None);
}
