//! Packed records of one partition: how a row of the embedded log and a step of reading look.
//!
//! Invariant: bytes that no `BatchBuilder` wrote are an error when they are read, never a panic
//! and never an allocation. The bytes do not depend on the base offset, so they can be packed
//! before the log has given their place.
//!
//! Layout: a format byte, then for each record
//! - the time as a zigzag varint against the record before it (the first one against 0),
//! - the number of offsets left out before it as a varint (0 in the embedded log; Kafka's
//!   transaction markers and compaction leave gaps),
//! - length + 1 as a varint and the bytes of the key, then the same of the value (0 is null),
//! - the length of the headers in bytes as a varint, and the headers: each a name (length and
//!   bytes) and a value (length + 1 and bytes).

use crate::kernel::record::{Header, RecordRef};
use crate::log::LogError;
use crate::log::varint::{self, VarintError};

/// The first byte of a batch; another layout would begin with another byte.
const FORMAT: u8 = 1;

/// Records of one partition in offset order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub partition: i32,
    /// The first offset wanted: `records` passes over what lies before it.
    pub from_offset: i64,
    /// No record lies before this offset.
    pub base_offset: i64,
    /// The offset after the last record.
    pub next_offset: i64,
    /// How many records the bytes hold, those before `from_offset` included.
    pub count: u32,
    /// The least and the greatest event time, in milliseconds since the epoch.
    pub first_ts_ms: i64,
    pub last_ts_ms: i64,
    pub bytes: Vec<u8>,
}

impl Batch {
    /// The records from `from_offset` on.
    pub fn records(&self) -> Records<'_> {
        let (rest, fault) = match self.bytes.split_first() {
            Some((&FORMAT, rest)) => (rest, None),
            Some((_, _)) => (&[][..], Some("an unknown format byte")),
            None => (&[][..], Some("no bytes at all")),
        };
        Records { batch: self, rest, ts_ms: 0, next_offset: self.base_offset, read: 0, fault }
    }
}

/// Packs records; the offsets it is given rise.
#[derive(Debug)]
pub struct BatchBuilder {
    batch: Batch,
    previous_ts_ms: i64,
}

impl BatchBuilder {
    pub fn new(partition: i32, base_offset: i64) -> BatchBuilder {
        let batch = Batch {
            partition,
            from_offset: base_offset,
            base_offset,
            next_offset: base_offset,
            count: 0,
            first_ts_ms: i64::MAX,
            last_ts_ms: i64::MIN,
            bytes: vec![FORMAT],
        };
        BatchBuilder { batch, previous_ts_ms: 0 }
    }

    /// Adds a record. An offset at or below the one before it is refused.
    pub fn push(
        &mut self,
        offset: i64,
        ts_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<(), LogError> {
        if headers.is_empty() {
            return self.push_encoded(offset, ts_ms, key, value, &[]);
        }
        self.push_encoded(offset, ts_ms, key, value, &encode_headers(headers))
    }

    /// Adds a record as another batch holds it.
    pub fn push_ref(&mut self, record: &RecordRef<'_>) -> Result<(), LogError> {
        self.push_encoded(record.offset, record.ts_ms, record.key, record.value, record.headers)
    }

    pub fn count(&self) -> usize {
        self.batch.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.batch.count == 0
    }

    pub fn size_bytes(&self) -> usize {
        self.batch.bytes.len()
    }

    /// What was packed so far.
    pub fn packed(&self) -> &Batch {
        &self.batch
    }

    /// The batch; `None` when nothing was pushed.
    pub fn finish(self) -> Option<Batch> {
        (self.batch.count > 0).then_some(self.batch)
    }

    fn push_encoded(
        &mut self,
        offset: i64,
        ts_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[u8],
    ) -> Result<(), LogError> {
        let batch = &mut self.batch;
        let left_out =
            offset.checked_sub(batch.next_offset).and_then(|gap| u64::try_from(gap).ok());
        let (Some(left_out), Some(next_offset)) = (left_out, offset.checked_add(1)) else {
            return Err(LogError::Damaged {
                place: format!("partition {} offset {offset}", batch.partition),
                reason: format!("an offset of {} or more was expected here", batch.next_offset),
            });
        };
        varint::put_signed(&mut batch.bytes, ts_ms.wrapping_sub(self.previous_ts_ms));
        varint::put(&mut batch.bytes, left_out);
        put_nullable(&mut batch.bytes, key);
        put_nullable(&mut batch.bytes, value);
        varint::put(&mut batch.bytes, headers.len() as u64);
        batch.bytes.extend_from_slice(headers);
        self.previous_ts_ms = ts_ms;
        batch.next_offset = next_offset;
        batch.count += 1;
        batch.first_ts_ms = batch.first_ts_ms.min(ts_ms);
        batch.last_ts_ms = batch.last_ts_ms.max(ts_ms);
        Ok(())
    }
}

/// The records of a batch; after an error there is nothing more.
#[derive(Debug)]
pub struct Records<'a> {
    batch: &'a Batch,
    rest: &'a [u8],
    ts_ms: i64,
    next_offset: i64,
    read: u32,
    fault: Option<&'static str>,
}

impl<'a> Records<'a> {
    #[inline]
    fn read_one(&mut self) -> Result<RecordRef<'a>, &'static str> {
        let mut rest = self.rest;
        let ts_delta_ms = number(varint::take_signed(&mut rest))?;
        let left_out = number(varint::take(&mut rest))?;
        let key = take_nullable(&mut rest)?;
        let value = take_nullable(&mut rest)?;
        let headers_len = number(varint::take(&mut rest))?;
        let headers = take_bytes(&mut rest, headers_len)?;
        let offset = i64::try_from(left_out)
            .ok()
            .and_then(|left_out| self.next_offset.checked_add(left_out))
            .filter(|offset| *offset < self.batch.next_offset)
            .ok_or("an offset beyond the batch")?;
        self.rest = rest;
        self.ts_ms = self.ts_ms.wrapping_add(ts_delta_ms);
        self.next_offset = offset + 1;
        self.read += 1;
        let partition = self.batch.partition;
        Ok(RecordRef { partition, offset, ts_ms: self.ts_ms, key, value, headers })
    }

    #[cold]
    fn damaged(&mut self, reason: &str) -> LogError {
        self.rest = &[];
        self.read = self.batch.count;
        LogError::Damaged {
            place: format!("partition {} offset {}", self.batch.partition, self.next_offset),
            reason: reason.to_owned(),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, LogError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(reason) = self.fault.take() {
            return Some(Err(self.damaged(reason)));
        }
        while self.read < self.batch.count {
            match self.read_one() {
                Ok(record) if record.offset < self.batch.from_offset => {}
                Ok(record) => return Some(Ok(record)),
                Err(reason) => return Some(Err(self.damaged(reason))),
            }
        }
        if self.rest.is_empty() {
            return None;
        }
        Some(Err(self.damaged("bytes after the last record")))
    }
}

/// Decodes the headers of a record.
pub fn headers(encoded: &[u8]) -> Result<Vec<Header>, LogError> {
    let mut rest = encoded;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, value) = take_header(&mut rest).map_err(|reason| LogError::Damaged {
            place: "the headers of a record".to_owned(),
            reason: reason.to_owned(),
        })?;
        found.push(Header { name: name.to_owned(), value: value.map(<[u8]>::to_vec) });
    }
    Ok(found)
}

/// The value of the first header of this name, without decoding the others.
pub fn find_header<'a>(encoded: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = encoded;
    while !rest.is_empty() {
        // Headers that cannot be read have no value; whoever needs them all is told why.
        let (found, value) = take_header(&mut rest).ok()?;
        if found == name {
            return value;
        }
    }
    None
}

fn encode_headers(headers: &[Header]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for header in headers {
        varint::put(&mut encoded, header.name.len() as u64);
        encoded.extend_from_slice(header.name.as_bytes());
        put_nullable(&mut encoded, header.value.as_deref());
    }
    encoded
}

fn take_header<'a>(rest: &mut &'a [u8]) -> Result<(&'a str, Option<&'a [u8]>), &'static str> {
    let name_len = number(varint::take(rest))?;
    let name = std::str::from_utf8(take_bytes(rest, name_len)?)
        .map_err(|_| "a header's name that is not UTF-8")?;
    Ok((name, take_nullable(rest)?))
}

fn put_nullable(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(value) = value else {
        bytes.push(0);
        return;
    };
    varint::put(bytes, value.len() as u64 + 1);
    bytes.extend_from_slice(value);
}

/// A number, or why there is none as the reason of an error.
#[inline]
fn number<T>(taken: Result<T, VarintError>) -> Result<T, &'static str> {
    taken.map_err(|error| match error {
        VarintError::CutOff => "a number that is cut off",
        VarintError::TooLong => "a number of more than 64 bits",
    })
}

#[inline]
fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    match number(varint::take(rest))? {
        0 => Ok(None),
        len_plus_one => take_bytes(rest, len_plus_one - 1).map(Some),
    }
}

#[inline]
fn take_bytes<'a>(rest: &mut &'a [u8], len: u64) -> Result<&'a [u8], &'static str> {
    let (taken, after) = usize::try_from(len)
        .ok()
        .and_then(|len| rest.split_at_checked(len))
        .ok_or("a length beyond the end of the bytes")?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests;
