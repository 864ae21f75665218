//! Windowsill on a real Kafka.

pub(crate) mod broker;
mod end_to_end;
pub(crate) mod prefixed;
