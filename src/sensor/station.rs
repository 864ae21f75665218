//! `windowsill sensor`: measure, queue, deliver.
//!
//! Invariant: measuring waits for nobody. The other end may be away for as long as the queue has
//! room; a sensor that fails keeps no other from being read.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use super::bench::{Bench, Measured};
use super::calibration::Calibration;
use super::feed::{Delivered, Feed, FeedError, Follower};
use super::mapping::Plants;
use super::moment::{Clocks, Now};
use super::news::{News, Sensors, Trouble};
use super::queue::{Queue, QueueError, Queued, Reading};
use super::soil::{SoilError, sensor_id};
use crate::clock;
use crate::crash;
use crate::engine::jittered;

/// Readings sent at once: an hour of four sensors.
const BATCH_READINGS: u32 = 500;
/// Pauses after a failure grow from the first to the last by doubling.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Readings that are kept in memory while the queue takes none: two hours of four sensors.
const UNSAVED_MAX: u64 = 1_000;
/// Readings that had to wait longer than this are told when they are delivered.
const WAITED_MS: i64 = 2 * 60 * 1000;

const NO_SENSOR: &str = "no soil sensor answers at 0x36 to 0x39; look at the cables, and at \
                         `i2cdetect -y 1`; it goes on looking";

const EMPTIED: &str = "its topic holds nothing any more (was it made anew?); map the sensors again \
                       with /update_mapping in the chat";

/// Why it ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A bug: the thread that reads the bus panicked.
    #[error("reading the sensors panicked")]
    Bench,
}

/// Why readings wait.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Feed(#[from] FeedError),
}

impl DeliverError {
    fn trouble(&self) -> &str {
        match self {
            DeliverError::Queue(_) => "queue",
            DeliverError::Feed(error) => error.trouble(),
        }
    }
}

/// What it has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Readings of mapped sensors.
    pub measured: u64,
    /// Readings that the other end has.
    pub delivered: u64,
    /// Sensors that could not be read, a round each.
    pub failed: u64,
    /// Readings that are nowhere: no room, no time, or refused.
    pub lost: u64,
}

/// What was measured at one time.
type Round = (Vec<Reading>, Now);

/// One bus, its queue and the other end.
pub struct Station {
    queue: Queue,
    feed: Feed,
    interval: Duration,
    calibrations: BTreeMap<String, Calibration>,
    /// `None`: the mapping was never read yet.
    plants: watch::Sender<Option<Plants>>,
    /// There is something to deliver.
    queued: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sensors: Sensors,
    bus: Trouble,
    disk: Trouble,
    away: Trouble,
    mapping: Trouble,
    tally: Tally,
    /// Measured while the queue took nothing, each round at its own time.
    unsaved: Vec<Round>,
}

impl Station {
    /// `calibrations`: by sensor, those of the configuration; they win over the kept ones.
    pub async fn new(
        queue: Queue,
        feed: Feed,
        interval: Duration,
        calibrations: &BTreeMap<String, Calibration>,
    ) -> Result<Station, StationError> {
        let mut all: BTreeMap<String, Calibration> =
            queue.calibrations().await?.into_iter().collect();
        all.extend(calibrations.iter().map(|(id, calibration)| (id.clone(), *calibration)));
        let plants = queue.plants().await?;
        Ok(Station {
            queue,
            feed,
            interval,
            calibrations: all,
            plants: watch::Sender::new(plants),
            queued: Notify::new(),
            state: Mutex::default(),
        })
    }

    pub fn tally(&self) -> Tally {
        self.with(|state| state.tally)
    }

    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Works until `stop` resolves.
    pub async fn run<B, D>(
        &self,
        bench: Bench<B, D>,
        clocks: Clocks,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StationError>
    where
        B: I2c + Send + 'static,
        D: DelayNs + Send + 'static,
    {
        tokio::select! {
            ended = self.measure(bench, clocks, stop) => ended,
            () = self.deliver() => Ok(()),
            () = self.follow() => Ok(()),
        }
    }

    /// Ends between two rounds: what was measured is in the queue, or told to be lost.
    async fn measure<B, D>(
        &self,
        bench: Bench<B, D>,
        mut clocks: Clocks,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StationError>
    where
        B: I2c + Send + 'static,
        D: DelayNs + Send + 'static,
    {
        let mut stop = pin!(stop);
        let bench = Arc::new(Mutex::new(bench));
        let mut rounds = tokio::time::interval(self.interval);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // The mapping first, if the other end is there: or the first round would be nobody's.
        let mut plants = self.plants.subscribe();
        let _ = tokio::time::timeout(self.interval.min(FIRST_PAUSE), plants.changed()).await;
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = rounds.tick() => {}
            }
            let bench = Arc::clone(&bench);
            let measured = tokio::task::spawn_blocking(move || {
                bench.lock().unwrap_or_else(PoisonError::into_inner).measure()
            });
            let measured = measured.await.map_err(|_| StationError::Bench)?;
            self.take(&measured, clocks.now()).await;
        }
        self.end(clocks.now()).await;
        Ok(())
    }

    /// Puts what the queue did not take into it once more; the rest is lost.
    pub async fn end(&self, now: Now) {
        self.save(Vec::new(), now).await;
        let lost = self.with(|state| {
            let lost = count(&std::mem::take(&mut state.unsaved));
            state.tally.lost += lost;
            lost
        });
        if lost > 0 {
            tracing::error!(readings = lost, "readings that the queue did not take are lost");
        }
    }

    /// Takes one round: tells what is new, and puts the readings of mapped sensors into the queue;
    /// before the mapping was first read, those of all.
    pub async fn take(&self, measured: &[Measured], now: Now) {
        let plants = self.plants.borrow().clone();
        let mut readings = Vec::new();
        for (address, outcome) in measured {
            let id = sensor_id(*address);
            let plant_id = plants.as_ref().and_then(|plants| plants.get(&id).copied());
            if outcome.is_err() || plants.is_some() {
                self.look_for_news(*address, outcome.as_ref().map(|_| plant_id));
            }
            let Ok(soil) = outcome else { continue };
            if plants.is_none() || plant_id.is_some() {
                let calibration = self.calibrations.get(&id).copied().unwrap_or_default();
                let moisture = calibration.moisture(soil.raw);
                let temperature = soil.temperature;
                readings.push(Reading { sensor_id: id, plant_id, moisture, temperature });
            }
        }
        let finds_none = measured.iter().all(|(_, outcome)| outcome.is_err());
        if finds_none && self.with(|state| !state.sensors.met_any() && state.bus.begins(NO_SENSOR))
        {
            tracing::warn!("{NO_SENSOR}");
        }
        self.save(readings, now).await;
    }

    fn look_for_news(&self, address: u8, outcome: Result<Option<i32>, &SoilError>) {
        let news = self.with(|state| {
            let news = state.sensors.see(address, outcome);
            // An address where nobody ever was does not fail.
            state.tally.failed += u64::from(outcome.is_err() && state.sensors.knows(address));
            news
        });
        if let Some(news) = news {
            tell(&sensor_id(address), &news);
        }
    }

    /// Puts readings into the queue, and those before them that it did not take.
    async fn save(&self, readings: Vec<Reading>, now: Now) {
        let mut rounds = self.with(|state| {
            state.tally.measured += readings.len() as u64;
            std::mem::take(&mut state.unsaved)
        });
        // An empty round, too: the clock may have been set.
        rounds.push((readings, now));
        while !rounds.is_empty() {
            let (readings, now) = rounds[0].clone();
            match self.queue.push(readings, now).await {
                Ok(pushed) => {
                    rounds.remove(0);
                    if pushed.stamped > 0 {
                        let readings = pushed.stamped;
                        tracing::info!(
                            readings,
                            "the clock is set; readings from before have their time"
                        );
                    }
                    if pushed.timeless > 0 {
                        let readings = pushed.timeless;
                        tracing::error!(
                            readings,
                            "readings from before the last start of this \
                            machine are lost: its clock was not set then"
                        );
                    }
                    if pushed.pushed_out > 0 {
                        let readings = pushed.pushed_out;
                        tracing::error!(
                            readings,
                            "the queue is full; the oldest readings are lost"
                        );
                    }
                    self.with(|state| state.tally.lost += pushed.timeless + pushed.pushed_out);
                }
                Err(error) => return self.keep_unsaved(rounds, &error),
            }
        }
        if self.with(|state| state.disk.ends()) {
            tracing::info!("the queue takes readings again, those that were kept in memory, too");
        }
        self.queued.notify_one();
    }

    fn keep_unsaved(&self, mut rounds: Vec<Round>, error: &QueueError) {
        let reason = error.to_string();
        let is_news = self.with(|state| state.disk.begins(&reason));
        if is_news {
            tracing::error!(%reason, "the queue takes no readings; they are kept in memory meanwhile");
        }
        let mut lost = 0;
        while count(&rounds) > UNSAVED_MAX {
            lost += rounds.remove(0).0.len() as u64;
        }
        if lost > 0 {
            tracing::error!(
                readings = lost,
                "no room in memory either; the oldest readings are lost"
            );
        }
        rounds.retain(|(readings, _)| !readings.is_empty());
        self.with(|state| {
            state.tally.lost += lost;
            state.unsaved = rounds;
        });
    }

    /// Delivers whatever is in the queue, for ever.
    async fn deliver(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.deliver_some(clock::now_ms()).await {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) => {
                    pause = FIRST_PAUSE;
                    self.queued.notified().await;
                }
                Err(error) => {
                    if self.with(|state| state.away.begins(error.trouble())) {
                        tracing::warn!("readings wait in the queue: {error}");
                    }
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Delivers the oldest readings. `false`: there are none.
    pub async fn deliver_some(&self, now_ms: i64) -> Result<bool, DeliverError> {
        let readings = self.queue.oldest(BATCH_READINGS).await?;
        let Some(oldest) = readings.first() else { return Ok(false) };
        let waited_ms = now_ms - oldest.at_ms;
        let delivered = self.send(&readings).await?;
        crash::point(crash::SENSOR_POINT);
        let numbers = readings.iter().map(|queued| queued.number).collect();
        self.queue.delivered(numbers, delivered.ends).await?;
        for reason in &delivered.reasons {
            tracing::error!(reason, "the other end will never take a reading; it is given up");
        }
        // No more than were sent, whatever the other end counts.
        let refused = delivered.refused.min(readings.len());
        let was_away = self.with(|state| {
            state.tally.delivered += (readings.len() - refused) as u64;
            state.tally.lost += refused as u64;
            state.away.ends()
        });
        if was_away || waited_ms > WAITED_MS {
            let (count, minutes) = (readings.len(), waited_ms / 60_000);
            tracing::info!(
                readings = count,
                oldest_minutes = minutes,
                repeated = delivered.repeated,
                "readings that had to wait are delivered"
            );
        }
        Ok(true)
    }

    async fn send(&self, readings: &[Queued]) -> Result<Delivered, DeliverError> {
        let since = match self.queue.since().await? {
            Some(since) => since,
            None => {
                let ends = self.feed.ends().await?;
                self.queue.begin_at(ends.clone()).await?;
                ends
            }
        };
        Ok(self.feed.deliver(self.queue.id(), readings, &since).await?)
    }

    /// Follows the mapping, for ever.
    async fn follow(&self) {
        let mut follower = Follower::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let found = self.feed.plants(&mut follower, self.interval).await;
            match found.and_then(|plants| self.expect_whole(plants)) {
                Ok(plants) => {
                    pause = FIRST_PAUSE;
                    if self.with(|state| state.mapping.ends()) {
                        tracing::info!("the mapping of sensors can be read again");
                    }
                    self.learn(plants).await;
                }
                Err(error) => {
                    if self.with(|state| state.mapping.begins(error.trouble())) {
                        let kept = match self.plants.borrow().is_some() {
                            true => "the mapping of sensors stays as it was",
                            false => "which plants the sensors feed is not known yet",
                        };
                        tracing::warn!("{kept}: {error}");
                    }
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// A table in which something stood holds its deletions at least: one that holds nothing was made
    /// anew, and the mapping stays as it was.
    fn expect_whole(&self, found: Option<Plants>) -> Result<Plants, FeedError> {
        let is_known = self.plants.borrow().as_ref().is_some_and(|plants| !plants.is_empty());
        match found {
            None if is_known => Err(FeedError::Refused(EMPTIED.to_owned())),
            found => Ok(found.unwrap_or_default()),
        }
    }

    /// Takes the mapping as it is now.
    pub async fn learn(&self, plants: Plants) {
        let is_new = self.plants.borrow().as_ref() != Some(&plants);
        if is_new {
            match self.queue.keep_plants(plants.clone()).await {
                Ok(_) => self.queued.notify_one(),
                // Once more at the next time.
                Err(error) => {
                    tracing::warn!(%error, "the mapping of sensors could not be kept");
                    return;
                }
            }
        }
        // Told also where nothing changed: somebody may wait for the first answer.
        self.plants.send_replace(Some(plants));
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn count(rounds: &[Round]) -> u64 {
    rounds.iter().map(|(readings, _)| readings.len() as u64).sum()
}

fn tell(sensor: &str, news: &News) {
    match news {
        News::Reads { plant_id, after_trouble: false } => {
            tracing::info!(sensor, plant = plant_id, "the sensor is read");
        }
        News::Reads { plant_id, after_trouble: true } => {
            tracing::info!(sensor, plant = plant_id, "the sensor is read again");
        }
        News::Unmapped => tracing::warn!(
            sensor,
            "the sensor feeds no plant, so its readings are not kept; say which one with \
             /update_mapping in the chat"
        ),
        News::Fails(error) => {
            tracing::warn!(sensor, "the sensor cannot be read, it goes on trying: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
