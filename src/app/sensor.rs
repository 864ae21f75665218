//! `windowsill sensor`: the soil sensors of this machine.

use std::future::Future;
use std::io::{BufRead, Write};
use std::time::Duration;

use embedded_hal::i2c::I2c;

use super::house::{self, Failure};
use super::log::OpenLog;
use super::tasks::asked_to_stop;
use crate::cli::{Sensor, SensorVerb};
use crate::clock;
use crate::config::Config;
use crate::exit::Exit;
use crate::sensor::bench::{Bench, Sleep};
use crate::sensor::calibrate::{self, CalibrateError, Soaked};
use crate::sensor::feed::{Feed, HttpFeed, LogFeed};
use crate::sensor::moment::Clocks;
use crate::sensor::queue::{LOCK, Queue, QueueError};
use crate::sensor::simulate::SimulatedBus;
use crate::sensor::soil;
use crate::sensor::station::{Station, StationError};
use crate::store::{DirLock, StoreError, lock};

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Failure {
        let exit = match error {
            QueueError::Newer(_) => Exit::Usage,
            QueueError::File(_) => Exit::Errors,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<StationError> for Failure {
    fn from(error: StationError) -> Failure {
        match error {
            StationError::Queue(error) => error.into(),
            StationError::Bench => Failure::new(Exit::Fault, error.to_string()),
        }
    }
}

pub(super) async fn sensor(config: &Config, options: Sensor) -> Result<Exit, Failure> {
    lock::expect_whole(&config.data_dir)?;
    let _lock = DirLock::take_part(&config.data_dir, LOCK).map_err(|error| match error {
        // Two programs that read one bus get each other's answers.
        StoreError::Locked(dir) => Failure::new(
            Exit::Taken,
            format!("another `windowsill sensor` works in {}; stop that one first", dir.display()),
        ),
        other => other.into(),
    })?;
    let queue = Queue::open(&config.data_dir).await?;
    match options.verb {
        None if options.simulation.simulate => {
            let bus = SimulatedBus::house(options.simulation.seed, clock::now_ms);
            // Nothing is measured, so no time of it can be wrong.
            run(config, queue, bus, Duration::ZERO).await
        }
        None => {
            let clock_wait = Duration::from_secs(60 * u64::from(config.sensor.clock_wait_minutes));
            run(config, queue, open_bus(config)?, clock_wait).await
        }
        Some(SensorVerb::Calibrate { address, simulation }) if simulation.simulate => {
            let bus = SimulatedBus::house(simulation.seed, clock::now_ms);
            let soil = bus.clone();
            let soak = move |soaked| soil.dip(address, soaked == Soaked::Wet);
            calibrate(queue, bus, address, soak).await
        }
        Some(SensorVerb::Calibrate { address, .. }) => {
            calibrate(queue, open_bus(config)?, address, |_| {}).await
        }
    }
}

#[cfg(target_os = "linux")]
fn open_bus(config: &Config) -> Result<linux_embedded_hal::I2cdev, Failure> {
    let bus = &config.sensor.bus;
    linux_embedded_hal::I2cdev::new(bus).map_err(|error| {
        let reason = format!(
            "cannot use the I2C bus {}: {error}; switch I2C on (`sudo raspi-config nonint \
             do_i2c 0`), let this user into the group i2c, or name another one in sensor.bus \
             (`--simulate` needs none)",
            bus.display()
        );
        // At the start of a machine it may come a moment later.
        Failure::new(Exit::Errors, reason)
    })
}

#[cfg(not(target_os = "linux"))]
fn open_bus(_config: &Config) -> Result<SimulatedBus, Failure> {
    let reason = "an I2C bus can be read on Linux only; `--simulate` needs none";
    Err(Failure::new(Exit::Usage, reason))
}

async fn run(
    config: &Config,
    queue: Queue,
    bus: impl I2c + Send + 'static,
    clock_wait: Duration,
) -> Result<Exit, Failure> {
    let clocks = Clocks::of_machine(clock_wait);
    let bench = Bench::new(bus, Sleep, &soil::ADDRESSES);
    let asked = asked_to_stop().map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    let Some(url) = &config.sensor.url else {
        let topics = house::topics(config)?;
        let log = OpenLog::open(config, &topics).await?;
        house::refuse_demo_folder("sensor", &log, config).await?;
        house::refuse_before_carried(&log, config).await?;
        let feed = Feed::Log(LogFeed::new(log.events(), topics));
        let station = station(config, queue, feed).await?;
        let ran = work(&station, station.run(bench, clocks, asked)).await;
        log.close().await;
        return ran;
    };
    let Some(token) = config.http.token.clone() else {
        let reason = "sensor.url is set and http.token is not: set it (or http.token_file) to the \
                      token that the bot there has";
        return Err(Failure::new(Exit::Usage, reason));
    };
    let feed =
        HttpFeed::new(url, token).map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    let station = station(config, queue, Feed::Http(feed)).await?;
    work(&station, station.run(bench, clocks, asked)).await
}

async fn station(config: &Config, queue: Queue, feed: Feed) -> Result<Station, StationError> {
    let interval = Duration::from_secs(config.sensor.interval_seconds.into());
    Station::new(queue, feed, interval, &config.sensor.calibration).await
}

/// Works until the station ends, and says what it did.
async fn work(
    station: &Station,
    running: impl Future<Output = Result<(), StationError>>,
) -> Result<Exit, Failure> {
    let ended = running.await;
    let tally = station.tally();
    let waiting = station.queue().waiting().await.map_or("?".to_owned(), |count| count.to_string());
    // Standard error may be closed; the exit code still tells.
    let _ = writeln!(
        std::io::stderr(),
        "readings: {} measured, {} delivered, {waiting} in the queue, {} lost; sensors failed {} times",
        tally.measured,
        tally.delivered,
        tally.lost,
        tally.failed
    );
    ended?;
    Ok(if tally.lost == 0 { Exit::Done } else { Exit::Errors })
}

async fn calibrate(
    queue: Queue,
    mut bus: impl I2c + Send + 'static,
    address: u8,
    soak: impl Fn(Soaked) + Send + 'static,
) -> Result<Exit, Failure> {
    // It waits for a person, on a thread that may do so.
    let talk = tokio::task::spawn_blocking(move || {
        let mut input = std::io::stdin().lock();
        let ready = |soaked| {
            let is_there = input.read_line(&mut String::new())? > 0;
            soak(soaked);
            Ok(is_there)
        };
        calibrate::calibrate(&mut bus, &mut Sleep, address, &mut std::io::stdout(), ready)
    });
    let found = talk.await.map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    let calibration =
        found.map_err(|error: CalibrateError| Failure::new(Exit::Errors, error.to_string()))?;
    let id = soil::sensor_id(address);
    queue.calibrate(id.clone(), calibration).await?;
    let [low, high]: [u16; 2] = calibration.into();
    let _ = writeln!(
        std::io::stdout(),
        "Kept; the next `windowsill sensor` goes by it. In a configuration file it would be\n\n\
         [sensor.calibration]\n\"{id}\" = [{low}, {high}]"
    );
    Ok(Exit::Done)
}
