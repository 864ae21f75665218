//! Windowsill on a real Kafka.

pub(crate) mod broker;
pub(crate) mod prefixed;
