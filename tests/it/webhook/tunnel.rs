//! A public address that leads to the bot's port, as a proxy or ngrok's end does; and the agent
//! that tells which.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Passes every connection on to wherever it leads at that moment; to nowhere at first.
pub(super) struct Tunnel {
    pub(super) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
}

impl Tunnel {
    pub(super) async fn open() -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(None));
        let tunnel = Tunnel { address, target: Arc::clone(&target) };
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let to: Option<SocketAddr> = *target.lock().unwrap();
                tokio::spawn(async move {
                    let Some(to) = to else { return };
                    let Ok(mut to) = TcpStream::connect(to).await else { return };
                    // Either side may break off.
                    let _ = copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        tunnel
    }

    pub(super) fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = Some(target);
    }

    /// Its address with this path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// An ngrok agent: its port is reserved before it runs.
pub(super) struct Agent {
    pub(super) url: String,
    socket: Option<TcpSocket>,
    tunnels: Arc<Mutex<Vec<Value>>>,
}

impl Agent {
    pub(super) fn reserved() -> Agent {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        Agent { url, socket: Some(socket), tunnels: Arc::default() }
    }

    /// From now on it answers.
    pub(super) fn start(&mut self) {
        let listener = self.socket.take().unwrap().listen(16).unwrap();
        let router = Router::new()
            .route("/api/tunnels", get(tunnels))
            .fallback(StatusCode::NOT_FOUND)
            .with_state(Arc::clone(&self.tunnels));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// What runs now: protocol, public address, and where it leads.
    pub(super) fn runs(&self, tunnels: &[(&str, &str, &str)]) {
        let tunnel = |(proto, public_url, addr): &(&str, &str, &str)| {
            json!({"name": "command_line", "uri": "/api/tunnels/command_line", "proto": proto,
                "public_url": public_url, "config": {"addr": addr, "inspect": true}})
        };
        *self.tunnels.lock().unwrap() = tunnels.iter().map(tunnel).collect();
    }
}

async fn tunnels(State(tunnels): State<Arc<Mutex<Vec<Value>>>>) -> Json<Value> {
    Json(json!({"tunnels": *tunnels.lock().unwrap(), "uri": "/api/tunnels"}))
}
