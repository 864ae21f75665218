//! What is on `houseplant-waterings`: that somebody watered a plant, by their own word.
//!
//! Invariant: a key has one form, `7@1795875600000`: the plant and the time in ms. So the same word
//! twice is one row, and whoever takes it back deletes that row.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{key_named, poison};
use crate::kernel::poison::Poison;
use crate::kernel::time::{DAY_MS, LAST_EVENT_MS};
use crate::kernel::topic::ValueLine;
use crate::kernel::when;
use crate::log::codec::Codec;
use crate::rooms::plants::types::PlantId;

/// So far ahead of its record a watering may lie: a clock may have been set back after somebody told
/// it and before that was written.
const AHEAD_MS: i64 = DAY_MS;

/// A value of `houseplant-waterings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "watering")]
pub struct Watering {
    pub plant_id: PlantId,
    /// When it was given water: ms since the epoch.
    pub watered_at: i64,
}

impl Watering {
    pub fn key(self) -> String {
        format!("{}@{}", self.plant_id, self.watered_at)
    }

    /// The watering that a key names, in its one form.
    pub fn of_key(key: &str) -> Option<Watering> {
        let (plant_id, at_ms) = key.split_once('@')?;
        let watering =
            Watering { plant_id: plant_id.parse().ok()?, watered_at: at_ms.parse().ok()? };
        let is_time = (0..=LAST_EVENT_MS).contains(&watering.watered_at);
        (is_time && watering.key() == key).then_some(watering)
    }

    /// The watering, if a record that was written at `ts_ms` can tell of it: it does not lie in the
    /// future then. By the record's own time, so that the verdict is the same at each start.
    pub fn told_at(self, ts_ms: i64) -> Result<Watering, Poison> {
        if self.watered_at <= ts_ms.saturating_add(AHEAD_MS) {
            return Ok(self);
        }
        Err(Poison::new(format!(
            "field \"watered_at\" is {}, more than {} after the record itself ({ts_ms}), expected \
             the time in ms at which the plant was watered",
            self.watered_at,
            when::length(AHEAD_MS)
        )))
    }
}

/// A watering's key must name its plant and time; without a value it was taken back.
pub fn decode_watering(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(Watering, Option<Watering>), Poison> {
    let key_text = key.and_then(|key| std::str::from_utf8(key).ok());
    let named = key_text.and_then(Watering::of_key).ok_or_else(|| {
        let found = key_named(key);
        Poison::new(format!(
            "{found}, expected a plant id and a time in ms, such as 7@1795875600000"
        ))
    })?;
    let Some(value) = value else { return Ok((named, None)) };
    let watering: Watering = codec.decode(value).map_err(|error| poison(&error))?;
    if watering != named {
        let (found, expected) = (key_named(key), watering.key());
        return Err(Poison::new(format!("{found}, expected {expected:?}, as the value has it")));
    }
    Ok((named, Some(watering)))
}

pub(in crate::rooms::plants) fn check_watering(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_watering(codec, key, value).map(drop)
}

/// A line is the value as JSON; its plant and time are the key.
pub(in crate::rooms::plants) fn watering_line(line: &str) -> Result<Option<ValueLine>, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let watering = serde_json::from_value::<Watering>(value.clone()).ok();
    Ok(Some(ValueLine { key: watering.map(Watering::key), value, ts_ms: None }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kernel::topic::Format;

    #[test]
    fn nobody_tells_of_a_watering_that_is_to_come() {
        let watering = Watering { plant_id: 7.try_into().unwrap(), watered_at: 99_999_999_999_999 };
        assert_eq!(watering.told_at(watering.watered_at - DAY_MS), Ok(watering));
        let poison = watering.told_at(1_796_000_000_000).unwrap_err();
        let expected = "field \"watered_at\" is 99999999999999, more than 1 day after the record \
                        itself (1796000000000), expected the time in ms at which the plant was watered";
        assert_eq!(poison.reason, expected);
    }

    #[test]
    fn a_key_names_plant_and_time_in_one_form() {
        let codec =
            Codec::of(Format::Avro(include_str!("../../../../schemas/houseplant-waterings.avsc")));
        let codec = codec.unwrap();
        let bytes = codec.encode(&json!({"plant_id": 7, "watered_at": 1_000})).unwrap();
        let (named, watering) = decode_watering(&codec, Some(b"7@1000"), Some(&bytes)).unwrap();
        assert_eq!((Some(named), named.watered_at), (watering, 1_000));
        assert_eq!(decode_watering(&codec, Some(b"7@1000"), None).unwrap().1, None);
        for key in [None, Some(&b"7"[..]), Some(b"7@"), Some(b"07@1000"), Some(b"7@+1000")] {
            assert!(decode_watering(&codec, key, Some(&bytes)).is_err(), "{key:?}");
            assert!(decode_watering(&codec, key, None).is_err(), "{key:?}");
        }
        for key in [&b"7@-1"[..], b"-7@1000", b"7@999999999999999999", b"\xff"] {
            assert!(decode_watering(&codec, Some(key), None).is_err(), "{key:?}");
        }
        assert!(decode_watering(&codec, Some(b"7@1001"), Some(&bytes)).is_err());
        let line = watering_line(r#"{"plant_id": 7, "watered_at": 1000}"#).unwrap().unwrap();
        assert_eq!(line.key.as_deref(), Some("7@1000"));
    }
}
