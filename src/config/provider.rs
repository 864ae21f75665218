//! The sources as figment takes them: the file, the environment, single variables and flags.
//!
//! Invariant: a value keeps its text; it becomes a number only if it is written as that number.

use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

/// The provider of `WINDOWSILL_…`; errors name the variable itself.
pub(super) const ENVIRONMENT: &str = "the environment";
const PREFIX: &str = "WINDOWSILL_";

/// The variable that sets a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The file, whose text was read before.
pub(super) struct NamedToml {
    pub path: PathBuf,
    pub text: String,
}

impl Provider for NamedToml {
    fn metadata(&self) -> Metadata {
        Metadata::from("the file", Path::new(&self.path))
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Toml::string(&self.text).data()
    }
}

/// One value under a name of its own.
pub(super) struct Single {
    name: &'static str,
    key: &'static str,
    value: String,
}

impl Single {
    pub(super) fn new(name: &'static str, key: &'static str, value: &str) -> Single {
        Single { name, key, value: value.to_owned() }
    }
}

impl Provider for Single {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        let mut root = Dict::new();
        insert(&mut root, &self.key.split('.').collect::<Vec<&str>>(), &self.value);
        Ok(Profile::Default.collect(root))
    }
}

/// Every variable `WINDOWSILL_SECTION__KEY`.
pub(super) struct Environment(pub Vec<(String, String)>);

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(ENVIRONMENT)
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        let mut root = Dict::new();
        for (name, value) in &self.0 {
            let Some(key) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let key = key.to_lowercase();
            insert(&mut root, &key.split("__").collect::<Vec<&str>>(), value);
        }
        Ok(Profile::Default.collect(root))
    }
}

/// Puts a value at its path. What reads as a whole number and is written as one becomes a number.
fn insert(dict: &mut Dict, path: &[&str], value: &str) {
    match path {
        [] => {}
        [last] => {
            let number = value.parse::<i64>().ok().filter(|number| number.to_string() == value);
            let value = number.map_or_else(|| Value::from(value), Value::from);
            dict.insert((*last).to_owned(), value);
        }
        [section, rest @ ..] => {
            let inner =
                dict.entry((*section).to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
