//! The integration tests: one binary, so that the crate is linked once.

#![cfg(test)]

mod backup;
mod bot;
mod botapi;
mod botapi_faults;
mod botapi_webhook;
mod botapi_world;
mod browser;
mod check;
mod clock_set_back;
mod config_cli;
mod crash_once;
mod dead_letters;
mod deliveries;
mod delivery_faults;
mod demo_page;
mod deploy;
mod digest;
mod edits;
mod ending;
mod fuzz;
mod groups;
mod handler_faults;
mod house;
mod http;
mod injection;
mod invites;
mod kill_seeds;
mod log_conformance;
mod log_upkeep;
mod model;
mod odd_messages;
mod privacy;
mod python_bot;
mod rebuild;
mod starting;
mod storage;
mod support;
mod teloxide_bot;
mod tool;
mod topic_cli;
mod update_mapping;
mod update_plant;
mod upgrade;
mod webhook;
