//! Real Kafka brokers for tests: started from a folder of jars, stopped, killed, started again.
//!
//! A broker ends with the test process whatever becomes of that: it is killed when its standard
//! input closes.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::tool;

/// Where the jars are, if not where `.ci/services` puts them.
const VARIABLE: &str = "WINDOWSILL_TEST_KAFKA";
pub(super) const REMEDY: &str = "install Java 17 and Maven (Debian: `apt install default-jre-headless maven`) \
                      and run `.ci/services`";
/// How long a broker may take to answer, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Ports are picked and then bound: somebody else may be faster.
pub(super) const ATTEMPTS: usize = 3;
/// Any cluster's id, in the form that Kafka wants.
const CLUSTER_ID: &str = "d2luZG93c2lsbC10ZXN0cw";
/// Kills the broker when its own standard input closes, and says the broker's process id first.
const KEEPER: &str = r#""$@" </dev/null >>broker.log 2>&1 & broker=$!; echo $broker
cat >/dev/null; kill -9 $broker 2>/dev/null; wait $broker"#;

/// The folder of jars. `None`: there is none, which was said loudly.
pub(super) fn jars(test: &str) -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/services/kafka");
    let found = std::env::var_os(VARIABLE).map_or(usual, PathBuf::from);
    let has_java = tool::works(Command::new("java").arg("-version"));
    if has_java && found.join("complete").is_file() {
        return Some(found);
    }
    tool::leave_out(test, REMEDY);
    None
}

/// How a broker is set beside what every test needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrokerOptions {
    /// The cluster's id; every cluster that is given none has the same.
    pub(crate) cluster_id: Option<String>,
    /// Clients are told to come back to this port, where a proxy listens.
    pub(crate) advertised_port: Option<u16>,
    /// Lines of `server.properties`.
    pub(crate) properties: Vec<String>,
    /// Further arguments of `StorageTool format`.
    pub(crate) format: Vec<String>,
    /// The security protocol of the clients' listener, if not plain text.
    pub(crate) protocol: Option<&'static str>,
}

/// A broker's place in its cluster.
pub(super) struct Seat {
    /// From 1 on.
    id: usize,
    ports: Ports,
    /// `controller.quorum.voters`: where the controllers of the cluster are.
    voters: String,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    clients: u16,
    internal: u16,
    controller: u16,
}

impl Seat {
    /// Places for so many brokers; each is a controller as well.
    pub(super) fn of_cluster(size: usize) -> Vec<Seat> {
        let ports = free_ports(size);
        let voter = |(index, ports): (usize, &Ports)| {
            format!("{}@127.0.0.1:{}", index + 1, ports.controller)
        };
        let voters: Vec<String> = ports.iter().enumerate().map(voter).collect();
        let voters = voters.join(",");
        let seat = |(index, ports)| Seat { id: index + 1, ports, voters: voters.clone() };
        ports.into_iter().enumerate().map(seat).collect()
    }
}

/// A broker, running or not, with its data.
pub(crate) struct Broker {
    jars: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    life: Mutex<Option<Life>>,
}

/// A running broker: the keeper, and the process id of the broker itself.
struct Life {
    keeper: Child,
    process_id: String,
}

impl Drop for Life {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It ends when the broker has.
        let _ = self.keeper.wait();
    }
}

/// The broker that all tests of this process share, each with topics of its own.
pub(crate) fn shared(test: &str) -> Option<&'static Broker> {
    static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
    let broker =
        SHARED.get_or_init(|| Broker::start("the shared broker", BrokerOptions::default()));
    if broker.is_none() {
        tool::leave_out(test, REMEDY);
    }
    broker.as_ref()
}

impl Broker {
    /// A broker of this test's own, ready. `None`: it had to be left out.
    pub(crate) fn start(test: &str, options: BrokerOptions) -> Option<Broker> {
        let jars = jars(test)?;
        for _ in 0..ATTEMPTS {
            let broker = Broker::begin(&jars, &Seat::of_cluster(1)[0], &options);
            if broker.is_ready() {
                return Some(broker);
            }
        }
        panic!("no broker started in {ATTEMPTS} attempts");
    }

    /// Starts a broker on fresh data. It is not ready yet.
    pub(super) fn begin(jars: &Path, seat: &Seat, options: &BrokerOptions) -> Broker {
        let folder = tempfile::tempdir().unwrap();
        write_properties(folder.path(), seat, options);
        format(jars, folder.path(), options);
        let (jars, life) = (jars.to_owned(), Mutex::new(None));
        let broker = Broker { jars, folder, port: seat.ports.clients, life };
        broker.start_again();
        broker
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts a broker that was stopped, on the same data. It is not ready yet.
    pub(crate) fn start_again(&self) {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args(java(&self.jars))
            .args(["kafka.Kafka", "server.properties"])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The shell says that its child was killed.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process_id = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut process_id).unwrap();
        let life = Life { keeper, process_id: process_id.trim().to_owned() };
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = Some(life);
    }

    /// A program of Kafka's own.
    pub(crate) fn java(&self, class: &str) -> Command {
        let words = java(&self.jars);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(class);
        command
    }

    /// Waits until it takes connections. `false`: it has ended instead.
    pub(crate) fn is_ready(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if self.log().contains("Kafka Server started") {
                return TcpStream::connect(self.address()).is_ok();
            }
            if !self.runs() {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("the broker is not ready after {READY_WITHIN:?}:\n{}", self.log());
    }

    /// Dies as if the power had gone.
    pub(crate) fn kill(&self) {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::fs::remove_file(self.log_path()).unwrap();
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(&self) {
        self.signal("-TERM");
        let began = Instant::now();
        while self.runs() {
            assert!(began.elapsed() < READY_WITHIN, "the broker does not end");
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill();
    }

    /// Sends a signal to the broker, such as one that makes it hang.
    pub(crate) fn signal(&self, signal: &str) {
        let life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let process_id = &life.as_ref().expect("it runs").process_id;
        assert!(Command::new("kill").args([signal, process_id]).status().unwrap().success());
    }

    pub(super) fn runs(&self) -> bool {
        let life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(life) = &*life else { return false };
        tool::works(Command::new("kill").args(["-0", &life.process_id]))
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("broker.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

fn java(jars: &Path) -> Vec<String> {
    let mut words: Vec<String> =
        ["java", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]
            .map(str::to_owned)
            .into();
    words.push(format!("{}/*", jars.display()));
    words
}

fn format(jars: &Path, folder: &Path, options: &BrokerOptions) {
    let words = java(jars);
    let cluster_id = options.cluster_id.as_deref().unwrap_or(CLUSTER_ID);
    let formatted = Command::new(&words[0])
        .args(&words[1..])
        .args(["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", "server.properties"])
        .args(&options.format)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
}

fn write_properties(folder: &Path, seat: &Seat, options: &BrokerOptions) {
    let Ports { clients: port, internal, controller } = seat.ports;
    let protocol = options.protocol.unwrap_or("PLAINTEXT");
    let advertised = options.advertised_port.unwrap_or(port);
    let mut lines: Vec<String> = vec![
        "process.roles=broker,controller".to_owned(),
        format!("node.id={}", seat.id),
        format!("controller.quorum.voters={}", seat.voters),
        format!(
            "listeners=CLIENTS://127.0.0.1:{port},INTERNAL://127.0.0.1:{internal},\
             CONTROLLER://127.0.0.1:{controller}"
        ),
        format!(
            "advertised.listeners=CLIENTS://127.0.0.1:{advertised},\
             INTERNAL://127.0.0.1:{internal}"
        ),
        format!(
            "listener.security.protocol.map=CLIENTS:{protocol},INTERNAL:PLAINTEXT,\
             CONTROLLER:PLAINTEXT"
        ),
        "inter.broker.listener.name=INTERNAL".to_owned(),
        "controller.listener.names=CONTROLLER".to_owned(),
        format!("log.dirs={}", folder.join("data").display()),
        "offsets.topic.replication.factor=1".to_owned(),
        "offsets.topic.num.partitions=1".to_owned(),
        "transaction.state.log.replication.factor=1".to_owned(),
        "transaction.state.log.min.isr=1".to_owned(),
        "transaction.state.log.num.partitions=1".to_owned(),
        "group.initial.rebalance.delay.ms=0".to_owned(),
        // The default takes most of the memory.
        "log.cleaner.dedupe.buffer.size=4194304".to_owned(),
        "log.cleaner.backoff.ms=500".to_owned(),
        "log.index.size.max.bytes=65536".to_owned(),
        // Records of tests are as old as they like.
        "log.retention.ms=-1".to_owned(),
    ];
    lines.extend(options.properties.iter().cloned());
    std::fs::write(folder.join("server.properties"), lines.join("\n")).unwrap();
}

/// Ports for so many brokers.
fn free_ports(brokers: usize) -> Vec<Ports> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // Held until all are chosen, or one could be chosen twice.
    let listeners: Vec<[TcpListener; 3]> =
        (0..brokers).map(|_| [listen(), listen(), listen()]).collect();
    let ports = |listeners: [TcpListener; 3]| {
        let [clients, internal, controller] =
            listeners.map(|listener| listener.local_addr().unwrap().port());
        Ports { clients, internal, controller }
    };
    listeners.into_iter().map(ports).collect()
}
