//! How far pipelines are behind the log.

use std::collections::BTreeMap;

use crate::log::topics::Topics;
use crate::log::{Bounds, EventLog, LogError};
use crate::store::positions::Position;

/// Where every topic's partitions begin and end, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogEnds {
    /// By the topic's default name, as positions have it.
    bounds: BTreeMap<&'static str, Vec<Bounds>>,
}

/// How many offsets of a partition a pipeline has still to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    pub partition: i32,
    /// At most so many records: offsets that are gone by compaction count too.
    pub records: i64,
}

impl LogEnds {
    /// Reads the ends of these topics. One that is not there yet, as in the folder of an older
    /// version, holds nothing.
    pub async fn read(log: &dyn EventLog, topics: &Topics) -> Result<LogEnds, LogError> {
        let mut bounds = BTreeMap::new();
        for topic in topics.iter() {
            match log.bounds(&topic.log_name).await {
                Ok(found) => drop(bounds.insert(topic.spec.name, found)),
                Err(LogError::UnknownTopic(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(LogEnds { bounds })
    }

    /// The lag in each partition of a topic, from a pipeline's positions.
    pub fn lags(&self, topic: &str, positions: &[Position]) -> Vec<Lag> {
        let bounds = self.bounds.get(topic).map_or(&[][..], Vec::as_slice);
        let lag = |bounds: &Bounds| {
            let position = positions
                .iter()
                .find(|known| known.topic == topic && known.partition == bounds.partition);
            let next_offset = position.map_or(0, |position| position.next_offset);
            let records = bounds.next_offset - next_offset.max(bounds.first_offset);
            Lag { partition: bounds.partition, records: records.max(0) }
        };
        bounds.iter().map(lag).collect()
    }

    /// The lag in all partitions of the topics that a pipeline has positions in.
    pub fn behind(&self, positions: &[Position]) -> i64 {
        let mut topics: Vec<&str> = positions.iter().map(|known| known.topic.as_str()).collect();
        topics.sort_unstable();
        topics.dedup();
        let lags = topics.into_iter().flat_map(|topic| self.lags(topic, positions));
        lags.map(|lag| lag.records).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_a_position_is_behind_as_a_whole() {
        let bounds =
            |partition, first_offset, next_offset| Bounds { partition, first_offset, next_offset };
        let all = vec![bounds(0, 0, 10), bounds(1, 20, 50), bounds(2, 7, 7)];
        let ends = LogEnds { bounds: BTreeMap::from([("readings", all)]) };
        let position = Position {
            topic: "readings".to_owned(),
            partition: 0,
            log_id: String::new(),
            next_offset: 4,
            last_ts_ms: None,
            greatest_event_ms: None,
            records: 4,
            late: 0,
        };
        let lags = ends.lags("readings", std::slice::from_ref(&position));
        assert_eq!(lags.iter().map(|lag| lag.records).collect::<Vec<_>>(), [6, 30, 0]);
        assert_eq!(ends.behind(&[position]), 36);
        assert_eq!(ends.behind(&[]), 0);
    }
}
