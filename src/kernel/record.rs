//! A record of the event log: what is appended, what is read, and where it stands.

/// A header of a record: a name and a value that may be absent, as Kafka has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: Option<Vec<u8>>,
}

/// A record to append. Offsets are the log's to give.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRecord {
    /// `None` lets the log choose: by a hash of the key, spread evenly without one.
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    /// `None` is a tombstone on a table topic.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since the Unix epoch, UTC.
    pub ts_ms: i64,
    pub headers: Vec<Header>,
}

impl NewRecord {
    /// The bytes it carries: key, value and headers.
    pub fn size_bytes(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len));
        let key = self.key.as_ref().map_or(0, Vec::len);
        let value = self.value.as_ref().map_or(0, Vec::len);
        key + value + headers.sum::<usize>()
    }
}

/// Where a record came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    pub partition: i32,
    pub offset: i64,
}

/// A record as it is read: borrowed from the batch that carried it.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the Unix epoch, UTC.
    pub ts_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// The encoded headers; `log::batch::headers` decodes them when somebody asks.
    pub headers: &'a [u8],
}
