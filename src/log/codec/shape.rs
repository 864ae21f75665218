//! A schema taken down to what reading and writing need: no names of types, no references.
//!
//! Invariant: records are the only nodes that can hold themselves, and they are held by index.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};
use serde_json::Value;

use super::CodecError;

/// Records within records, unions within arrays and so on: no datum may go deeper.
pub(super) const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    /// A long that counts from the epoch on.
    Timestamp(Unit),
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    /// An index into `Shape::records`.
    Record(usize),
}

/// What a timestamp counts. Two units are two types: read as the other, a time would be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    /// What earlier versions called it.
    pub aliases: Vec<String>,
    pub node: Node,
    pub default: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Shape {
    pub root: Node,
    pub records: Vec<Vec<Field>>,
}

impl Shape {
    pub(super) fn new(schema: &Schema) -> Result<Shape, CodecError> {
        let mut builder = Builder::default();
        let root = builder.node(schema)?;
        Ok(Shape { root, records: builder.records })
    }

    /// Does the same datum mean the same under both? What types are called does not count.
    pub(super) fn reads_like(&self, other: &Shape) -> bool {
        let same_fields = |(ours, theirs): (&Vec<Field>, &Vec<Field>)| {
            let same = |(a, b): (&Field, &Field)| a.name == b.name && a.node == b.node;
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
        };
        self.root == other.root
            && self.records.len() == other.records.len()
            && self.records.iter().zip(&other.records).all(same_fields)
    }
}

impl Node {
    /// What a value of this node is called in an error.
    pub(super) fn expected(&self) -> String {
        match self {
            Node::Null => "null".to_owned(),
            Node::Boolean => "true or false".to_owned(),
            Node::Int => "an int (-2147483648 to 2147483647)".to_owned(),
            Node::Long => "a whole number of 64 bits".to_owned(),
            Node::Timestamp(unit) => format!("{} since the epoch", unit.name()),
            Node::Float => "a number that fits a 32-bit float".to_owned(),
            Node::Double => "a number".to_owned(),
            Node::Bytes => "text of characters up to U+00FF, a byte each".to_owned(),
            Node::Text => "text".to_owned(),
            Node::Fixed(size_bytes) => format!("text of {size_bytes} characters up to U+00FF"),
            Node::Enum(symbols) => format!("one of: {}", symbols.join(", ")),
            Node::Array(_) => "a list".to_owned(),
            Node::Map(_) | Node::Record(_) => "an object".to_owned(),
            Node::Union(branches) => {
                let branches: Vec<String> = branches.iter().map(Node::expected).collect();
                branches.join(" or ")
            }
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Millis => "milliseconds",
            Unit::Micros => "microseconds",
            Unit::Nanos => "nanoseconds",
        }
    }
}

#[derive(Default)]
struct Builder {
    records: Vec<Vec<Field>>,
    named: HashMap<String, Node>,
}

impl Builder {
    fn node(&mut self, schema: &Schema) -> Result<Node, CodecError> {
        Ok(match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long | Schema::TimeMicros => Node::Long,
            Schema::TimestampMillis | Schema::LocalTimestampMillis => Node::Timestamp(Unit::Millis),
            Schema::TimestampMicros | Schema::LocalTimestampMicros => Node::Timestamp(Unit::Micros),
            Schema::TimestampNanos | Schema::LocalTimestampNanos => Node::Timestamp(Unit::Nanos),
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text,
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                let node = Node::Fixed(fixed.size);
                self.named.insert(fixed.name.to_string(), node.clone());
                node
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Bytes,
                InnerDecimalSchema::Fixed(fixed) => {
                    let node = Node::Fixed(fixed.size);
                    self.named.insert(fixed.name.to_string(), node.clone());
                    node
                }
            },
            Schema::Enum(symbols) => {
                let node = Node::Enum(symbols.symbols.clone());
                self.named.insert(symbols.name.to_string(), node.clone());
                node
            }
            Schema::Array(array) => Node::Array(Box::new(self.node(&array.items)?)),
            Schema::Map(map) => Node::Map(Box::new(self.node(&map.types)?)),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.node(branch));
                Node::Union(branches.collect::<Result<Vec<Node>, CodecError>>()?)
            }
            Schema::Record(record) => self.record(record)?,
            Schema::Ref { name } => {
                let found = self.named.get(&name.to_string()).cloned();
                found.ok_or_else(|| CodecError::Schema(format!("no type is named {name}")))?
            }
        })
    }

    fn record(&mut self, record: &apache_avro::schema::RecordSchema) -> Result<Node, CodecError> {
        let index = self.records.len();
        self.records.push(Vec::new());
        self.named.insert(record.name.to_string(), Node::Record(index));
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let node = self.node(&field.schema)?;
            fields.push(Field {
                name: field.name.clone(),
                aliases: field.aliases.clone(),
                node,
                default: field.default.clone(),
            });
        }
        self.records[index] = fields;
        Ok(Node::Record(index))
    }
}
