//! The integration tests: one binary, so that the crate is linked once.

mod config_cli;
mod log_conformance;
mod support;
mod topic_cli;
