//! The rooms: one folder a system, and the one list through which all others know them.

use crate::kernel::topic::TopicSpec;

pub mod plants;

/// Every topic of the contract that this build knows.
pub fn topics() -> &'static [TopicSpec] {
    &plants::TOPICS
}
