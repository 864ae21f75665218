//! Verbs for whoever runs the program.

pub mod backup;
pub mod capture;
pub mod check;
pub mod dead_letters;
pub mod inspect;
pub mod migrate;
pub mod topic;
