//! Verbs for whoever runs the program.

pub mod topic;
