//! What is told of sensors and of the other end: when it changes, not each time.

use std::collections::BTreeMap;

use super::soil::SoilError;

/// How a sensor does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// It is read, and feeds this plant, if it is mapped.
    Reads(Option<i32>),
    Fails(SoilError),
}

/// What there is to tell of a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// It is read; `after_trouble` where it was not before.
    Reads {
        plant_id: i32,
        after_trouble: bool,
    },
    Unmapped,
    Fails(SoilError),
}

/// The conditions that were told, by sensor.
#[derive(Debug, Default)]
pub(super) struct Sensors {
    told: BTreeMap<u8, Condition>,
}

impl Sensors {
    /// `plant_id`: whom the sensor feeds, where it was read.
    pub(super) fn see(
        &mut self,
        address: u8,
        outcome: Result<Option<i32>, &SoilError>,
    ) -> Option<News> {
        let condition = match outcome {
            Ok(plant_id) => Condition::Reads(plant_id),
            // An address where nobody ever was is no sensor.
            Err(SoilError::Silent) if !self.told.contains_key(&address) => return None,
            Err(error) => Condition::Fails(error.clone()),
        };
        let before = self.told.insert(address, condition.clone());
        if before.as_ref() == Some(&condition) {
            return None;
        }
        Some(match condition {
            Condition::Fails(error) => News::Fails(error),
            Condition::Reads(None) => News::Unmapped,
            Condition::Reads(Some(plant_id)) => {
                let after_trouble = matches!(before, Some(Condition::Fails(_)));
                News::Reads { plant_id, after_trouble }
            }
        })
    }

    /// Was a sensor ever met there?
    pub(super) fn knows(&self, address: u8) -> bool {
        self.told.contains_key(&address)
    }

    /// Was any sensor ever met?
    pub(super) fn met_any(&self) -> bool {
        !self.told.is_empty()
    }
}

/// A trouble that was told.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    told: Option<String>,
}

impl Trouble {
    /// It is there; is it news? Another reason is.
    pub(super) fn begins(&mut self, reason: &str) -> bool {
        let is_news = self.told.as_deref() != Some(reason);
        self.told = Some(reason.to_owned());
        is_news
    }

    /// It is over; was it ever told?
    pub(super) fn ends(&mut self) -> bool {
        self.told.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensors_condition_is_told_when_it_changes() {
        let mut sensors = Sensors::default();
        let (silent, garbage) = (SoilError::Silent, SoilError::Moisture(65_535));
        assert_eq!(sensors.see(0x36, Err(&silent)), None);
        assert!(!sensors.met_any());
        assert_eq!(sensors.see(0x36, Ok(None)), Some(News::Unmapped));
        assert_eq!(sensors.see(0x36, Ok(None)), None);
        let reads = |after_trouble| Some(News::Reads { plant_id: 4, after_trouble });
        assert_eq!(sensors.see(0x36, Ok(Some(4))), reads(false));
        assert_eq!(sensors.see(0x36, Err(&garbage)), Some(News::Fails(garbage.clone())));
        assert_eq!(sensors.see(0x36, Err(&garbage)), None);
        assert_eq!(sensors.see(0x36, Err(&silent)), Some(News::Fails(silent)));
        assert_eq!(sensors.see(0x36, Ok(Some(4))), reads(true));
        assert_eq!(sensors.see(0x36, Ok(Some(4))), None);
    }

    #[test]
    fn a_trouble_is_told_once_and_so_is_its_end() {
        let mut trouble = Trouble::default();
        assert!(!trouble.ends());
        assert!(trouble.begins("away") && !trouble.begins("away") && trouble.begins("refused"));
        assert!(trouble.ends() && !trouble.ends());
    }
}
