//! A measured process: what it uses, sampled from outside until it ends.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How often a process is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Linux counts CPU time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is printed of somebody.
pub(crate) struct Figures {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_mb: f64,
    /// From the start to the first durable result.
    pub(crate) first_s: Option<f64>,
    /// From the start after a `kill -9` until all is caught up, and how many records were left.
    pub(crate) after_kill: Option<(f64, i64)>,
}

/// A child that ends with the bench.
pub(crate) struct Process {
    child: Child,
    began: Instant,
    cpu_s: f64,
    peak_mb: f64,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        let began = Instant::now();
        Process { child: command.spawn().unwrap(), began, cpu_s: 0.0, peak_mb: 0.0 }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Looks at what it has used. `Some`: it has ended.
    pub(crate) fn look(&mut self) -> Option<ExitStatus> {
        let of = |name: &str| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
        };
        let (stat, status) = (of("stat"), of("status"));
        // The name, in brackets, may hold blanks; user and system time are 12 and 13 fields on.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        if let (Some(user), Some(system)) = (ticks(12), ticks(13)) {
            self.cpu_s = self.cpu_s.max((user + system) / TICKS_PER_SECOND);
        }
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.split_whitespace().next()) {
            self.peak_mb = kib.parse::<f64>().unwrap() / 1024.0;
        }
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, which has to be a good one. Gives what it used.
    pub(crate) fn finish(&mut self) -> Figures {
        loop {
            if let Some(status) = self.look() {
                assert!(status.success(), "it ended with {status}");
                return self.figures();
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            wall_s: self.seconds(),
            cpu_s: self.cpu_s,
            peak_mb: self.peak_mb,
            first_s: None,
            after_kill: None,
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
