//! Confluent's wire format: a zero, the schema's id in the registry (4 bytes, big endian), the datum.
//!
//! Invariant: nothing here waits. Ids are looked up before a batch is folded; one that nobody looked
//! up is an error of its own and never a verdict about the record.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::avro::AvroCodec;
use super::decode::{decode_datum, walk_datum};
use super::encode::Strangers;
use super::json::{self, not_json};
use super::resolve::Plan;
use super::schema::WriterSchema;
use super::{CodecError, Place, first_bytes};
use crate::kernel::record::RecordRef;
use crate::log::registry::{Book, Entry};

const MAGIC: u8 = 0;

/// Values whose schemas are in a registry.
#[derive(Debug)]
pub struct ConfluentCodec {
    /// The schema that we read with; without one, values are shown as their writers have them.
    own: Option<AvroCodec>,
    book: Arc<Book>,
    /// What our schema is called in the registry.
    subject: String,
    /// The id that we write with, and the last one seen whose schema reads like ours; each plus
    /// one, and 0 for none.
    own_id: AtomicU64,
    same_id: AtomicU64,
    fits: RwLock<HashMap<u32, Arc<Fit>>>,
}

/// How data of one id are read.
#[derive(Debug)]
enum Fit {
    /// As our own.
    Same,
    Resolved(Arc<WriterSchema>, Plan),
    /// Not at all, for this reason.
    Unfit(CodecError),
}

impl ConfluentCodec {
    pub(super) fn new(own: Option<AvroCodec>, subject: String, book: Arc<Book>) -> ConfluentCodec {
        ConfluentCodec {
            own,
            book,
            subject,
            own_id: AtomicU64::new(0),
            same_id: AtomicU64::new(0),
            fits: RwLock::default(),
        }
    }

    /// What has to be in the registry before we can write: the subject and the schema's text.
    /// `None`: its id is known, or there is nothing that we could write.
    pub fn to_register(&self) -> Option<(&str, &str)> {
        let own = self.own.as_ref()?;
        let is_known = self.own_id.load(Ordering::Relaxed) > 0;
        (!is_known).then_some((self.subject.as_str(), own.schema.text.as_str()))
    }

    /// The registry's id of our own schema.
    pub fn write_with(&self, id: u32) {
        self.own_id.store(u64::from(id) + 1, Ordering::Relaxed);
    }

    /// Adds the ids that have to be looked up before this record can be read.
    #[inline]
    pub fn add_unknown(&self, record: &RecordRef<'_>, unknown: &mut Vec<u32>) {
        self.add_if_unknown(record.value, unknown);
        // Keys of ours are plain, even where they begin with a zero (an SSID may).
        if self.own.is_none() {
            self.add_if_unknown(record.key, unknown);
        }
    }

    #[inline]
    fn add_if_unknown(&self, bytes: Option<&[u8]>, unknown: &mut Vec<u32>) {
        let Some(Ok((id, _))) = bytes.map(split) else { return };
        let is_same = self.same_id.load(Ordering::Relaxed) == u64::from(id) + 1;
        if !is_same && !unknown.contains(&id) && self.book.is_due(id) {
            unknown.push(id);
        }
    }

    pub(super) fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let Some(own) = &self.own else {
            let words = "its values are written with schemas of others, expected value_base64";
            return Err(CodecError::Refused(words.to_owned()));
        };
        let id = self.own_id.load(Ordering::Relaxed).checked_sub(1);
        let Some(id) = id.and_then(|id| u32::try_from(id).ok()) else {
            return Err(CodecError::NotRegistered { subject: self.subject.clone() });
        };
        let mut bytes = Vec::with_capacity(64);
        bytes.push(MAGIC);
        bytes.extend_from_slice(&id.to_be_bytes());
        own.schema.encode(value, Strangers::Refused, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn decode_json(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        let Some(own) = &self.own else { return self.as_written(bytes) };
        if AvroCodec::claims(bytes) {
            return own.decode_json(bytes);
        }
        if json::claims(bytes) {
            return own.schema.decode_json(&json::datum(own, bytes)?);
        }
        let (id, datum) = split(bytes)?;
        own.schema.decode_json(&self.datum(own, id, datum)?)
    }

    #[inline]
    pub(super) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let Some(own) = &self.own else {
            let value = self.as_written(bytes)?;
            return serde_json::from_value(value).map_err(|error| not_json(&error));
        };
        // From before this topic had a registry.
        if AvroCodec::claims(bytes) {
            return own.decode(bytes);
        }
        if json::claims(bytes) {
            return own.schema.decode(&json::datum(own, bytes)?);
        }
        let (id, datum) = split(bytes)?;
        if self.same_id.load(Ordering::Relaxed) == u64::from(id) + 1 {
            return own.schema.decode(datum);
        }
        own.schema.decode(&self.datum(own, id, datum)?)
    }

    /// A document of others: JSON of what its writer's schema says.
    pub(super) fn as_written(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        if json::claims(bytes) {
            return json::parse(bytes);
        }
        let (id, datum) = split(bytes)?;
        let writer = self.writer(id)?;
        walk_datum(&writer.shape, datum)?;
        decode_datum(&writer.shape, datum)
    }

    /// Do the bytes begin as such values do?
    pub(super) fn claims(bytes: &[u8]) -> bool {
        bytes.first() == Some(&MAGIC)
    }

    /// A key of others may be of this format, or plain.
    pub(super) fn has_written_key(&self, key: &[u8]) -> bool {
        self.own.is_none() && key.first() == Some(&MAGIC)
    }

    /// The datum as one of our schema.
    #[cold]
    fn datum<'a>(
        &self,
        own: &AvroCodec,
        id: u32,
        datum: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, CodecError> {
        match &*self.fit(own, id)? {
            Fit::Same => {
                self.same_id.store(u64::from(id) + 1, Ordering::Relaxed);
                Ok(Cow::Borrowed(datum))
            }
            Fit::Resolved(writer, plan) => plan.apply(&writer.shape, datum).map(Cow::Owned),
            Fit::Unfit(error) => Err(error.clone()),
        }
    }

    fn fit(&self, own: &AvroCodec, id: u32) -> Result<Arc<Fit>, CodecError> {
        let known = self.fits.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(fit) = known {
            return Ok(fit);
        }
        let writer = self.writer(id)?;
        let fit = Arc::new(match writer.shape.reads_like(&own.schema.shape) {
            true => Fit::Same,
            false => match Plan::new(&writer.shape, &own.schema.shape) {
                Ok(plan) => Fit::Resolved(writer, plan),
                Err(error) => Fit::Unfit(CodecError::Unfit { id, reason: error.to_string() }),
            },
        });
        let mut fits = self.fits.write().unwrap_or_else(PoisonError::into_inner);
        fits.insert(id, Arc::clone(&fit));
        Ok(fit)
    }

    fn writer(&self, id: u32) -> Result<Arc<WriterSchema>, CodecError> {
        match self.book.get(id) {
            Some(Entry::Schema(writer)) => Ok(writer),
            Some(Entry::Absent) => Err(CodecError::NoSuchId { id }),
            Some(Entry::Unusable(reason)) => Err(CodecError::UnusableId { id, reason }),
            None => Err(CodecError::NotLookedUp { id }),
        }
    }
}

/// The id, and what follows it.
#[inline]
fn split(bytes: &[u8]) -> Result<(u32, &[u8]), CodecError> {
    let Some((&MAGIC, rest)) = bytes.split_first() else {
        return Err(CodecError::NotConfluent { found: first_bytes(bytes) });
    };
    match rest.split_first_chunk::<4>() {
        Some((id, datum)) => Ok((u32::from_be_bytes(*id), datum)),
        None => Err(CodecError::Truncated(Place::field("schema id"))),
    }
}

#[cfg(test)]
mod tests;
