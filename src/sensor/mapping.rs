//! Which sensor feeds which plant, as the compacted table tells it.
//!
//! Invariant: of records of one key the newest counts, however partitions interleave; a null value
//! unmaps; poison hides no row.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::engine::Version;

/// The table's default name.
pub const TOPIC: &str = "houseplant-sensor-mapping";

/// Plants by the id of the sensor that feeds them.
pub type Plants = BTreeMap<String, i32>;

/// The table as far as it was read.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// `None` is a sensor that was unmapped; an older record must not map it again.
    rows: BTreeMap<String, (Option<i32>, Version)>,
}

/// A line of `topic read`, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    partition: i32,
    offset: i64,
    ts: i64,
    key: Option<String>,
    /// Missing where the bytes could not be decoded.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
}

#[derive(Deserialize)]
struct Row {
    sensor_id: String,
    plant_id: i32,
}

impl Mapping {
    /// Takes lines of `topic read`. `Err` says what is no such line.
    pub fn take(&mut self, lines: &str) -> Result<(), String> {
        for text in lines.lines() {
            let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
            self.apply(line);
        }
        Ok(())
    }

    fn apply(&mut self, line: Line) {
        let (Some(sensor_id), Some(value)) = (line.key, line.value) else { return };
        let plant_id = match value {
            Value::Null => None,
            value => match serde_json::from_value::<Row>(value) {
                Ok(row) if row.sensor_id == sensor_id && row.plant_id >= 0 => Some(row.plant_id),
                // Poison: the room of the plants tells it.
                _ => return,
            },
        };
        let version = Version { partition: line.partition, offset: line.offset, ts_ms: line.ts };
        let known = self.rows.get(&sensor_id);
        if let Some(version) = known.map_or(Some(version), |(_, known)| version.succeed(known)) {
            self.rows.insert(sensor_id, (plant_id, version));
        }
    }

    /// `None`: no sensor was ever mapped, as far as the table tells; not even a deletion is left.
    pub fn plants(&self) -> Option<Plants> {
        let mapped =
            |(id, (plant, _)): (&String, &(Option<i32>, Version))| Some((id.clone(), (*plant)?));
        (!self.rows.is_empty()).then(|| self.rows.iter().filter_map(mapped).collect())
    }
}

/// `Some(Null)` is a tombstone, `None` is a missing value.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(place: (i32, i64), ts: i64, key: &str, value: &Value) -> String {
        let line = json!({"topic": TOPIC, "partition": place.0, "offset": place.1, "ts": ts,
            "key": key, "value": value, "headers": []});
        format!("{line}\n")
    }

    fn mapped(sensor_id: &str, plant_id: i64) -> Value {
        json!({"sensor_id": sensor_id, "plant_id": plant_id})
    }

    fn plants(lines: &[String]) -> Vec<(String, i32)> {
        let mut mapping = Mapping::default();
        mapping.take(&lines.concat()).unwrap();
        mapping.plants().into_iter().flatten().collect()
    }

    #[test]
    fn the_newest_record_of_a_sensor_counts_and_null_unmaps() {
        let lines = [
            line((0, 0), 10, "0x36", &mapped("0x36", 1)),
            line((0, 1), 5, "0x36", &mapped("0x36", 2)),
            line((0, 2), 11, "0x37", &mapped("0x37", 3)),
            line((0, 3), 12, "0x37", &Value::Null),
        ];
        assert_eq!(plants(&lines), [("0x36".to_owned(), 2)]);
    }

    #[test]
    fn partitions_may_interleave_as_they_like() {
        let older = line((1, 9), 10, "0x36", &mapped("0x36", 1));
        let newer = line((0, 2), 20, "0x36", &Value::Null);
        assert_eq!(plants(&[older.clone(), newer.clone()]), []);
        assert_eq!(plants(&[newer, older]), []);
    }

    #[test]
    fn poison_hides_no_row() {
        let good = line((0, 0), 1, "0x36", &mapped("0x36", 1));
        let bytes =
            json!({"partition": 0, "offset": 1, "ts": 2, "key": "0x36", "value_base64": "AA=="});
        for poison in [
            format!("{bytes}\n"),
            line((0, 1), 2, "0x36", &mapped("0x37", 2)),
            line((0, 1), 2, "0x36", &mapped("0x36", -2)),
            line((0, 1), 2, "0x36", &json!({"plant_id": 2})),
        ] {
            assert_eq!(
                plants(&[good.clone(), poison.clone()]),
                [("0x36".to_owned(), 1)],
                "{poison}"
            );
        }
        assert!(Mapping::default().take("<html>").is_err());
    }

    #[test]
    fn a_table_of_deletions_is_not_one_that_holds_nothing() {
        let mut mapping = Mapping::default();
        assert_eq!(mapping.plants(), None);
        mapping.take(&line((0, 0), 1, "0x36", &Value::Null)).unwrap();
        assert_eq!(mapping.plants(), Some(Plants::new()));
    }
}
