//! Look-ups by several people while the pipeline folds what is appended.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use windowsill::background;
use windowsill::clock::{self, SystemClock};
use windowsill::config::Config;
use windowsill::engine::{EngineSettings, Ground, Runner, Workshop};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::time::DAY_MS;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::codec::Codec;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::topics::Topics;
use windowsill::rooms;
use windowsill::rooms::wifi::Wifi;
use windowsill::rooms::wifi::lookup::{self, Found, Wanted};
use windowsill::store::{Store, StoreReader, positions};

use super::Flags;
use super::street::{VISIT_MS, Visits, addresses, colons, probes, record};

/// The feeder lets no more records wait than this.
const AHEAD: i64 = 400_000;
/// Records appended at once.
const BATCH: usize = 20_000;
/// All devices are first heard on a day so long ago; what is fed meanwhile comes after it.
const FIRST_DAY_MS: i64 = 20 * DAY_MS;

/// A kind of look-up: its share in thousandths, whether it finds something (`None`: every other one
/// does), and what its p99 may be.
struct Kind {
    name: &'static str,
    share: usize,
    finds: Option<bool>,
    aim_ms: f64,
    ask: fn(&mut fastrand::Rng, &[u64], usize, bool) -> String,
}

/// A beginning that no address has is looked for inside addresses: it becomes a part.
const KINDS: [Kind; 5] = [
    Kind { name: "exact", share: 600, finds: None, aim_ms: 1.0, ask: exact },
    Kind { name: "prefix", share: 150, finds: Some(true), aim_ms: 1.0, ask: prefix },
    Kind { name: "no prefix: a part", share: 150, finds: Some(false), aim_ms: 50.0, ask: prefix },
    Kind { name: "part of a MAC", share: 95, finds: None, aim_ms: 50.0, ask: part },
    Kind { name: "nearest name", share: 5, finds: None, aim_ms: 50.0, ask: name },
];

/// An address that is nobody's: the street has no group addresses.
fn nobodys(random: &mut fastrand::Rng) -> u64 {
    random.u64(..1 << 48) | 0x0100_0000_0000
}

fn one(random: &mut fastrand::Rng, macs: &[u64], hit: bool) -> String {
    colons(if hit { macs[random.usize(..macs.len())] } else { nobodys(random) })
}

fn exact(random: &mut fastrand::Rng, macs: &[u64], _: usize, hit: bool) -> String {
    one(random, macs, hit)
}

/// Two to four bytes from the left, as an address is written.
fn prefix(random: &mut fastrand::Rng, macs: &[u64], _: usize, hit: bool) -> String {
    let length = [5, 8, 11][random.usize(..3)];
    one(random, macs, hit)[..length].to_owned()
}

/// Four to eight digits from anywhere; eight where nothing is to be found.
fn part(random: &mut fastrand::Rng, macs: &[u64], _: usize, hit: bool) -> String {
    let digits = one(random, macs, hit).replace(':', "");
    let length = if hit { random.usize(4..=8) } else { 8 };
    let from = random.usize(..=12 - length);
    digits[from..from + length].to_owned()
}

/// A name with two letters the wrong way round, or letters that are no name.
fn name(random: &mut fastrand::Rng, _: &[u64], named: usize, hit: bool) -> String {
    if !hit {
        return (0..9).map(|_| random.char('q'..='z')).collect();
    }
    let mut letters = given(random.usize(..named)).into_bytes();
    letters.swap(2, 3);
    String::from_utf8(letters).unwrap()
}

fn given(number: usize) -> String {
    const WHOSE: [&str; 8] = ["Robin", "Sam", "Kim", "Alex", "Maria", "Jonas", "Wanda", "Noor"];
    const WHAT: [&str; 6] = ["Kindle", "phone", "laptop", "watch", "tablet", "camera"];
    format!("{}'s {} {number}", WHOSE[number % 8], WHAT[number / 8 % 6])
}

pub(crate) fn run(flags: &Flags) {
    let dir = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(look(flags, dir.path()));
}

async fn look(flags: &Flags, dir: &Path) {
    let macs = addresses(flags.known);
    let first_ms = clock::now_ms() - FIRST_DAY_MS;
    let workshop = workshop(dir).await;
    fill(&workshop, flags, &macs, first_ms).await;
    let runner = Runner::new(Wifi::of_config(&Config::default()), workshop.clone());
    let filled = runner.catch_up().await.unwrap();
    println!(
        "{} devices known, {} of them named ({:.0} records/s until then)",
        flags.known, flags.named, filled.records_per_second
    );
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let folding = background::spawn(async move { runner.run(stopped).await });
    let ended = Arc::new(AtomicBool::new(false));
    let visits = Visits::new(macs.clone(), first_ms + DAY_MS + VISIT_MS);
    let feeding = background::spawn(feed(workshop.clone(), visits, flags.clone(), ended.clone()));
    wait_for_more(&workshop.store.reader(), folded(&workshop.store.reader()).await).await;
    let (began, before) = (Instant::now(), folded(&workshop.store.reader()).await);
    println!(
        "{:<18} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "look-up", "count", "found", "p50 ms", "p99 ms", "max ms", "aim p99"
    );
    let mut failed = false;
    for kind in &KINDS {
        failed |= !ask(kind, flags, &macs, &workshop.store.reader()).await;
    }
    let (took_s, after) = (began.elapsed().as_secs_f64(), folded(&workshop.store.reader()).await);
    println!("meanwhile {:.0} records/s were folded", (after - before) as f64 / took_s);
    ended.store(true, Ordering::Relaxed);
    feeding.await.unwrap();
    stop.send_replace(true);
    folding.await.unwrap().unwrap();
    println!("{}", if failed { "MISSED an aim" } else { "every aim was met" });
}

async fn workshop(dir: &Path) -> Workshop {
    let log = EmbeddedLog::open(&dir.join("log.db")).await.unwrap();
    let topics = Topics::of_config(rooms::topics(), &Config::default()).unwrap();
    topics.create(&log).await.unwrap();
    Workshop {
        log: Arc::new(log),
        store: Store::open(dir).await.unwrap(),
        topics,
        ground: Ground::default(),
        clock: Arc::new(SystemClock),
        settings: EngineSettings { clock_lag_ms: 2_000, alert_max_age_ms: 12 * 3_600_000 },
    }
}

async fn fill(workshop: &Workshop, flags: &Flags, macs: &[u64], first_ms: i64) {
    for chunk in probes(macs, macs.len(), first_ms, false).chunks(BATCH) {
        workshop.log.append("pcap", chunk.iter().map(record).collect()).await.unwrap();
    }
    let spec = rooms::topics().iter().find(|spec| spec.name == "device-names").unwrap();
    assert_eq!(spec.kind, TopicKind::Table);
    let codec = Codec::of(spec.format).unwrap();
    let names = macs.iter().take(flags.named).enumerate().map(|(number, mac)| NewRecord {
        key: Some(colons(*mac).into_bytes()),
        value: Some(codec.encode(&json!({"name": given(number), "ignored": false})).unwrap()),
        ts_ms: 1,
        ..NewRecord::default()
    });
    workshop.log.append("device-names", names.collect()).await.unwrap();
}

/// Appends visits at a rate.
async fn feed(workshop: Workshop, mut visits: Visits, flags: Flags, ended: Arc<AtomicBool>) {
    let began = Instant::now();
    let mut appended = 0;
    while !ended.load(Ordering::Relaxed) {
        let records: Vec<NewRecord> = visits.next(BATCH).iter().map(record).collect();
        appended += records.len();
        workshop.log.append("pcap", records).await.unwrap();
        let due = Duration::from_secs_f64(appended as f64 / flags.rate as f64);
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
        let sent = i64::try_from(flags.known + appended).unwrap();
        let reader = workshop.store.reader();
        while sent - folded(&reader).await > AHEAD {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn folded(store: &StoreReader) -> i64 {
    let (_, positions) =
        store.read(|db| Box::pin(async move { positions::load(db, "wifi").await })).await.unwrap();
    positions.iter().filter(|at| at.topic == "pcap").map(|at| at.next_offset).sum()
}

async fn wait_for_more(store: &StoreReader, than: i64) {
    while folded(store).await == than {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Asks, and says whether the aim was met.
async fn ask(kind: &Kind, flags: &Flags, macs: &[u64], store: &StoreReader) -> bool {
    let mut random = fastrand::Rng::with_seed(13);
    let mut took = Vec::new();
    let mut found = 0;
    for number in 0..(flags.lookups * kind.share / 1000).max(20) {
        let hit = kind.finds.unwrap_or(number % 2 == 0);
        let typed = (kind.ask)(&mut random, macs, flags.named, hit);
        let wanted = Wanted::of(&typed);
        let began = Instant::now();
        let answer =
            store.read(move |db| Box::pin(async move { lookup::find(db, &wanted).await })).await;
        took.push(began.elapsed());
        if !flags.pause.is_zero() {
            tokio::time::sleep(flags.pause).await;
        }
        let is_found = match answer.unwrap() {
            Found::One(_) | Found::Several(..) | Found::Silent(_) => true,
            Found::Nothing(nearest) => !nearest.is_empty(),
        };
        assert!(!hit || is_found, "{typed} was not found");
        found += usize::from(is_found);
    }
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!(
        "{:<18} {:>9} {found:>9} {:>9.3} {:>9.3} {:>9.3} {:>9}",
        kind.name,
        took.len(),
        at(50),
        at(99),
        at(100),
        kind.aim_ms
    );
    at(99) < kind.aim_ms
}
