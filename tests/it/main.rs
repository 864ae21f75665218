//! The integration tests: one binary, so that the crate is linked once.

#![cfg(test)]

mod botapi;
mod botapi_faults;
mod botapi_webhook;
mod botapi_world;
mod browser;
mod python_bot;
mod teloxide_bot;
mod tool;
