//! The schema registry: does it answer, and is it one?
//!
//! Invariant: nothing is registered.

use super::{Finding, Verdict};
use crate::log::registry::{Registry, RegistryError};

const REGISTRY: &str = "schema registry";

/// Asks the registry what it can do.
pub async fn ask(registry: &Registry) -> Finding {
    let Err(error) = registry.expect_avro().await else {
        return Finding::ok(REGISTRY, format!("{} answers", registry.url()));
    };
    let verdict = match error {
        RegistryError::Away { .. } | RegistryError::InTrouble { .. } => Verdict::Failed,
        _ => Verdict::Misconfigured,
    };
    let remedy = "records of schemas that are known are folded meanwhile, others wait";
    Finding::new(verdict, REGISTRY, error.to_string(), remedy)
}
