//! A real schema registry as a child process, shared by the tests, and a proxy before it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::tool::{leave_out, works};

/// Where the registry's API is below its address.
const API: &str = "/apis/ccompat/v7";
/// How long a Java program may take to start on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(120);
/// "Pick a free port, then bind" can lose a race.
const ATTEMPTS: usize = 3;
const REMEDY: &str = "run `.ci/registry` (Java 17 and Maven), which fetches it into \
                      target/services/registry (WINDOWSILL_TEST_REGISTRY names another folder)";

/// A registry, and with it the process that ends when this one does.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Where it answers over TLS, and whose word its certificate has; `None` without openssl.
    tls: Option<(u16, PathBuf)>,
    _stdin: ChildStdin,
    _child: Child,
}

static SHARED: LazyLock<Option<Server>> = LazyLock::new(Server::start);

/// The registry; `None` where it is not installed, which is told or is a failure.
pub(crate) fn registry(test: &str) -> Option<&'static Server> {
    let found = SHARED.as_ref();
    if found.is_none() {
        leave_out(test, REMEDY);
    }
    found
}

fn jar() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/services/registry");
    let folder = std::env::var_os("WINDOWSILL_TEST_REGISTRY").unwrap_or_else(|| default.into());
    let mut files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.find(|path| path.to_string_lossy().ends_with("-runner.jar"))
}

impl Server {
    fn start() -> Option<Server> {
        let jar = jar()?;
        if !works(Command::new("java").arg("-version")) {
            return None;
        }
        (0..ATTEMPTS).find_map(|_| Server::attempt(&jar))
    }

    fn attempt(jar: &PathBuf) -> Option<Server> {
        let [port, tls_port] = [(); 2]
            .map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let certificates = certificates(port);
        // The shell reads nothing until this process is gone, and then ends the registry.
        let script = "java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -jar \"$1\" & \
                      read -r _; kill $!";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(jar);
        command.env("QUARKUS_HTTP_HOST", "127.0.0.1").env("QUARKUS_HTTP_PORT", port.to_string());
        if let Some(folder) = &certificates {
            command
                .env("QUARKUS_HTTP_SSL_PORT", tls_port.to_string())
                .env("QUARKUS_HTTP_SSL_CERTIFICATE_FILES", folder.join("server.pem"))
                .env("QUARKUS_HTTP_SSL_CERTIFICATE_KEY_FILES", folder.join("server.key"));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let tls = certificates.map(|folder| (tls_port, folder.join("ca.pem")));
        let server = Server { port, tls, _stdin: child.stdin.take().unwrap(), _child: child };
        let begun = Instant::now();
        while begun.elapsed() < START_WITHIN {
            if server.ask("GET", "/health/ready", None).is_some_and(|(status, _)| status == 200) {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// The address for clients.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{API}", self.port)
    }

    /// Its address over TLS, and the file of the authority behind its certificate.
    pub(crate) fn tls(&self) -> Option<(String, PathBuf)> {
        let (port, authority) = self.tls.clone()?;
        Some((format!("https://127.0.0.1:{port}{API}"), authority))
    }

    /// Registers a schema as some other program would. Gives its id.
    pub(crate) fn register(&self, subject: &str, schema: &str) -> u32 {
        let path = format!("{API}/subjects/{subject}/versions");
        let (status, body) = self.ask("POST", &path, Some(&json!({"schema": schema}))).unwrap();
        assert_eq!(status, 200, "{body}");
        u32::try_from(body["id"].as_u64().unwrap()).unwrap()
    }

    /// The subjects that there are.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let (_, subjects) = self.ask("GET", &format!("{API}/subjects"), None).unwrap();
        serde_json::from_value(subjects).unwrap()
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(self.port, request.as_bytes()).ok()?;
        let text = String::from_utf8(answer).ok()?;
        let status = text.split(' ').nth(1)?.parse().ok()?;
        let body = text.split_once("\r\n\r\n")?.1;
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }
}

/// An authority of our own and a certificate of its, in a folder; `None` without openssl.
fn certificates(port: u16) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("registry-{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    let script = "set -e
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 \
            -subj '/CN=an authority for tests'
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=registry
        printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
            -extfile extensions -out server.pem";
    works(Command::new("sh").args(["-c", script]).current_dir(&folder)).then_some(folder)
}

/// Sends a request and reads until the other side closes.
fn exchange(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// What a proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// The connection is closed without an answer.
    Closed,
    /// Nothing is ever answered.
    Silent,
    Status(u16),
}

/// Stands between the program and a registry.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    mode: Mode,
    requests: Vec<String>,
    /// The user and password without which nothing passes.
    user: Option<String>,
}

impl Proxy {
    pub(crate) fn before(server: &Server) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { mode: Mode::Pass, requests: Vec::new(), user: None };
        let state = Arc::new(Mutex::new(state));
        let (upstream, shared) = (server.port, Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that has gone away is its own affair.
                std::thread::spawn(move || drop(serve(&stream, upstream, &shared)));
            }
        });
        Proxy { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{API}", self.port)
    }

    pub(crate) fn turn(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// Nothing passes from now on without this user and password.
    pub(crate) fn expect_user(&self, user: &str, password: &str) {
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.state.lock().unwrap().user = Some(format!("authorization: Basic {encoded}"));
    }

    /// The first lines of what was asked.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

fn serve(stream: &TcpStream, upstream: u16, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let (mode, is_known) = {
        let mut state = state.lock().unwrap();
        state.requests.push(head[0].clone());
        (state.mode, state.user.as_ref().is_none_or(|user| head.contains(user)))
    };
    let status = |status: u16| format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n");
    let mut out = stream;
    match mode {
        Mode::Closed => Ok(()),
        Mode::Silent => {
            // Until the client gives up.
            let _ = reader.read(&mut [0])?;
            Ok(())
        }
        Mode::Status(code) => out.write_all(status(code).as_bytes()),
        Mode::Pass if !is_known => out.write_all(status(401).as_bytes()),
        Mode::Pass => {
            head.push("connection: close".to_owned());
            let head = format!("{}\r\n\r\n", head.join("\r\n"));
            out.write_all(&exchange(upstream, &[head.as_bytes(), &body].concat())?)
        }
    }
}
