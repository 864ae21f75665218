//! A TCP proxy between the bot and a broker that can be slow, cut connections, or let none through.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is done to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// What the broker answers comes so much later.
    Slow(Duration),
    /// A connection is reset after so many bytes of the broker's, the next one after twice as many.
    CutAfter(usize),
    /// Every connection is reset.
    Gone,
}

/// The proxy; it ends when it is dropped.
pub(crate) struct Chaos {
    pub(crate) port: u16,
    weather: watch::Sender<Weather>,
    target: watch::Sender<Option<u16>>,
    task: JoinHandle<()>,
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Chaos {
    /// Listens. Connections are passed on once there is a target.
    pub(crate) async fn start() -> Chaos {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let weather = watch::Sender::new(Weather::Fair);
        let target = watch::Sender::new(None);
        let (coming, going) = (weather.clone(), target.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = *going.borrow();
                if let Some(port) = target {
                    tokio::spawn(carry(client, port, coming.clone()));
                }
            }
        });
        Chaos { port, weather, target, task }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn lead_to(&self, port: u16) {
        self.target.send_replace(Some(port));
    }

    pub(crate) fn turns(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn carry(client: TcpStream, port: u16, weather: watch::Sender<Weather>) {
    let broker = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(broker) = TcpStream::connect(broker).await else { return };
    for stream in [&client, &broker] {
        // Closing is a reset, not a farewell.
        let _ = stream.set_zero_linger();
    }
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let mut gone = weather.subscribe();
    tokio::select! {
        () = pass_on(from_client, to_broker) => {}
        () = answer(from_broker, to_client, weather) => {}
        _ = gone.wait_for(|now| *now == Weather::Gone) => {}
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, weather: watch::Sender<Weather>) {
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let now = *weather.borrow();
        let mut part = &buffer[..count];
        match now {
            Weather::Slow(delay) => tokio::time::sleep(delay).await,
            Weather::CutAfter(limit) if passed + count > limit => {
                part = &part[..limit.saturating_sub(passed).min(count)];
                weather.send_if_modified(|now| match now {
                    // Nobody else was cut meanwhile.
                    Weather::CutAfter(known) if *known == limit => {
                        *known *= 2;
                        true
                    }
                    _ => false,
                });
            }
            _ => {}
        }
        if to.write_all(part).await.is_err() || part.len() < count {
            return;
        }
        passed += count;
    }
}
