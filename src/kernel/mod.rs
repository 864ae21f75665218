//! The pure heart: values in, values out.
//!
//! Nothing here reads a clock, a file, a socket or a database, and nothing is `async`: time and
//! randomness are arguments, effects are return values. A test over the `use` lines holds it.

pub mod alert;
pub mod board;
pub mod card;
pub mod chat;
pub mod conversation;
pub mod daily;
pub mod dialog;
pub mod effect;
pub mod inline;
pub mod name;
pub mod paging;
pub mod picture;
pub mod pipeline;
pub mod poison;
pub mod record;
pub mod settings;
pub mod text;
pub mod time;
pub mod topic;
pub mod when;
pub mod zones;
