//! Connections that say nothing: closed in time, and never too many.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use windowsill::http::{Limits, Server};

use crate::bot::SOON;

const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nHost: windowsill\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

async fn running(limits: Limits) -> Running {
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap().limited(limits);
    let address = server.address();
    let (stop, stopped) = watch::channel(false);
    let router = Router::new().route("/", get(|| async { "here" }));
    let server = tokio::spawn(async move { server.run(router, stopped).await.unwrap() });
    Running { address, stop, server }
}

/// Opens a connection and writes this.
async fn connected(server: &Running, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything that comes until the other end closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await;
    // A reset is an end, too.
    drop(read.expect("it is still open"));
    String::from_utf8(bytes).unwrap()
}

async fn is_answered(stream: &mut TcpStream) {
    let mut bytes = [0; 15];
    let read = tokio::time::timeout(SOON, stream.read_exact(&mut bytes)).await;
    read.expect("no answer").unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn half_a_request_is_not_waited_for() {
    let limits = Limits { head_within: Duration::from_millis(200), ..Limits::default() };
    let server = running(limits).await;
    for begun in [b"".as_slice(), b"GET / HT", &WHOLE[..WHOLE.len() - 2]] {
        let answer = rest(&mut connected(&server, begun).await).await;
        assert!(!answer.contains("200"), "{answer}");
    }
    // An answered connection may go on, for as long.
    let mut kept = connected(&server, WHOLE).await;
    is_answered(&mut kept).await;
    assert!(rest(&mut kept).await.ends_with("here"));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits { head_within: Duration::from_secs(3_600), connections: 2 };
    let server = running(limits).await;
    let mut first = connected(&server, WHOLE).await;
    is_answered(&mut first).await;
    let mut second = connected(&server, WHOLE).await;
    is_answered(&mut second).await;
    let mut third = connected(&server, WHOLE).await;
    let early = tokio::time::timeout(Duration::from_millis(200), third.read_u8()).await;
    assert!(early.is_err(), "it was answered beside two others");
    drop(first);
    is_answered(&mut third).await;
}

#[tokio::test]
async fn half_a_request_does_not_keep_the_server_from_stopping() {
    let server = running(Limits::default()).await;
    let mut half = connected(&server, b"GET / HT").await;
    let mut idle = connected(&server, WHOLE).await;
    is_answered(&mut idle).await;
    server.stop.send(true).unwrap();
    tokio::time::timeout(SOON, server.server).await.expect("it still runs").unwrap();
    rest(&mut half).await;
    rest(&mut idle).await;
}
