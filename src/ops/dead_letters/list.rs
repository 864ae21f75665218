//! `dead-letters list`: a table for people, or JSON.

use std::io::{ErrorKind, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::LettersError;
use crate::kernel::text::shown;
use crate::store::StoreReader;
use crate::store::dead_letters::{self, Buried};

/// Characters of a reason in the table.
const REASON_CHARS: usize = 100;

/// Which letters, and how they are printed.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Only those of this topic, by its default name.
    pub topic: Option<String>,
    pub limit: u32,
    pub json: bool,
}

/// Prints the newest letters, newest first.
pub async fn list(
    store: &StoreReader,
    options: &ListOptions,
    out: &mut dyn Write,
) -> Result<(), LettersError> {
    let (topic, limit) = (options.topic.clone(), i64::from(options.limit));
    let letters = store
        .read(move |db| {
            Box::pin(async move { dead_letters::newest(db, topic.as_deref(), limit).await })
        })
        .await?;
    let printed = if options.json { print_json(&letters, out) } else { print(&letters, out) };
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(LettersError::Output),
    }
}

fn print_json(letters: &[Buried], out: &mut dyn Write) -> std::io::Result<()> {
    let list: Vec<Value> = letters.iter().map(as_json).collect();
    writeln!(out, "{}", json!(list))
}

fn as_json(buried: &Buried) -> Value {
    let (letter, origin) = (&buried.letter, &buried.letter.origin);
    let base64 = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|it| BASE64_STANDARD.encode(it));
    json!({
        "id": buried.id,
        "log": origin.log_id,
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "ts": letter.ts_ms,
        "key_base64": base64(&letter.key),
        "value_base64": base64(&letter.value),
        "reason": letter.reason,
        "buried_at": buried.buried_at,
        "replayed_at": buried.replayed_at,
        "replay_of": buried.replay_of,
    })
}

fn print(letters: &[Buried], out: &mut dyn Write) -> std::io::Result<()> {
    if letters.is_empty() {
        return writeln!(out, "no dead letters");
    }
    let heads = ["ID", "TOPIC", "PARTITION", "OFFSET", "BURIED", "STATE", "REASON"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(letters.iter().map(row));
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    for [id, topic, partition, offset, buried, state, reason] in &rows {
        writeln!(
            out,
            "{id:>a$}  {topic:b$}  {partition:>c$}  {offset:>d$}  {buried:e$}  {state:f$}  {reason}",
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
            e = widths[4],
            f = widths[5],
        )?;
    }
    Ok(())
}

fn row(buried: &Buried) -> [String; 7] {
    let origin = &buried.letter.origin;
    let state = match (buried.replayed_at, buried.letter.replay_of()) {
        (Some(_), _) => "replayed".to_owned(),
        (None, Some(first)) => format!("failed again ({})", first.place()),
        (None, None) => "-".to_owned(),
    };
    let reason = shown(&buried.letter.reason);
    let mut cut: String = reason.chars().take(REASON_CHARS).collect();
    if reason.chars().nth(REASON_CHARS).is_some() {
        cut.push('…');
    }
    let buried_at = DateTime::from_timestamp_millis(buried.buried_at).unwrap_or_default();
    [
        buried.id.to_string(),
        origin.topic.clone(),
        origin.partition.to_string(),
        origin.offset.to_string(),
        buried_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        state,
        cut,
    ]
}
