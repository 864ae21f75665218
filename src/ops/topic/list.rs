//! `topic list`: a table for people, or JSON.

use std::io::Write;

use chrono::{DateTime, SecondsFormat};
use serde_json::json;

use super::TopicError;
use crate::log::{EventLog, TopicStat};

/// Prints every topic of the log.
pub async fn list(log: &dyn EventLog, json: bool, out: &mut dyn Write) -> Result<(), TopicError> {
    let stats = log.topics().await?;
    let printed = if json { print_json(&stats, out) } else { print_table(&stats, out) };
    printed.and_then(|()| out.flush()).map_err(TopicError::Output)
}

fn print_json(stats: &[TopicStat], out: &mut dyn Write) -> std::io::Result<()> {
    let topics: Vec<serde_json::Value> = stats
        .iter()
        .map(|stat| {
            json!({
                "name": stat.name,
                "kind": stat.kind.name(),
                "partitions": stat.partitions,
                "records": stat.records,
                "first_ts": stat.first_ts_ms,
                "last_ts": stat.last_ts_ms,
            })
        })
        .collect();
    writeln!(out, "{}", json!(topics))
}

fn print_table(stats: &[TopicStat], out: &mut dyn Write) -> std::io::Result<()> {
    let heads = ["TOPIC", "KIND", "PARTITIONS", "RECORDS", "FIRST", "LAST"].map(str::to_owned);
    let mut rows = vec![heads];
    rows.extend(stats.iter().map(|stat| {
        [
            stat.name.clone(),
            stat.kind.name().to_owned(),
            stat.partitions.to_string(),
            stat.records.to_string(),
            time(stat.first_ts_ms),
            time(stat.last_ts_ms),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    for [name, kind, partitions, records, first, last] in &rows {
        writeln!(
            out,
            "{name:a$}  {kind:b$}  {partitions:>c$}  {records:>d$}  {first:e$}  {last}",
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
            e = widths[4],
        )?;
    }
    Ok(())
}

fn time(ts_ms: Option<i64>) -> String {
    let Some(ts_ms) = ts_ms else {
        return "-".to_owned();
    };
    match DateTime::from_timestamp_millis(ts_ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => format!("{ts_ms} ms"),
    }
}
