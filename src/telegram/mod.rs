//! The bot: what comes in from Telegram, what is answered, what goes out.
//!
//! Invariant: an update is stored before it is acknowledged, and everything that follows from it
//! is stored in the transaction that marks it done. Only `delivery`, `polling` and
//! `webhook` talk to Telegram.

pub mod access;
pub mod apply;
pub mod client;
pub mod code;
pub mod delivery;
pub mod dispatch;
pub mod handle;
pub mod household;
pub mod ingress;
pub mod leftovers;
pub mod menu;
pub mod meter;
pub mod notices;
pub mod parse;
pub mod polling;
pub mod regular;
pub mod routes;
pub mod timers;
pub mod webhook;

mod out_of_reach;
mod set_back;
mod stale;
