//! The configuration, its secrets, and the time zone.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::DateTime;

use super::{Finding, Verdict};
use crate::config::Config;

const CONFIGURATION: &str = "configuration";
const ZONE: &str = "time zone";
/// Permission of others to read a file.
const OTHERS_READ: u32 = 0o004;

/// A configuration that cannot be used.
pub fn refused(reason: &str) -> Finding {
    let remedy = "`windowsill config` lists every key once it can be read";
    Finding::new(Verdict::Misconfigured, CONFIGURATION, reason, remedy)
}

/// Where a valid configuration comes from, and who else can read its secrets.
pub fn configuration(config: &Config) -> Vec<Finding> {
    // A section is set where its keys are.
    let is_section = |key: &str| {
        config.origins.keys().any(|other| other.strip_prefix(key).is_some_and(is_key_below))
    };
    let keys = config.origins.iter().filter(|(key, _)| !is_section(key));
    let origins: BTreeSet<&str> = keys.map(|(_, origin)| origin.as_str()).collect();
    let origins: Vec<&str> = origins.into_iter().collect();
    let says = match origins.as_slice() {
        [] => "valid; nothing is set, so the defaults hold".to_owned(),
        origins => format!("valid; set by {}", origins.join(", ")),
    };
    let mut findings = vec![Finding::ok(CONFIGURATION, says)];
    let secrets = secret_files(config);
    findings.extend(secrets.into_iter().filter(|path| is_open_to_others(Path::new(path))).map(
        |path| {
            Finding::new(
                Verdict::Warning,
                "secrets",
                format!("everybody on this machine can read the secret in {path}"),
                format!("`chmod o-r {path}`"),
            )
        },
    ));
    findings
}

fn is_key_below(rest: &str) -> bool {
    rest.starts_with('.')
}

/// The files in which secrets stand: named by a `_file` key, or the configuration file itself.
fn secret_files(config: &Config) -> BTreeSet<String> {
    let of_key = |key: &str, file: Option<&Path>| {
        let named = file.map(|path| path.display().to_string());
        let variable = |origin: &String| !Path::new(origin).is_file();
        named.or_else(|| config.origins.get(key).filter(|origin| !variable(origin)).cloned())
    };
    let telegram = of_key("telegram.token", config.telegram.token_file.as_deref());
    let webhook = of_key("webhook.secret", config.webhook.secret_file.as_deref());
    let http = of_key("http.token", config.http.token_file.as_deref());
    telegram.into_iter().chain(webhook).chain(http).collect()
}

fn is_open_to_others(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.permissions().mode() & OTHERS_READ != 0)
}

/// The zone that times are shown in. `tz` is the environment's TZ.
pub fn time_zone(config: &Config, tz: Option<&str>, now_ms: i64) -> Finding {
    let zone = config.time_zone.get();
    let is_set = config.origins.contains_key("time_zone");
    let now = DateTime::from_timestamp_millis(now_ms).unwrap_or_default().with_timezone(&zone);
    let says = format!("{}, where it is {}", zone.name(), now.format("%H:%M"));
    match tz.filter(|tz| !is_set && !tz.is_empty()) {
        None => Finding::ok(ZONE, says),
        Some(tz) => Finding::new(
            Verdict::Warning,
            ZONE,
            format!("{says}, because TZ={tz} is no name of a zone"),
            "set time_zone to one such as Europe/Berlin",
        ),
    }
}
