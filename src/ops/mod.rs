//! Verbs for whoever runs the program.

pub mod dead_letters;
pub mod topic;
