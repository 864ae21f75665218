//! Reading a datum with another schema than the one it was written with: Avro's schema resolution.
//!
//! Invariant: a value comes through exactly or not at all. A number is widened only where the wider
//! type holds it exactly, a unit of time never stands for another, and a field that is missing needs
//! a default of the reader's. What types are called does not count: Kafka Connect and ksqlDB give
//! them names of their own.
//!
//! A plan is made once for each pair of schemas; then a datum of the writer's becomes one of the
//! reader's, byte by byte. (`apache_avro` resolves the decoded value instead, without the writer's
//! schema: it rounds doubles into floats and takes any union branch that a value fits.)

use std::collections::HashMap;

use super::decode::{index, long, malformed, next_item, take_array, text, walk, walk_datum};
use super::encode::{encode_default, put_count};
use super::shape::{Field, Node, Shape, Unit};
use super::{CodecError, Place};

/// How data of one schema become data of another.
#[derive(Debug)]
pub(super) struct Plan {
    root: Step,
    /// `None` where a pair of records cannot be resolved.
    records: Vec<Option<Rebuild>>,
}

#[derive(Debug, Clone)]
enum Step {
    /// The bytes as they are, if they are such a value.
    Copy(Node),
    WholeToFloat,
    WholeToDouble,
    FloatToDouble,
    /// For each symbol of the writer's: its name, and its place with the reader.
    Symbols(Vec<(String, Option<usize>)>),
    Array(Box<Step>),
    Map(Box<Step>),
    /// An index into `Plan::records`.
    Record(usize),
    /// The writer's union: a step for each branch, or why that branch cannot be read.
    Choose(Vec<Result<Step, CodecError>>),
    /// A branch of the reader's union.
    Branch(usize, Box<Step>),
}

/// How the reader's record is put together.
#[derive(Debug)]
struct Rebuild {
    /// The writer's record, an index into its shape.
    writer: usize,
    /// The reader's fields in their order.
    fields: Vec<Source>,
}

#[derive(Debug)]
enum Source {
    /// The writer's field of this index.
    Written {
        name: String,
        index: usize,
        step: Step,
    },
    Default(Vec<u8>),
}

impl Plan {
    pub(super) fn new(writer: &Shape, reader: &Shape) -> Result<Plan, CodecError> {
        let mut planner = Planner { writer, reader, records: Vec::new(), known: HashMap::new() };
        let root = planner.step(&writer.root, &reader.root)?;
        Ok(Plan { root, records: planner.records })
    }

    /// The reader's datum for one of the writer's.
    pub(super) fn apply(&self, writer: &Shape, datum: &[u8]) -> Result<Vec<u8>, CodecError> {
        walk_datum(writer, datum)?;
        let mut out = Vec::with_capacity(datum.len() + 16);
        let mut rest = datum;
        self.run(writer, &self.root, &mut rest, &mut out)?;
        Ok(out)
    }

    fn run(
        &self,
        writer: &Shape,
        step: &Step,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        match step {
            Step::Copy(node) => {
                let before = *rest;
                walk(writer, node, rest)?;
                out.extend_from_slice(&before[..before.len() - rest.len()]);
            }
            Step::WholeToFloat => {
                let whole = long(rest)?;
                let float = whole as f32;
                exact(whole, float as i128, "32-bit")?;
                out.extend_from_slice(&float.to_le_bytes());
            }
            Step::WholeToDouble => {
                let whole = long(rest)?;
                let double = whole as f64;
                exact(whole, double as i128, "64-bit")?;
                out.extend_from_slice(&double.to_le_bytes());
            }
            Step::FloatToDouble => {
                let float = f32::from_le_bytes(take_array(rest)?);
                out.extend_from_slice(&f64::from(float).to_le_bytes());
            }
            Step::Symbols(symbols) => match &symbols[index(rest, symbols.len())?] {
                (_, Some(place)) => put_count(*place, out),
                (symbol, None) => return Err(malformed(format!("is the unknown {symbol:?}"))),
            },
            Step::Array(_) | Step::Map(_) => self.items(writer, step, rest, out)?,
            Step::Record(record) => self.record(writer, *record, rest, out)?,
            Step::Choose(branches) => match &branches[index(rest, branches.len())?] {
                Ok(step) => self.run(writer, step, rest, out)?,
                Err(error) => return Err(error.clone()),
            },
            Step::Branch(branch, step) => {
                put_count(*branch, out);
                self.run(writer, step, rest, out)?;
            }
        }
        Ok(())
    }

    /// The items of an array or a map, whatever blocks they came in, as one block.
    fn items(
        &self,
        writer: &Shape,
        step: &Step,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let (mut items, mut count, mut block) = (Vec::new(), 0, 0);
        while next_item(rest, &mut block)? {
            count += 1;
            match step {
                Step::Map(value) => {
                    let key = text(rest)?;
                    put_count(key.len(), &mut items);
                    items.extend_from_slice(key.as_bytes());
                    self.run(writer, value, rest, &mut items)?;
                }
                Step::Array(item) => self.run(writer, item, rest, &mut items)?,
                _ => {}
            }
        }
        if count > 0 {
            put_count(count, out);
            out.extend_from_slice(&items);
        }
        put_count(0, out);
        Ok(())
    }

    /// The reader's fields in the reader's order, from wherever the writer has them.
    fn record(
        &self,
        writer: &Shape,
        record: usize,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let Some(rebuild) = &self.records[record] else {
            return Err(malformed("was written as a record that cannot be read".to_owned()));
        };
        let written = &writer.records[rebuild.writer];
        let mut begins = Vec::with_capacity(written.len());
        for field in written {
            begins.push(*rest);
            walk(writer, &field.node, rest).map_err(|error| error.within(&field.name))?;
        }
        for source in &rebuild.fields {
            match source {
                Source::Default(bytes) => out.extend_from_slice(bytes),
                Source::Written { name, index, step } => {
                    let mut field = begins[*index];
                    let read = self.run(writer, step, &mut field, out);
                    read.map_err(|error| error.within(name))?;
                }
            }
        }
        Ok(())
    }
}

/// Refuses a number that the float does not hold exactly.
fn exact(whole: i64, held: i128, width: &str) -> Result<(), CodecError> {
    if held == i128::from(whole) {
        return Ok(());
    }
    Err(CodecError::Unexpected {
        place: Place::default(),
        found: whole.to_string(),
        expected: format!("a number that a {width} float holds exactly"),
    })
}

struct Planner<'a> {
    writer: &'a Shape,
    reader: &'a Shape,
    records: Vec<Option<Rebuild>>,
    /// Pairs of records, the writer's and the reader's, that have been begun.
    known: HashMap<(usize, usize), Result<usize, CodecError>>,
}

impl Planner<'_> {
    fn step(&mut self, from: &Node, to: &Node) -> Result<Step, CodecError> {
        Ok(match (from, to) {
            (Node::Union(branches), _) => self.choose(branches, to)?,
            (_, Node::Union(branches)) => self.branch(from, branches)?,
            (Node::Record(writer), Node::Record(reader)) => self.record(*writer, *reader)?,
            (Node::Array(from), Node::Array(to)) => Step::Array(Box::new(self.step(from, to)?)),
            (Node::Map(from), Node::Map(to)) => Step::Map(Box::new(self.step(from, to)?)),
            (Node::Enum(from), Node::Enum(to)) => Step::Symbols(symbols(from, to)),
            // Our own plain longs are milliseconds where they are times.
            (Node::Long, Node::Timestamp(_)) | (Node::Timestamp(Unit::Millis), Node::Long) => {
                Step::Copy(Node::Long)
            }
            (Node::Int, Node::Long | Node::Timestamp(_)) => Step::Copy(Node::Int),
            (Node::Int | Node::Long, Node::Float) => Step::WholeToFloat,
            (Node::Int | Node::Long, Node::Double) => Step::WholeToDouble,
            (Node::Float, Node::Double) => Step::FloatToDouble,
            (Node::Bytes, Node::Text) | (Node::Text, Node::Bytes) => Step::Copy(Node::Text),
            (from, to) if from == to => Step::Copy(from.clone()),
            (from, to) => return Err(unlike(from, to)),
        })
    }

    /// Some branch must be readable; which one a value has is seen when it is read.
    fn choose(&mut self, branches: &[Node], to: &Node) -> Result<Step, CodecError> {
        let steps: Vec<Result<Step, CodecError>> =
            branches.iter().map(|branch| self.step(branch, to)).collect();
        let is_null = |branch: &Node| *branch == Node::Null;
        // The reason that helps is the one of the branch that holds the values.
        let told = branches.iter().position(|branch| !is_null(branch)).unwrap_or(0);
        if steps.iter().any(Result::is_ok) {
            return Ok(Step::Choose(steps));
        }
        match steps.into_iter().nth(told) {
            Some(Err(error)) => Err(error),
            _ => Err(unlike(&Node::Union(branches.to_vec()), to)),
        }
    }

    /// The branch of the same type, else the first that the value can be read as.
    fn branch(&mut self, from: &Node, branches: &[Node]) -> Result<Step, CodecError> {
        let same = branches.iter().enumerate().filter(|(_, to)| *to == from);
        let others = branches.iter().enumerate().filter(|(_, to)| *to != from);
        let mut told = None;
        for (index, to) in same.chain(others) {
            match self.step(from, to) {
                Ok(step) => return Ok(Step::Branch(index, Box::new(step))),
                Err(error) if *to != Node::Null => told = told.or(Some(error)),
                Err(_) => {}
            }
        }
        Err(told.unwrap_or_else(|| unlike(from, &Node::Union(branches.to_vec()))))
    }

    fn record(&mut self, writer: usize, reader: usize) -> Result<Step, CodecError> {
        if let Some(known) = self.known.get(&(writer, reader)) {
            return known.clone().map(Step::Record);
        }
        let index = self.records.len();
        self.records.push(None);
        // A record that holds itself finds this one while it is being made.
        self.known.insert((writer, reader), Ok(index));
        match self.fields(writer, reader) {
            Ok(fields) => self.records[index] = Some(Rebuild { writer, fields }),
            Err(error) => {
                self.known.insert((writer, reader), Err(error.clone()));
                return Err(error);
            }
        }
        Ok(Step::Record(index))
    }

    fn fields(&mut self, writer: usize, reader: usize) -> Result<Vec<Source>, CodecError> {
        let (written, read) = (self.writer, self.reader);
        let mut fields = Vec::new();
        for field in &read.records[reader] {
            let source = self.source(&written.records[writer], field);
            fields.push(source.map_err(|error| error.within(&field.name))?);
        }
        Ok(fields)
    }

    /// Where a field of the reader's comes from: by its name, else by one that it had.
    fn source(&mut self, written: &[Field], field: &Field) -> Result<Source, CodecError> {
        let named = |name: &String| written.iter().position(|known| known.name == *name);
        let found = named(&field.name).or_else(|| field.aliases.iter().find_map(named));
        if let Some(index) = found {
            let step = self.step(&written[index].node, &field.node)?;
            return Ok(Source::Written { name: field.name.clone(), index, step });
        }
        match &field.default {
            Some(default) => {
                Ok(Source::Default(encode_default(self.reader, &field.node, default)?))
            }
            None => Err(CodecError::Missing {
                place: Place::default(),
                expected: field.node.expected(),
            }),
        }
    }
}

fn symbols(from: &[String], to: &[String]) -> Vec<(String, Option<usize>)> {
    let place = |symbol: &String| to.iter().position(|known| known == symbol);
    from.iter().map(|symbol| (symbol.clone(), place(symbol))).collect()
}

fn unlike(from: &Node, to: &Node) -> CodecError {
    CodecError::Unexpected {
        place: Place::default(),
        found: format!("written as {}", from.expected()),
        expected: to.expected(),
    }
}

#[cfg(test)]
mod tests;
