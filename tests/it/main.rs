//! The integration tests: one binary, so that the crate is linked once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails panics"
)]

mod config_cli;
mod log_conformance;
mod support;
mod topic_cli;
