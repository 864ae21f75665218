//! Where a carried record goes, and in what form. Pure.
//!
//! Invariant: all of it follows from the record and from when the old log was closed, so that a
//! carrying that was interrupted goes on exactly as it began.

use super::MigrateError;
use crate::kernel::record::{Header, NewRecord, RecordRef};
use crate::kernel::time::MAX_AHEAD_MS;
use crate::kernel::topic::TopicKind;
use crate::log::batch::headers;
use crate::log::codec::{Codec, CodecError};
use crate::log::embedded::partition_of_key;
use crate::log::{LogError, MAX_RECORD_BYTES};

/// Says which time a record had that Kafka would not take (ms since the epoch).
const TIME: &str = "windowsill.time";
/// Says that a record of a table had no key: a compacted topic takes none without.
const NO_KEY: &str = "windowsill.no-key";
/// Room for these headers, in bytes. A record that leaves none goes without them.
const HEADERS_BYTES: usize = 64;

/// Which partition of the new topic a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// As many partitions as before: each goes into its namesake.
    Same,
    /// From one partition to so many: where a Java producer puts the key, and in turn without one.
    /// Records of one key stay in their order.
    Over(i32),
}

impl Spread {
    pub(super) fn of(topic: &str, before: i32, now: i32) -> Result<Spread, MigrateError> {
        match before {
            before if before == now => Ok(Spread::Same),
            1 => Ok(Spread::Over(now)),
            before => Err(MigrateError::Partitions { topic: topic.to_owned(), before, now }),
        }
    }

    pub(super) fn target(self, record: &RecordRef<'_>) -> i32 {
        match (self, record.key) {
            (Spread::Same, _) => record.partition,
            (Spread::Over(partitions), Some(key)) => partition_of_key(key, partitions),
            (Spread::Over(partitions), None) => {
                let turn = record.offset.rem_euclid(i64::from(partitions));
                i32::try_from(turn).unwrap_or(0)
            }
        }
    }
}

/// A record as it goes to the new log. The time of one from before 1970 or from the future is the
/// nearest that Kafka takes, a table's record without a key gets an empty one, and a header says so.
pub(super) fn record(
    record: &RecordRef<'_>,
    kind: TopicKind,
    target: i32,
    value: Option<Vec<u8>>,
    closed_ms: i64,
) -> Result<NewRecord, LogError> {
    let mut headers = headers(record.headers)?;
    for header in &mut headers {
        // A name is a C string to Kafka's client.
        header.name = header.name.replace('\0', "\u{fffd}");
    }
    let ts_ms = match record.ts_ms {
        ts_ms if ts_ms < 0 => 0,
        ts_ms if ts_ms > closed_ms.saturating_add(MAX_AHEAD_MS) => closed_ms,
        ts_ms => ts_ms,
    };
    let mut about = Vec::new();
    if ts_ms != record.ts_ms {
        let value = Some(record.ts_ms.to_string().into_bytes());
        about.push(Header { name: TIME.to_owned(), value });
    }
    let mut key = record.key.map(<[u8]>::to_vec);
    if key.is_none() && kind == TopicKind::Table {
        key = Some(Vec::new());
        about.push(Header { name: NO_KEY.to_owned(), value: None });
    }
    let mut carried = NewRecord { partition: Some(target), key, value, ts_ms, headers };
    if carried.size_bytes() + HEADERS_BYTES <= MAX_RECORD_BYTES {
        carried.headers.extend(about);
    }
    Ok(carried)
}

/// The record's value in the form of the new topic. `Err` says why it cannot be written so; it goes
/// as it is.
pub(super) fn value(
    before: &Codec,
    now: &Codec,
    record: &RecordRef<'_>,
) -> Result<Option<Vec<u8>>, CodecError> {
    let Some(bytes) = record.value else { return Ok(None) };
    if before.writes_like(now) && now.has_form(bytes) {
        return Ok(Some(bytes.to_vec()));
    }
    let encoded = now.encode(&before.decode_json(bytes)?)?;
    let beside_bytes = record.key.map_or(0, <[u8]>::len) + record.headers.len() + HEADERS_BYTES;
    if encoded.len() + beside_bytes > MAX_RECORD_BYTES {
        let reason = format!("it would take {} bytes in its new form", encoded.len());
        return Err(CodecError::Refused(reason));
    }
    Ok(Some(encoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::topic::Format;

    const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[{"name":"n","type":"float"}]}"#;
    const CLOSED_MS: i64 = 1_000_000_000;

    fn read(ts_ms: i64, value: Option<&[u8]>) -> RecordRef<'_> {
        RecordRef { partition: 0, offset: 7, ts_ms, key: None, value, headers: &[] }
    }

    fn at(ts_ms: i64) -> NewRecord {
        record(&read(ts_ms, None), TopicKind::Stream, 3, None, CLOSED_MS).unwrap()
    }

    fn carried(before: &Codec, now: &Codec, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        value(before, now, &read(5, Some(bytes))).map(Option::unwrap)
    }

    #[test]
    fn keys_go_where_kafka_puts_them_and_what_has_none_goes_in_turn() {
        let mut read = RecordRef { offset: 13, ..read(5, None) };
        assert_eq!(Spread::of("t", 6, 6).unwrap().target(&read), 0);
        let spread = Spread::of("t", 1, 12).unwrap();
        assert_eq!(spread.target(&read), 1);
        read.key = Some(b"foobar");
        assert_eq!(spread.target(&read), partition_of_key(b"foobar", 12));
        assert!(Spread::of("t", 4, 6).is_err());
    }

    #[test]
    fn a_time_that_kafka_would_refuse_is_the_nearest_and_stays_known() {
        let cases = [
            (-5, 0, Some("-5")),
            (0, 0, None),
            (CLOSED_MS + MAX_AHEAD_MS, CLOSED_MS + MAX_AHEAD_MS, None),
            (CLOSED_MS + MAX_AHEAD_MS + 1, CLOSED_MS, Some("1000300001")),
        ];
        for (before, now, told) in cases {
            let record = at(before);
            assert_eq!(record.ts_ms, now);
            let header = record.headers.first().and_then(|header| header.value.clone());
            assert_eq!(header, told.map(|text| text.as_bytes().to_vec()), "{before}");
        }
    }

    #[test]
    fn a_tables_record_without_a_key_gets_an_empty_one_and_a_streams_none() {
        assert_eq!(at(5).key, None);
        let carried = record(&read(5, None), TopicKind::Table, 3, None, CLOSED_MS).unwrap();
        assert_eq!((carried.key.as_deref(), carried.headers.len()), (Some(&b""[..]), 1));
    }

    #[test]
    fn values_take_the_form_of_the_new_topic_and_keep_every_bit() {
        let avro = Codec::avro(SCHEMA).unwrap();
        let json = Codec::json(Format::Avro(SCHEMA)).unwrap();
        for number in [0.1_f32, -0.0, f32::MIN_POSITIVE, 16_777_217.0] {
            let bytes = avro.encode(&serde_json::json!({ "n": number })).unwrap();
            let text = carried(&avro, &json, &bytes).unwrap();
            assert_eq!(avro.encode(&json.decode_json(&text).unwrap()).unwrap(), bytes);
            // From before the topic was set to JSON: there it becomes JSON at last.
            assert_eq!(carried(&json, &json, &bytes).unwrap(), text);
            assert_eq!(carried(&json, &json, &text).unwrap(), text);
        }
        assert!(carried(&avro, &json, b"poison").is_err());
        assert!(carried(&avro, &avro, b"poison").is_err());
    }
}
