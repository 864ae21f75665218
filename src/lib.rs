//! Windowsill: events from around a house become windowed aggregates in SQLite and alerts in a chat.
//!
//! ARCHITECTURE.md has the map; each module's first lines say its one responsibility.

pub mod app;
pub mod background;
pub mod charts;
pub mod cli;
pub mod clock;
pub mod condition;
pub mod config;
pub mod crash;
pub mod demo;
pub mod engine;
pub mod exit;
pub mod http;
pub mod kernel;
pub mod log;
pub mod meter;
pub mod ops;
pub mod panics;
pub mod rooms;
pub mod sensor;
pub mod sqlite;
pub mod store;
pub mod telegram;
