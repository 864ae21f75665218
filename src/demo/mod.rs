//! The demo: a Bot API server with a web chat, and simulated plants and phones on an accelerated
//! clock.

pub mod botapi;
mod chance;
pub mod clock;
pub mod drying;
pub mod feed;
pub mod plants;
pub mod replay;
pub mod soil;
pub mod street;
