//! The demo: a Bot API server with a web chat, and simulated sensors on an accelerated clock.

pub mod botapi;
pub mod clock;
pub mod feed;
pub mod plants;
