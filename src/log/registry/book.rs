//! The schemas that are known by their ids.
//!
//! Invariant: an id that was learnt is known for the life of the process; only "the registry does
//! not have it" is asked again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use crate::log::codec::WriterSchema;

/// The registry is asked again after this long for an id that it did not have: it may have been
/// restored meanwhile. Until then a stream of poison costs it one question an id.
const ABSENT_FOR: Duration = Duration::from_secs(60);

/// What is known of an id.
#[derive(Debug, Clone)]
pub enum Entry {
    Schema(Arc<WriterSchema>),
    /// The registry has it, and we cannot use it, for this reason.
    Unusable(String),
    /// The registry does not have it.
    Absent,
}

#[derive(Debug)]
struct Known {
    entry: Entry,
    learnt: Instant,
    /// From an earlier life of the process, and the registry was not asked in this one.
    is_remembered: bool,
}

/// The schemas of one registry.
#[derive(Debug, Default)]
pub struct Book {
    entries: RwLock<HashMap<u32, Known>>,
}

impl Book {
    pub fn get(&self, id: u32) -> Option<Entry> {
        self.read().get(&id).map(|known| known.entry.clone())
    }

    /// The id of a schema with exactly this text.
    pub(super) fn id_of(&self, text: &str) -> Option<u32> {
        let entries = self.read();
        let is_it = |known: &Known| matches!(&known.entry, Entry::Schema(it) if it.text == text);
        entries.iter().find(|(_, known)| is_it(known)).map(|(id, _)| *id)
    }

    /// Should the registry be asked before records of this id are read?
    pub fn is_due(&self, id: u32) -> bool {
        match self.read().get(&id) {
            None => true,
            Some(known) => {
                let is_absent = matches!(known.entry, Entry::Absent);
                known.is_remembered || is_absent && known.learnt.elapsed() >= ABSENT_FOR
            }
        }
    }

    /// What the registry says of an id.
    pub(in crate::log) fn learn(&self, id: u32, entry: Entry) {
        self.insert(id, entry, false);
    }

    /// The registry could not be asked about a schema that an earlier life knew: it stands.
    pub(super) fn trust(&self, id: u32) -> bool {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        match entries.get_mut(&id).filter(|known| matches!(known.entry, Entry::Schema(_))) {
            Some(known) => {
                known.is_remembered = false;
                true
            }
            None => false,
        }
    }

    /// A schema that an earlier life of the process has learnt.
    pub fn remember(&self, id: u32, schema: WriterSchema) {
        self.insert(id, Entry::Schema(Arc::new(schema)), true);
    }

    fn insert(&self, id: u32, entry: Entry, is_remembered: bool) {
        let known = Known { entry, learnt: Instant::now(), is_remembered };
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(id, known);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<u32, Known>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}
