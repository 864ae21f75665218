//! The local ngrok agent: which public address leads to our port.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

/// How long the agent may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Why the agent did not say.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No agent runs, or not there.
    #[error("no ngrok agent answers at {0}")]
    Away(String),
    /// Something else listens there, or a newer agent.
    #[error("what answers at {0} is no ngrok agent")]
    Senseless(String),
    /// An agent without a tunnel of ours.
    #[error("no https tunnel of the ngrok agent leads to port {0}; start `ngrok http {0}`")]
    NoTunnel(u16),
}

/// The agent, and the address its tunnel has to lead to.
pub struct Agent {
    http: reqwest::Client,
    api_url: String,
    listen: SocketAddr,
}

#[derive(Deserialize)]
struct Answer {
    tunnels: Vec<Tunnel>,
}

#[derive(Deserialize)]
struct Tunnel {
    public_url: String,
    proto: String,
    config: Target,
}

#[derive(Deserialize)]
struct Target {
    addr: String,
}

impl Agent {
    /// An agent that may not run yet.
    pub fn new(api_url: &str, listen: SocketAddr) -> Result<Agent, reqwest::Error> {
        // It is on this machine or beside it: no proxy leads there.
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        Ok(Agent { http, api_url: api_url.trim_end_matches('/').to_owned(), listen })
    }

    /// The public address that leads to us; `known` where several do and it is among them.
    pub async fn public_url(&self, known: Option<&Url>) -> Result<Url, AgentError> {
        let url = format!("{}/api/tunnels", self.api_url);
        let away = |_| AgentError::Away(self.api_url.clone());
        let senseless = |_| AgentError::Senseless(self.api_url.clone());
        let response = self.http.get(url).send().await.map_err(away)?;
        let body = response.bytes().await.map_err(away)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(senseless)?;
        let ours = answer.tunnels.iter().filter(|tunnel| tunnel.proto == "https");
        let ours = ours.filter(|tunnel| leads_to(&tunnel.config.addr, self.listen));
        let mut urls: Vec<Url> =
            ours.filter_map(|tunnel| Url::parse(&tunnel.public_url).ok()).collect();
        urls.sort();
        let still = urls.iter().find(|url| known.is_some_and(|known| same_origin(url, known)));
        still.or(urls.first()).cloned().ok_or_else(|| AgentError::NoTunnel(self.listen.port()))
    }
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Does a tunnel to `addr` end at our port? The agent writes a port, `host:port` or a URL.
fn leads_to(addr: &str, listen: SocketAddr) -> bool {
    if let Ok(port) = addr.parse::<u16>() {
        return port == listen.port();
    }
    let url = if addr.contains("://") { addr.to_owned() } else { format!("http://{addr}") };
    let Ok(url) = Url::parse(&url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = match host.parse::<IpAddr>() {
        Ok(ip) => ip == listen.ip() || (ip.is_loopback() && !is_of_one_network(listen.ip())),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    // Listening everywhere, we are found under any name: an agent in a container has its own.
    (is_here || listen.ip().is_unspecified()) && url.port_or_known_default() == Some(listen.port())
}

/// An address that only one network sees: not loopback, not all.
fn is_of_one_network(ip: IpAddr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_leads_here_by_port_and_host() {
        let loopback: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let everywhere: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        let lan: SocketAddr = "192.168.1.5:8080".parse().unwrap();
        for (addr, is_loopback, is_everywhere, is_lan) in [
            ("http://localhost:8080", true, true, true),
            ("localhost:8080", true, true, true),
            ("8080", true, true, true),
            ("http://127.0.0.1:8080", true, true, false),
            ("http://[::1]:8080", true, true, false),
            ("http://192.168.1.5:8080", false, true, true),
            ("http://other:8080", false, true, false),
            ("http://localhost:8081", false, false, false),
            ("http://localhost", false, false, false),
            ("file:///srv", false, false, false),
        ] {
            let found = [loopback, everywhere, lan].map(|listen| leads_to(addr, listen));
            assert_eq!(found, [is_loopback, is_everywhere, is_lan], "{addr}");
        }
    }
}
