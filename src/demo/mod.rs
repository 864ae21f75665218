//! The demo: a Bot API server with a web chat, and simulated feeds.

pub mod botapi;
