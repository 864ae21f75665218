//! Properties that are passed on by their dotted names, as `kafka.properties` has them.
//!
//! Invariant: a value that may be a secret shows itself to `get` only.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::Secret;
use crate::log::kafka::is_secret;

/// Ends the name of a property whose value is in a file.
const FILE: &str = "_file";

/// Names and values. `sasl.password = "x"` and `"sasl.password" = "x"` are the same to it, and so
/// is the variable `WINDOWSILL_KAFKA__PROPERTIES__SASL__PASSWORD`.
#[derive(Debug, Clone, Default)]
pub struct Properties(BTreeMap<String, Secret>);

impl Properties {
    /// The values themselves, for the one place that uses them.
    pub fn reveal(&self) -> BTreeMap<String, String> {
        let pair = |(name, value): (&String, &Secret)| (name.clone(), value.reveal().to_owned());
        self.0.iter().map(pair).collect()
    }

    /// Reads the values that are in files. `Err` names the property and says what is wrong.
    pub(super) fn read_files(&mut self, working_dir: &Path) -> Result<(), (String, String)> {
        let files: Vec<String> =
            self.0.keys().filter(|name| name.ends_with(FILE)).cloned().collect();
        for name in files {
            let Some(path) = self.0.remove(&name) else { continue };
            let property = name.trim_end_matches(FILE).to_owned();
            if self.0.contains_key(&property) {
                return Err((name, format!("{property} is set as well, expected one of them")));
            }
            let path = working_dir.join(path.reveal());
            let text = std::fs::read_to_string(&path).map_err(|error| {
                (name.clone(), format!("cannot read {}: {error}", path.display()))
            })?;
            self.0.insert(property, Secret::new(text.trim().to_owned()));
        }
        Ok(())
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match is_secret(name) {
                true => map.serialize_entry(name, value)?,
                false => map.serialize_entry(name, value.reveal())?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Properties, D::Error> {
        let mut found = BTreeMap::new();
        let Node::Inner(inner) = Node::deserialize(deserializer)? else {
            return Err(D::Error::custom("expected a section of properties"));
        };
        flatten("", inner, &mut found);
        Ok(Properties(found))
    }
}

fn flatten(prefix: &str, inner: BTreeMap<String, Node>, found: &mut BTreeMap<String, Secret>) {
    for (name, node) in inner {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match node {
            Node::Value(value) => drop(found.insert(path, Secret::new(value))),
            Node::Inner(inner) => flatten(&path, inner, found),
        }
    }
}

/// A value, or names below a part of a name.
enum Node {
    Value(String),
    Inner(BTreeMap<String, Node>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        struct Nodes;
        impl<'de> Visitor<'de> for Nodes {
            type Value = Node;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text, a number, true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Value(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Value(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Value(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
                Ok(Node::Value(number.to_string()))
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Node, E> {
                Ok(Node::Value(truth.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut inner = BTreeMap::new();
                while let Some((name, node)) = map.next_entry::<String, Node>()? {
                    inner.insert(name, node);
                }
                Ok(Node::Inner(inner))
            }
        }
        deserializer.deserialize_any(Nodes)
    }
}
