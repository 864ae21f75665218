//! What is on the plants' topics.
//!
//! Invariant: what these decoders accept folds. `topic write` and the folds ask the same functions.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::types::{PlantId, SensorId};
use crate::kernel::poison::Poison;
use crate::kernel::record::RecordRef;
use crate::kernel::topic::ValueLine;
use crate::log::batch;
use crate::log::codec::{Codec, CodecError};

mod watering;

pub use watering::{Watering, decode_watering};
pub(super) use watering::{check_watering, watering_line};

/// The header in which a sensor names itself: a reading's value does not.
const SENSOR_HEADER: &str = "sensor-id";

/// What a sensor can have measured, in per cent. The contract has 0 to 100; a sensor side that does
/// not clamp may go beyond. The chip counts 200 (air) to 2000 (water), which the contract's default
/// calibration of 600 to 1200 makes -67 to 233; a narrower one overshoots by somewhat more.
const MOISTURE: RangeInclusive<f32> = -100.0..=300.0;
/// The same in degrees Celsius: what the chip bears, -40 to 125, and some degrees for its error.
const TEMPERATURE: RangeInclusive<f32> = -50.0..=130.0;

/// A value of `houseplant-readings`. Its event time is the record's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename = "reading")]
pub struct Reading {
    pub plant_id: PlantId,
    /// Per cent.
    pub moisture: f32,
    /// Degrees Celsius.
    pub temperature: f32,
}

/// A value of `houseplant-metadata`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "houseplant")]
pub struct Houseplant {
    pub plant_id: PlantId,
    pub scientific_name: String,
    pub common_name: String,
    pub given_name: String,
    pub temperature_low: f32,
    pub temperature_high: f32,
    pub moisture_low: f32,
    pub moisture_high: f32,
}

/// A value of `houseplant-sensor-mapping`: which plant a sensor feeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "mapping")]
pub struct Mapping {
    pub sensor_id: SensorId,
    pub plant_id: PlantId,
}

/// A reading, and the sensor that its header names.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub reading: Reading,
    pub sensor_id: Option<SensorId>,
}

/// A record of `houseplant-readings`. A header that names no sensor spoils no reading.
#[inline]
pub fn decode_heard(codec: &Codec, record: &RecordRef<'_>) -> Result<Heard, Poison> {
    let reading = decode_reading(codec, record.key, record.value)?;
    // Most records have no headers at all: then there is nothing to look for.
    let sensor_id = match record.headers {
        [] => None,
        headers => sensor_of(headers),
    };
    Ok(Heard { reading, sensor_id })
}

fn sensor_of(headers: &[u8]) -> Option<SensorId> {
    let named = batch::find_header(headers, SENSOR_HEADER)?;
    std::str::from_utf8(named).ok()?.parse().ok()
}

/// A reading goes by its value: the key is not looked at.
#[inline]
pub fn decode_reading(
    codec: &Codec,
    _key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<Reading, Poison> {
    let value = value.ok_or_else(|| Poison::new("the value is null, expected a reading"))?;
    let reading: Reading = codec.decode(value).map_err(|error| poison(&error))?;
    within("moisture", reading.moisture, MOISTURE, "per cent")?;
    within("temperature", reading.temperature, TEMPERATURE, "°C")?;
    Ok(reading)
}

/// A plant's key must be its id; without a value the plant was deleted.
pub fn decode_houseplant(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(PlantId, Option<Houseplant>), Poison> {
    let key_text = key.and_then(|key| std::str::from_utf8(key).ok());
    let Some(value) = value else {
        let id = key_text.and_then(|text| text.parse::<PlantId>().ok());
        let id = id.filter(|id| key == Some(&id.key()));
        return match id {
            Some(id) => Ok((id, None)),
            None => Err(Poison::new(format!("{}, expected a plant id", key_named(key)))),
        };
    };
    let plant: Houseplant = codec.decode(value).map_err(|error| poison(&error))?;
    finite("temperature_low", plant.temperature_low)?;
    finite("temperature_high", plant.temperature_high)?;
    finite("moisture_low", plant.moisture_low)?;
    finite("moisture_high", plant.moisture_high)?;
    if key != Some(&plant.plant_id.key()) {
        let expected = format!(
            "{}, expected the plant id {:?}",
            key_named(key),
            plant.plant_id.get().to_string()
        );
        return Err(Poison::new(expected));
    }
    Ok((plant.plant_id, Some(plant)))
}

/// A mapping's key must be its sensor's id; without a value the sensor was unmapped.
pub fn decode_mapping(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(SensorId, Option<Mapping>), Poison> {
    let key_text = key.and_then(|key| std::str::from_utf8(key).ok());
    let Some(value) = value else {
        let text = key_text
            .ok_or_else(|| Poison::new(format!("{}, expected a sensor id", key_named(key))))?;
        let id = SensorId::try_from(text.to_owned());
        return Ok((id.map_err(|error| Poison::new(error.to_string()))?, None));
    };
    let mapping: Mapping = codec.decode(value).map_err(|error| poison(&error))?;
    let sensor_id = mapping.sensor_id.clone();
    if key_text != Some(sensor_id.as_str()) {
        let (named, expected) = (key_named(key), sensor_id.as_str());
        return Err(Poison::new(format!("{named}, expected the sensor id {expected:?}")));
    }
    Ok((sensor_id, Some(mapping)))
}

pub(super) fn check_reading(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_reading(codec, key, value).map(drop)
}

pub(super) fn check_houseplant(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_houseplant(codec, key, value).map(drop)
}

pub(super) fn check_mapping(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_mapping(codec, key, value).map(drop)
}

pub(super) fn check_low_readings(
    codec: &Codec,
    _key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    let decoded = value.map(|value| codec.decode_json(value)).transpose();
    decoded.map(drop).map_err(|error| poison(&error))
}

/// Whoever writes these by hand says the key.
pub(super) fn no_value_line(_line: &str) -> Result<Option<ValueLine>, String> {
    Err("a value alone does not say what it is about: use --format record, with a key".to_owned())
}

/// A line is the value as JSON; its sensor id is the key.
pub(super) fn mapping_line(line: &str) -> Result<Option<ValueLine>, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let key = value.get("sensor_id").and_then(Value::as_str).map(str::to_owned);
    Ok(Some(ValueLine { key, value, ts_ms: None }))
}

/// A line is the value as JSON; its plant id is the key, as the sensor side sends it.
pub(super) fn value_line(line: &str) -> Result<Option<ValueLine>, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let plant_id = value.get("plant_id").and_then(Value::as_i64);
    Ok(Some(ValueLine { key: plant_id.map(|id| id.to_string()), value, ts_ms: None }))
}

#[cold]
fn poison(error: &CodecError) -> Poison {
    Poison::new(error.to_string())
}

#[inline]
fn finite(field: &str, number: f32) -> Result<(), Poison> {
    if number.is_finite() {
        return Ok(());
    }
    Err(Poison::new(format!("field {field:?} is {number}, expected a finite number")))
}

/// A number that a sensor can have measured. No number at all is in no range.
#[inline]
fn within(field: &str, number: f32, range: RangeInclusive<f32>, unit: &str) -> Result<(), Poison> {
    if range.contains(&number) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    let expected = format!("expected a number from {least} to {most} ({unit})");
    Err(Poison::new(format!("field {field:?} is {number}, {expected}")))
}

fn key_named(key: Option<&[u8]>) -> String {
    match key {
        None => "the key is null".to_owned(),
        Some(key) => format!("the key is {:?}", String::from_utf8_lossy(key)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rooms::plants::TOPICS;

    fn readings() -> Codec {
        Codec::of(TOPICS[0].format).unwrap()
    }

    fn metadata() -> (Codec, Vec<u8>) {
        let codec = Codec::of(TOPICS[1].format).unwrap();
        let cyril = json!({"plant_id": 0, "scientific_name": "Schefflera arboricola",
            "common_name": "Dwarf Umbrella Tree", "given_name": "Cyril", "temperature_low": 15,
            "temperature_high": 30, "moisture_low": 30, "moisture_high": 60});
        let bytes = codec.encode(&cyril).unwrap();
        (codec, bytes)
    }

    #[test]
    fn a_reading_is_decoded_whatever_its_key_is() {
        let value = json!({"plant_id": 3, "moisture": 101.5, "temperature": 18});
        let bytes = readings().encode(&value).unwrap();
        let reading = decode_reading(&readings(), Some(b"4"), Some(&bytes)).unwrap();
        assert_eq!((reading.plant_id.get(), reading.moisture), (3, 101.5));
    }

    #[test]
    fn a_negative_plant_id_is_poison() {
        let value = json!({"plant_id": -3, "moisture": 1, "temperature": 18});
        let bytes = readings().encode(&value).unwrap();
        let poison = decode_reading(&readings(), None, Some(&bytes)).unwrap_err();
        assert_eq!(poison.reason, "plant id -3 is negative, expected 0 or more");
    }

    #[test]
    fn what_no_sensor_can_have_measured_is_poison() {
        let numbers = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e9, -400.0, 300.5, -100.5];
        for number in numbers {
            let value = json!({"plant_id": 3, "moisture": 1, "temperature": 18});
            let mut bytes = readings().encode(&value).unwrap();
            bytes[11..15].copy_from_slice(&number.to_le_bytes());
            let poison = decode_reading(&readings(), None, Some(&bytes)).unwrap_err();
            let expected = "expected a number from -100 to 300 (per cent)";
            assert_eq!(poison.reason, format!("field \"moisture\" is {number}, {expected}"));
        }
        for temperature in [1e6, -50.5, -273.15] {
            let value = json!({"plant_id": 3, "moisture": 1, "temperature": temperature});
            let bytes = readings().encode(&value).unwrap();
            let poison = decode_reading(&readings(), None, Some(&bytes)).unwrap_err();
            let expected = "expected a number from -50 to 130 (°C)";
            assert!(poison.reason.ends_with(expected), "{}", poison.reason);
        }
        for (moisture, temperature) in [(-100.0, -50.0), (300.0, 130.0)] {
            let value = json!({"plant_id": 3, "moisture": moisture, "temperature": temperature});
            let bytes = readings().encode(&value).unwrap();
            assert!(decode_reading(&readings(), None, Some(&bytes)).is_ok());
        }
    }

    #[test]
    fn a_plants_key_is_its_id() {
        let (codec, bytes) = metadata();
        let (id, plant) = decode_houseplant(&codec, Some(b"0"), Some(&bytes)).unwrap();
        assert_eq!((id.get(), plant.unwrap().given_name.as_str()), (0, "Cyril"));
        for key in [None, Some(&b"1"[..]), Some(b"00"), Some(b" 0"), Some(b"\xff")] {
            assert!(decode_houseplant(&codec, key, Some(&bytes)).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_tombstone_names_the_plant_by_its_key() {
        let (codec, _) = metadata();
        assert_eq!(decode_houseplant(&codec, Some(b"7"), None).unwrap().0.get(), 7);
        assert!(decode_houseplant(&codec, Some(b"seven"), None).is_err());
    }

    #[test]
    fn a_mappings_key_is_its_sensor() {
        let codec = Codec::of(TOPICS[2].format).unwrap();
        let bytes = codec.encode(&json!({"sensor_id": "0x36", "plant_id": 4})).unwrap();
        let (id, mapping) = decode_mapping(&codec, Some(b"0x36"), Some(&bytes)).unwrap();
        assert_eq!((id.as_str(), mapping.unwrap().plant_id.get()), ("0x36", 4));
        for key in [None, Some(&b"0x37"[..]), Some(b"0X36"), Some(b" 0x36"), Some(b"\xff")] {
            assert!(decode_mapping(&codec, key, Some(&bytes)).is_err(), "{key:?}");
        }
        assert_eq!(decode_mapping(&codec, Some(b"0x36"), None).unwrap().0.as_str(), "0x36");
        for key in [None, Some(&b"0X36"[..]), Some(b""), Some(b"\xff")] {
            assert!(decode_mapping(&codec, key, None).is_err(), "{key:?}");
        }
        for value in [
            json!({"sensor_id": "0X36", "plant_id": 4}),
            json!({"sensor_id": "", "plant_id": 4}),
            json!({"sensor_id": "0x36", "plant_id": -4}),
        ] {
            let bytes = codec.encode(&value).unwrap();
            let key = value["sensor_id"].as_str().unwrap().as_bytes();
            assert!(decode_mapping(&codec, Some(key), Some(&bytes)).is_err(), "{value}");
        }
    }
}
