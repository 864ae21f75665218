//! A closed log of probes, folded by the real program.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use windowsill::clock;
use windowsill::kernel::time::DAY_MS;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::EventLog;
use windowsill::log::embedded::EmbeddedLog;

use super::Flags;
use super::street::{Probe, Stats, VISIT_MS, addresses, model, probes, record};

/// Aims, for the table.
const AIM_PER_SECOND: f64 = 300_000.0;
const AIM_MB: f64 = 64.0;

pub(crate) fn run(flags: &Flags) {
    let macs = addresses(flags.devices);
    // The day ended a moment ago.
    let first_ms = clock::now_ms() - DAY_MS - VISIT_MS - 60_000;
    let probes = probes(&macs, flags.probes, first_ms, flags.uniform);
    let expected = model(&probes);
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(dir.path(), &probes));
    let (count, devices) = (probes.len(), macs.len());
    drop(probes);
    println!("{count} probes of {devices} devices (aims: {AIM_PER_SECOND}/s, {AIM_MB} MB)");
    println!(
        "{:<10} {:>8} {:>12} {:>9} {:>9} {:>10} {:>10}",
        "build", "wall s", "records/s", "cpu s", "peak MB", "log B/rec", "state MB"
    );
    let here = Path::new(env!("CARGO_BIN_EXE_windowsill"));
    let now = measure("this", here, dir.path(), count);
    runtime.block_on(check(dir.path(), &expected));
    println!("every device's row is the model's");
    if let Some(other) = &flags.compare {
        for file in ["state.db", "state.db-wal", "state.db-shm"] {
            let _ = std::fs::remove_file(dir.path().join(file));
        }
        let before = measure("other", other, dir.path(), count);
        println!("this build is {:.2} times as fast as the other", before / now);
    }
}

async fn fill(dir: &Path, probes: &[Probe]) {
    let log = EmbeddedLog::open(&dir.join("log.db")).await.unwrap();
    log.create("pcap", TopicKind::Stream, 1).await.unwrap();
    for chunk in probes.chunks(20_000) {
        log.append("pcap", chunk.iter().map(record).collect()).await.unwrap();
    }
    log.close().await;
}

/// Folds the log with a build of the program, prints a line, and gives the wall time in seconds.
fn measure(name: &str, binary: &Path, dir: &Path, count: usize) -> f64 {
    let began = Instant::now();
    let mut child = Command::new(binary)
        .args(["fold", "--json", "--data-dir", dir.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (peak_kib, cpu_s) = watch(&mut child);
    let wall_s = began.elapsed().as_secs_f64();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let pipelines = summary["pipelines"].as_array().unwrap();
    let wifi = pipelines.iter().find(|pipeline| pipeline["name"] == "wifi").unwrap();
    assert_eq!(wifi["records"].as_u64().unwrap(), count as u64);
    let size = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |data| data.len()) as f64;
    println!(
        "{name:<10} {wall_s:>8.2} {:>12.0} {cpu_s:>9.2} {:>9.0} {:>10.1} {:>10.1}",
        count as f64 / wall_s,
        peak_kib / 1024.0,
        size("log.db") / count as f64,
        size("state.db") / 1e6
    );
    wall_s
}

/// Waits for the end and gives the greatest resident memory in KiB and the processor time in s.
fn watch(child: &mut Child) -> (f64, f64) {
    let folder = format!("/proc/{}", child.id());
    let (mut peak_kib, mut cpu_s) = (0.0, 0.0);
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.split_whitespace().next()) {
            peak_kib = kib.parse().unwrap();
        }
        let text = std::fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
        // Behind the name: the fields from the third on; 14 and 15 are ticks of 10 ms.
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        if let (Some(user), Some(system)) = (fields.get(11), fields.get(12)) {
            let ticks: f64 = user.parse::<f64>().unwrap() + system.parse::<f64>().unwrap();
            cpu_s = f64::max(cpu_s, ticks / 100.0);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    (peak_kib, cpu_s)
}

type Row = (i64, i64, i64, i64, i64, i32, i32, i64);

async fn check(dir: &Path, expected: &HashMap<i64, Stats>) {
    let store = windowsill::store::StoreReader::open(dir).await.unwrap();
    let rows: Vec<Row> = store
        .read(|db| {
            Box::pin(async move {
                let select = "select mac, probe_count, wildcard_count, first_ms, last_ms,
                    signal_min_dbm, signal_max_dbm,
                    (select count(*) from wifi_ssid s where s.mac = d.mac) from wifi_device d
                    where ssid_bound >= (select count(*) from wifi_ssid s where s.mac = d.mac)
                      and not exists (select 1 from wifi_ssid s where s.mac = d.mac and
                        not exists (select 1 from wifi_seeker w where w.ssid = s.ssid and w.mac = s.mac))";
                Ok(sqlx::query_as(select).fetch_all(db).await?)
            })
        })
        .await
        .unwrap();
    assert_eq!(rows.len(), expected.len());
    for (mac, probes, wildcards, first_ms, last_ms, weakest, strongest, networks) in rows {
        let networks = usize::try_from(networks).unwrap();
        let dbm = (weakest, strongest);
        let found = Stats { probes, wildcards, first_ms, last_ms, dbm, networks };
        assert_eq!(Some(&found), expected.get(&mac), "device {mac:012x}");
    }
}
