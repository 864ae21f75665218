//! The sensor side: soil sensors of a Raspberry Pi become records of the readings' topic.
//!
//! Invariant: a reading is in the queue on the disk before anybody else has it, and leaves it only
//! after the other end said that it is written.

pub mod bench;
pub mod calibrate;
pub mod calibration;
pub mod feed;
pub mod mapping;
pub mod moment;
mod news;
pub mod queue;
pub mod simulate;
pub mod soil;
pub mod station;
