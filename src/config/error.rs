//! What is wrong with a configuration, in one sentence that names where and what was expected.
//!
//! Invariant: no sentence quotes a line of the file; a token may stand on it.

use std::path::PathBuf;

use figment::error::{Actual, Kind};

use super::key_paths;
use super::provider::{ENVIRONMENT, variable_of};

/// Why the program does not start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {reason}")]
    Read { path: PathBuf, reason: String },
    #[error("{file} is not TOML: {reason}")]
    Syntax { file: String, reason: String },
    #[error("{origin} sets {key:?}, which is not a key{hint}")]
    UnknownKey { origin: String, key: String, hint: String },
    #[error("{origin} sets {key} to {found}, expected {expected}")]
    Value { origin: String, key: String, found: String, expected: String },
    #[error("{origin} sets {key}: {reason}")]
    Refused { origin: String, key: String, reason: String },
    #[error("both {key} ({origin}) and {key}_file ({file_origin}) are set, expected one of them")]
    Both { key: String, origin: String, file_origin: String },
}

impl ConfigError {
    pub(super) fn new(error: figment::Error) -> ConfigError {
        let key = error.path.join(".");
        let from_environment = error.metadata.as_ref().is_some_and(|from| from.source.is_none());
        let origin = match &error.metadata {
            // Providers of ours name a variable or a flag; a file has a path as its source.
            Some(from) if from_environment => from.name.clone().into_owned(),
            Some(from) => from.source.as_ref().map_or_else(String::new, ToString::to_string),
            None => "the configuration".to_owned(),
        };
        let origin = if origin == ENVIRONMENT { variable_of(&key) } else { origin };
        match error.kind {
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                let (found, expected) = (found_text(&found), expected_text(expected));
                ConfigError::Value { origin, key, found, expected }
            }
            Kind::UnknownField(field, _) => unknown_key(origin, &error.path, &field),
            Kind::Message(text) if text.contains("TOML parse error") => {
                ConfigError::Syntax { file: origin, reason: without_quotes(&text) }
            }
            other => ConfigError::Refused { origin, key, reason: other.to_string() },
        }
    }
}

/// What was found, in the reader's words rather than in serde's.
fn found_text(found: &Actual) -> String {
    match found {
        Actual::Str(text) => format!("{text:?}"),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        Actual::Float(number) => number.to_string(),
        Actual::Bool(truth) => truth.to_string(),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a section".to_owned(),
        other => other.to_string(),
    }
}

fn expected_text(expected: String) -> String {
    match expected.as_str() {
        "u32" | "u64" => "a whole number from 0 on".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        _ => expected,
    }
}

fn unknown_key(origin: String, path: &[String], field: &str) -> ConfigError {
    let mut path = path.to_vec();
    if path.last().is_none_or(|last| last != field) {
        path.push(field.to_owned());
    }
    let key = path.join(".");
    let origin = if origin.starts_with("WINDOWSILL_") { variable_of(&key) } else { origin };
    let nearest = key_paths()
        .into_iter()
        .map(|known| (likeness(&known, &key, field), known))
        .max_by(|left, right| left.0.total_cmp(&right.0));
    let hint = match nearest {
        Some((likeness, known)) if likeness > 0.75 => format!("; did you mean {known:?}?"),
        _ => format!("; the keys are {}", key_paths().join(", ")),
    };
    ConfigError::UnknownKey { origin, key, hint }
}

/// How alike a known key is to the one found, as a whole or in its last part: 0 to 1.
fn likeness(known: &str, key: &str, field: &str) -> f64 {
    let last = known.rsplit('.').next().unwrap_or(known);
    let whole = strsim::normalized_damerau_levenshtein(known, key);
    // The right key in the wrong section comes after a misspelt one in the right section.
    let part = strsim::normalized_damerau_levenshtein(last, field) * 0.95;
    whole.max(part)
}

/// The parser's text without the lines of the file that it shows.
fn without_quotes(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.contains('|')).map(str::trim);
    let kept: Vec<&str> = kept.filter(|line| !line.is_empty()).collect();
    kept.join(", ").replace("TOML parse error at ", "")
}
