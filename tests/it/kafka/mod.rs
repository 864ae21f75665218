//! Windowsill on a real Kafka.

pub(crate) mod admin;
pub(crate) mod broker;
mod change_of_log;
pub(crate) mod chaos;
mod cluster;
pub(crate) mod end_to_end;
mod foreign;
mod leader;
mod migrate;
mod outage;
pub(crate) mod prefixed;
mod refused;
mod secure;
