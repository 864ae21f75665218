//! Notices when a stream that was alive brings no more records, and when it goes on.
//!
//! Invariant: a stall is told once, and its end once, whatever is killed in between: both are
//! alerts with an identity. Time in which this process did not run is no stall: a stream has its
//! whole time-limit from the start of each session. A stream that plays in old events (a capture of
//! last year) is not alive, so nobody is told that it has ended.

use std::sync::Arc;
use std::time::Duration;

use super::{Views, Workshop};
use crate::clock::Clock;
use crate::kernel::alert::Alert;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::store::{StoreError, alerts, positions};

/// The rules' names; they are part of the alerts' identities.
const STALLED: &str = "stream.stalled";
const RECOVERED: &str = "stream.recovered";

/// An accelerated clock (the demo's) does not make a stall of a hiccup that is shorter than this.
const SHORTEST_STALL: Duration = Duration::from_secs(30);

/// What there is to tell of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// No record has come since this one.
    Stalled { topic: String, newest_ms: i64 },
    /// It goes on with this record, after the one with which it had stalled.
    Recovered { topic: String, newest_ms: i64, stalled_ms: i64 },
}

impl News {
    pub(super) fn alert(&self) -> Alert {
        match self {
            News::Stalled { topic, newest_ms } => {
                let text = Text::of("❌ ")
                    .data(topic)
                    .plain(" ingest has stalled. Latest ingest time is ")
                    .date(*newest_ms)
                    .plain(".");
                Alert::new(STALLED, topic, *newest_ms, text.clone(), text)
            }
            News::Recovered { topic, newest_ms, stalled_ms } => {
                let text = Text::of("✅ ").data(topic).plain(format!(
                    " ingest goes on. Nothing had come for {}.",
                    when::length(newest_ms - stalled_ms)
                ));
                let alert = Alert::new(RECOVERED, topic, *newest_ms, text.clone(), text);
                Alert { silent: true, ..alert }
            }
        }
    }
}

/// A stream under watch.
#[derive(Debug)]
struct Watched {
    /// Its index among the room's streams.
    stream: usize,
    topic: String,
    limit_ms: i64,
    /// With a newest record that is older than this it is not alive.
    alive_ms: i64,
    /// The pipelines' clock when it last brought something, or when the session began.
    heard_ms: i64,
    /// The greatest time of its records.
    newest_ms: Option<i64>,
    /// The newest record when it was told that it had stalled, while that lasts.
    stalled_ms: Option<i64>,
}

/// The watch over one pipeline's streams.
pub(super) struct Watchdog {
    streams: Vec<Watched>,
}

impl Watchdog {
    /// Goes on where an earlier session stopped watching.
    pub(super) async fn open<V: Views>(
        room: &V,
        workshop: &Workshop,
        now_ms: i64,
    ) -> Result<Watchdog, StoreError> {
        let mut streams = Vec::new();
        for (stream, name) in room.streams().iter().enumerate() {
            let limit_ms = workshop.topics.get(name).ok().and_then(|topic| topic.stall_after_ms);
            let Some(limit_ms) = limit_ms else { continue };
            let limit_ms = limit_ms.max(shortest_ms(&workshop.clock, limit_ms));
            let (newest_ms, stalled_ms) = known(room.name(), name, workshop).await?;
            let newest_ms = newest_ms.map(|newest_ms| newest_ms.min(now_ms));
            let alive_ms = workshop.settings.alert_max_age_ms.max(2 * limit_ms);
            let topic = (*name).to_owned();
            streams.push(Watched {
                stream,
                topic,
                limit_ms,
                alive_ms,
                heard_ms: now_ms,
                newest_ms,
                stalled_ms,
            });
        }
        Ok(Watchdog { streams })
    }

    /// A batch was folded; its newest record is of this time.
    pub(super) fn heard(&mut self, stream: usize, newest_ms: i64, now_ms: i64) {
        if let Some(watched) = self.streams.iter_mut().find(|watched| watched.stream == stream) {
            watched.heard_ms = now_ms;
            // A record may carry any time; none is newer than now.
            watched.newest_ms = watched.newest_ms.max(Some(newest_ms.min(now_ms)));
        }
    }

    /// Is there a stall to tell? Asked at the log's end.
    pub(super) fn has_news(&self, now_ms: i64) -> bool {
        self.streams.iter().any(|watched| Watchdog::stalls(watched, now_ms).is_some())
    }

    /// What there is to tell; it counts as told from now on.
    pub(super) fn news(&mut self, now_ms: i64, at_end: bool) -> Vec<News> {
        let mut news = Vec::new();
        for index in 0..self.streams.len() {
            let stalls = if at_end { Watchdog::stalls(&self.streams[index], now_ms) } else { None };
            let watched = &mut self.streams[index];
            let topic = watched.topic.clone();
            if let Some(newest_ms) = stalls {
                watched.stalled_ms = Some(newest_ms);
                news.push(News::Stalled { topic, newest_ms });
            } else if let (Some(stalled_ms), Some(newest_ms)) =
                (watched.stalled_ms, watched.newest_ms)
                && newest_ms > stalled_ms
            {
                watched.stalled_ms = None;
                news.push(News::Recovered { topic, newest_ms, stalled_ms });
            }
        }
        news
    }

    /// The newest record of a stream that has stalled and was not told to have.
    fn stalls(watched: &Watched, now_ms: i64) -> Option<i64> {
        let newest_ms = watched.newest_ms?;
        let is_alive = newest_ms >= now_ms - watched.alive_ms;
        let is_silent = now_ms - watched.heard_ms.max(newest_ms) >= watched.limit_ms;
        (watched.stalled_ms.is_none() && is_alive && is_silent).then_some(newest_ms)
    }
}

/// The shortest stall, in milliseconds of this clock.
fn shortest_ms(clock: &Arc<dyn Clock>, limit_ms: i64) -> i64 {
    let real_ms = clock.real(limit_ms).as_millis();
    if real_ms == 0 {
        return limit_ms;
    }
    let longer = SHORTEST_STALL.as_millis().div_ceil(real_ms);
    limit_ms.saturating_mul(i64::try_from(longer).unwrap_or(i64::MAX))
}

/// The newest record of a stream, and the one with which it had stalled, if that lasts.
async fn known(
    pipeline: &'static str,
    topic: &'static str,
    workshop: &Workshop,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    workshop
        .store
        .read(move |db| {
            Box::pin(async move {
                let (_, stored) = positions::load(db, pipeline).await?;
                let of_topic = stored.iter().filter(|position| position.topic == topic);
                let newest_ms = of_topic.filter_map(|position| position.last_ts_ms).max();
                let stalled_ms = alerts::latest(db, STALLED, topic).await?;
                let recovered_ms = alerts::latest(db, RECOVERED, topic).await?;
                Ok((newest_ms, stalled_ms.filter(|_| recovered_ms <= stalled_ms)))
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::{HOUR_MS, MINUTE_MS};

    const NOW_MS: i64 = 1_000 * HOUR_MS;
    const LIMIT_MS: i64 = 10 * MINUTE_MS;

    fn watchdog(newest_ms: Option<i64>) -> Watchdog {
        let watched = Watched {
            stream: 0,
            topic: "pcap".to_owned(),
            limit_ms: LIMIT_MS,
            alive_ms: 12 * HOUR_MS,
            heard_ms: NOW_MS,
            newest_ms,
            stalled_ms: None,
        };
        Watchdog { streams: vec![watched] }
    }

    #[test]
    fn a_stall_is_told_once_and_its_end_once() {
        let mut dog = watchdog(None);
        assert!(!dog.has_news(NOW_MS + HOUR_MS), "nothing ever came");
        dog.heard(0, NOW_MS, NOW_MS);
        assert!(!dog.has_news(NOW_MS + LIMIT_MS - 1));
        assert!(dog.has_news(NOW_MS + LIMIT_MS));
        let stalled = News::Stalled { topic: "pcap".to_owned(), newest_ms: NOW_MS };
        assert_eq!(dog.news(NOW_MS + LIMIT_MS, true), std::slice::from_ref(&stalled));
        assert_eq!(dog.news(NOW_MS + HOUR_MS, true), []);
        let again_ms = NOW_MS + 2 * HOUR_MS;
        dog.heard(0, again_ms, again_ms);
        let news = dog.news(again_ms, true);
        let topic = "pcap".to_owned();
        assert_eq!(news, [News::Recovered { topic, newest_ms: again_ms, stalled_ms: NOW_MS }]);
        assert_eq!(dog.news(again_ms + 1, true), []);
        let words = news[0].alert().text.to_plain();
        assert_eq!(words, "✅ pcap ingest goes on. Nothing had come for 2 h.");
        let words = stalled.alert().text.to_plain();
        assert!(words.starts_with("❌ pcap ingest has stalled. Latest ingest time is 1970-02-11 "));
    }

    /// The bot was down for an hour, and the producer died meanwhile or writes on.
    #[test]
    fn the_time_of_a_session_counts_and_not_the_time_before_it() {
        let mut dog = watchdog(Some(NOW_MS - HOUR_MS));
        assert!(!dog.has_news(NOW_MS), "it has its whole time from the start");
        assert!(dog.has_news(NOW_MS + LIMIT_MS));
        assert_eq!(dog.news(NOW_MS + LIMIT_MS, false), [], "there is more to read");
    }

    #[test]
    fn an_old_capture_that_has_been_played_in_is_no_stall() {
        let mut dog = watchdog(None);
        dog.heard(0, NOW_MS - 13 * HOUR_MS, NOW_MS);
        assert!(!dog.has_news(NOW_MS + LIMIT_MS));
    }
}
