//! What is in force, as TOML that could be a configuration file.
//!
//! Invariant: secrets show as `<set>`; a value that nobody set is there with its default.

use std::fmt::Write;

use serde_json::Value;

use super::{Config, Key, SECTIONS, Topic};

/// The configuration with each key's comment and origin.
pub fn render(config: &Config) -> String {
    let mut out = String::new();
    let is_section = |name: &str| SECTIONS.iter().any(|(section, _)| *section == name);
    let is_plain = |name: &str| !is_section(name) && !["topics", "origins"].contains(&name);
    let values = serde_json::to_value(config).unwrap_or_default();
    keys(&mut out, config, "", Config::KEYS.iter().filter(|key| is_plain(key.name)), &values);
    for (name, known) in SECTIONS {
        section(&mut out, config, name, known, &values[name]);
    }
    for (name, topic) in &config.topics {
        let values = serde_json::to_value(topic).unwrap_or_default();
        section(&mut out, config, &format!("topics.{}", text(name)), Topic::KEYS, &values);
    }
    out
}

fn section(out: &mut String, config: &Config, name: &str, known: &[Key], values: &Value) {
    let _ = writeln!(out, "\n[{name}]");
    keys(out, config, &format!("{name}."), known.iter(), values);
}

fn keys<'a>(
    out: &mut String,
    config: &Config,
    prefix: &str,
    known: impl Iterator<Item = &'a Key>,
    values: &Value,
) {
    for key in known {
        for line in key.doc {
            let _ = writeln!(out, "#{line}");
        }
        let path = format!("{prefix}{}", key.name);
        let name = key.name;
        let value = &values[name];
        if value.is_null() {
            let _ = writeln!(out, "# {name} is not set");
            continue;
        }
        let origin = config.origins.get(&path).map(String::as_str);
        let in_file = path.starts_with("topics.");
        let origin = origin.unwrap_or(if in_file { "set" } else { "default" });
        let _ = writeln!(out, "{name} = {}  # {origin}", toml(value));
    }
}

fn toml(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(pairs) if pairs.is_empty() => "{}".to_owned(),
        Value::Object(pairs) => {
            let pair =
                |(name, value): (&String, &Value)| format!("{} = {}", text(name), toml(value));
            let pairs: Vec<String> = pairs.iter().map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A string of JSON is a string of TOML, but for DEL.
fn text(string: &str) -> String {
    Value::from(string).to_string().replace('\u{7f}', "\\u007f")
}
