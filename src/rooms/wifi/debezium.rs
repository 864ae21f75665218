//! Change data of UniFi's MongoDB, as Debezium's connectors write it.
//!
//! Invariant: a change says only what it knows; what it leaves out stays as it was. Applying the
//! changes of one document in their order gives the document, however they are cut into batches.
//!
//! Forms (contract, section 2): up to 1.x `after` is a text of JSON for an insert, and an update has
//! `patch` (`$set` and `$unset`, or a whole document); from 2.x an update has `updateDescription`,
//! with `after` or without. Values are MongoDB's extended JSON. A null value ends a document.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kernel::poison::Poison;

/// What a change does to one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Field<T> {
    #[default]
    Untouched,
    Cleared,
    Set(T),
}

impl<T> Field<T> {
    fn then(&mut self, later: Field<T>) {
        if !matches!(later, Field::Untouched) {
            *self = later;
        }
    }

    /// The value after this change, from the one before it.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Field::Untouched => before,
            Field::Cleared => None,
            Field::Set(value) => Some(value),
        }
    }
}

/// The fields that name a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    pub mac: Field<String>,
    pub name: Field<String>,
    pub hostname: Field<String>,
    pub oui: Field<String>,
    pub is_guest: Field<bool>,
}

impl Fields {
    fn then(&mut self, later: Fields) {
        self.mac.then(later.mac);
        self.name.then(later.name);
        self.hostname.then(later.hostname);
        self.oui.then(later.oui);
        self.is_guest.then(later.is_guest);
    }
}

/// What happens to a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Merge(Fields),
    /// Gone, and these fields of whatever came after it under the same id.
    Delete(Option<Fields>),
}

impl Change {
    /// This change and then a later one, as one change.
    pub fn then(&mut self, later: Change) {
        match (&mut *self, later) {
            (_, later @ Change::Delete(_)) => *self = later,
            (Change::Merge(fields), Change::Merge(later)) => fields.then(later),
            (Change::Delete(after), Change::Merge(later)) => {
                after.get_or_insert_default().then(later);
            }
        }
    }
}

/// The document's id, from the record's key: `{"id":"{\"$oid\":\"…\"}"}`, perhaps in an envelope.
pub fn document_id(key: Option<&[u8]>) -> Result<String, Poison> {
    let wrong = || Poison::new("the key is no Debezium key, expected {\"id\": …}");
    let key: Value = serde_json::from_slice(key.ok_or_else(wrong)?).map_err(|_| wrong())?;
    let id = payload(&key).get("id").ok_or_else(wrong)?;
    let id = match id {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| id.clone()),
        other => other.clone(),
    };
    Ok(match id.get("$oid").unwrap_or(&id) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// What a record's value changes.
pub fn change(value: Option<&[u8]>) -> Result<Change, Poison> {
    let Some(value) = value else { return Ok(Change::Delete(None)) };
    let value: Value = serde_json::from_slice(value)
        .map_err(|error| Poison::new(format!("not a Debezium envelope: {error}")))?;
    let envelope = Envelope::deserialize(payload(&value))
        .map_err(|error| Poison::new(format!("not a Debezium envelope: {error}")))?;
    if envelope.op.as_deref() == Some("d") {
        return Ok(Change::Delete(None));
    }
    if let Some(after) = &envelope.after {
        return Ok(Change::Merge(whole("after", after)?));
    }
    if let Some(patch) = &envelope.patch {
        return patched(patch).map(Change::Merge);
    }
    match &envelope.update {
        Some(update) => updated(update).map(Change::Merge),
        None => Ok(Change::Delete(None)),
    }
}

/// Connect's JSON converter may put an envelope of its own around everything.
fn payload(value: &Value) -> &Value {
    match (value.get("schema"), value.get("payload")) {
        (Some(_), Some(payload)) => payload,
        _ => value,
    }
}

#[derive(Deserialize)]
struct Envelope {
    op: Option<String>,
    after: Option<String>,
    patch: Option<String>,
    #[serde(rename = "updateDescription")]
    update: Option<Update>,
}

#[derive(Deserialize)]
struct Update {
    #[serde(rename = "updatedFields")]
    updated: Option<String>,
    #[serde(rename = "removedFields")]
    removed: Option<Vec<String>>,
}

fn document(field: &str, text: &str) -> Result<Map<String, Value>, Poison> {
    serde_json::from_str(text)
        .map_err(|error| Poison::new(format!("field {field:?} holds no document: {error}")))
}

/// A whole document: what it does not have is cleared, but for the MAC, which it never loses.
fn whole(field: &str, text: &str) -> Result<Fields, Poison> {
    let document = document(field, text)?;
    let mut fields = Fields {
        mac: Field::Untouched,
        name: Field::Cleared,
        hostname: Field::Cleared,
        oui: Field::Cleared,
        is_guest: Field::Cleared,
    };
    fields.then(set(&document));
    Ok(fields)
}

fn patched(text: &str) -> Result<Fields, Poison> {
    let patch = document("patch", text)?;
    if !patch.keys().any(|key| key.starts_with('$')) {
        return whole("patch", text);
    }
    let mut fields = patch.get("$set").and_then(Value::as_object).map(set).unwrap_or_default();
    if let Some(unset) = patch.get("$unset").and_then(Value::as_object) {
        fields.then(cleared(unset.keys()));
    }
    Ok(fields)
}

fn updated(update: &Update) -> Result<Fields, Poison> {
    let mut fields = match &update.updated {
        Some(text) => set(&document("updatedFields", text)?),
        None => Fields::default(),
    };
    fields.then(cleared(update.removed.iter().flatten()));
    Ok(fields)
}

fn set(document: &Map<String, Value>) -> Fields {
    let text = |name: &str| match document.get(name) {
        None => Field::Untouched,
        // An empty text counts as missing.
        Some(Value::String(text)) if !text.is_empty() => Field::Set(text.clone()),
        Some(_) => Field::Cleared,
    };
    Fields {
        mac: match text("mac") {
            Field::Cleared => Field::Untouched,
            kept => kept,
        },
        name: text("name"),
        hostname: text("hostname"),
        oui: text("oui"),
        is_guest: match document.get("is_guest") {
            None => Field::Untouched,
            Some(value) => value.as_bool().map_or(Field::Cleared, Field::Set),
        },
    }
}

fn cleared<'a>(names: impl Iterator<Item = &'a String>) -> Fields {
    let mut fields = Fields::default();
    for name in names {
        match name.as_str() {
            "name" => fields.name = Field::Cleared,
            "hostname" => fields.hostname = Field::Cleared,
            "oui" => fields.oui = Field::Cleared,
            "is_guest" => fields.is_guest = Field::Cleared,
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(value: &Value) -> Fields {
        match change(Some(value.to_string().as_bytes())).unwrap() {
            Change::Merge(fields) => fields,
            gone => panic!("{gone:?}"),
        }
    }

    #[test]
    fn an_id_is_found_in_any_envelope() {
        let plain = json!({"id": "{\"$oid\":\"5d1f\"}"}).to_string();
        let wrapped = json!({"schema": {}, "payload": {"id": "{\"$oid\":\"5d1f\"}"}}).to_string();
        for key in [plain, wrapped] {
            assert_eq!(document_id(Some(key.as_bytes())).unwrap(), "5d1f");
        }
        assert_eq!(document_id(Some(br#"{"id":"7"}"#)).unwrap(), "7");
        assert!(document_id(None).unwrap_err().reason.contains("expected {\"id\""));
    }

    #[test]
    fn both_eras_insert_and_update() {
        let after = json!({"mac": "40:ec:99:1f:3e:75", "name": "Robin's Kindle", "hostname": ""});
        let insert = merged(&json!({"op": "c", "after": after.to_string()}));
        assert_eq!(insert.name, Field::Set("Robin's Kindle".to_owned()));
        assert_eq!(insert.hostname, Field::Cleared);
        let patch = json!({"$v": 1, "$set": {"name": "New"}, "$unset": {"hostname": true}});
        let old = merged(&json!({"op": "u", "after": null, "patch": patch.to_string()}));
        let update = json!({"updatedFields": "{\"name\":\"New\"}", "removedFields": ["hostname"]});
        let new = merged(&json!({"op": "u", "after": null, "updateDescription": update}));
        assert_eq!(old, new);
        assert_eq!((&new.name, &new.hostname), (&Field::Set("New".to_owned()), &Field::Cleared));
        assert_eq!(new.mac, Field::Untouched);
    }

    #[test]
    fn a_whole_document_never_loses_its_mac() {
        let patch = json!({"name": "Other"}).to_string();
        let fields = merged(&json!({"op": "u", "after": null, "patch": patch}));
        assert_eq!((fields.mac, fields.oui), (Field::Untouched, Field::Cleared));
    }

    #[test]
    fn deletes_come_in_three_shapes() {
        let old = json!({"after": null, "patch": null}).to_string();
        let new = json!({"op": "d", "after": null}).to_string();
        for value in [None, Some(old.as_bytes()), Some(new.as_bytes())] {
            assert_eq!(change(value).unwrap(), Change::Delete(None));
        }
    }

    #[test]
    fn what_follows_a_delete_begins_anew() {
        let fields = |name: &str| Fields { name: Field::Set(name.to_owned()), ..Fields::default() };
        let mut change = Change::Merge(fields("a"));
        change.then(Change::Delete(None));
        change.then(Change::Merge(fields("b")));
        assert_eq!(change, Change::Delete(Some(fields("b"))));
    }

    #[test]
    fn what_is_no_envelope_is_poison() {
        assert!(change(Some(b"[]")).is_err());
        assert!(change(Some(br#"{"after":"not json"}"#)).is_err());
    }
}
