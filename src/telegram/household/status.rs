//! The answer of `/status`: how far the pipelines are, what waits, what went wrong.

use crate::kernel::chat::Snapshot;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::store::positions::{PipelineRow, Position};

/// What `/status` is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusFacts {
    pub pipelines: Vec<(PipelineRow, Vec<Position>)>,
    /// Waiting messages, and since when the oldest waits.
    pub outbox: (i64, Option<i64>),
    /// Edits that the log or our own reader has not confirmed.
    pub unsaved_edits: i64,
    /// Dead letters, and the newest one's reason.
    pub dead_letters: (i64, Option<String>),
    pub strangers: i64,
}

impl StatusFacts {
    pub(super) fn text(&self, snapshot: &Snapshot) -> Text {
        let mut text = Text::new().bold("Status");
        if self.pipelines.is_empty() {
            text = text.line().plain("Nothing has been folded yet.");
        }
        for (row, positions) in &self.pipelines {
            text = text.below(pipeline(row, positions, snapshot));
        }
        text = text.below(self.outbox_line(snapshot));
        if self.unsaved_edits > 0 {
            text =
                text.line().plain(format!("Edits on their way to the log: {}", self.unsaved_edits));
        }
        let (letters, newest) = &self.dead_letters;
        text = text.line().plain(format!("Dead letters: {letters}"));
        if let Some(reason) = newest {
            text = text.plain(" (newest: ").data(reason).plain(")");
        }
        if self.strangers > 0 {
            text = text.line().plain(format!("Strangers turned away: {}", self.strangers));
        }
        text
    }

    fn outbox_line(&self, snapshot: &Snapshot) -> Text {
        match self.outbox {
            (0, _) => Text::of("Outbox: empty"),
            (waiting, oldest) => {
                let since = oldest.map(|ms| when::ago(ms, snapshot.now_ms)).unwrap_or_default();
                Text::of(format!("Outbox: {waiting} waiting, the oldest from {since}"))
            }
        }
    }
}

fn pipeline(row: &PipelineRow, positions: &[Position], snapshot: &Snapshot) -> Text {
    let records: i64 = positions.iter().map(|position| position.records).sum();
    let late: i64 = positions.iter().map(|position| position.late).sum();
    let newest = positions.iter().filter_map(|position| position.greatest_event_ms).max();
    let now_ms = snapshot.pipeline_now_ms;
    let last = match newest {
        Some(ms) => format!("last reading {}", when::ago(ms, now_ms)),
        None => "no reading yet".to_owned(),
    };
    let caught_up = match row.caught_up_at {
        Some(_) => "caught up",
        None => "catching up",
    };
    let mut text = Text::new()
        .bold(&row.name)
        .plain(format!(": {records} records ({late} late), {last}, {caught_up}"));
    text = text.line().plain(format!("  {} windows closed", row.windows_closed));
    if let Some(watermark_ms) = row.watermark_ms {
        text =
            text.plain(format!(", watermark {}", when::moment(watermark_ms, snapshot.time_zone)));
    }
    text
}
