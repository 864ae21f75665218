//! The `Host` of a request, judged: a name that somebody else's DNS server may point at us lets their
//! page in a browser read ours (DNS rebinding).

use std::net::IpAddr;

/// Zones in which nobody can register a name (RFC 6761, 6762, 8375; `internal` by ICANN).
const LOCAL: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// Is the page opened by an address, or by a name of which no DNS server outside has a say: one
/// without a dot, such as a container's, or one that ends as local names do?
pub fn is_local(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = without_port.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    let is_below = |zone: &str| name.strip_suffix(zone).is_some_and(|left| left.ends_with('.'));
    !name.is_empty() && (!name.contains('.') || LOCAL.iter().any(|zone| is_below(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_can_register_is_not_ours() {
        for host in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]:8080",
            "[fe80::1]",
            "localhost:8080",
            "LOCALHOST",
            "windowsill:8080",
            "pi.local:8080",
            "pi.local.",
            "bot.home.arpa",
            "prometheus.internal",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            ":8080",
            "evil.example:8080",
            "evil.example.",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8080",
            "notlocal.example",
            "evilhome.arpa",
            "a.b",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
