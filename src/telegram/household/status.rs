//! The answer of `/status`: how far the pipelines are, what waits, what went wrong.

use crate::kernel::chat::Snapshot;
use crate::kernel::text::Text;
use crate::kernel::time::{DAY_MS, SECOND_MS};
use crate::kernel::when;
use crate::store::clock::ClockRow;
use crate::store::intake::{Intake, Way};
use crate::store::parks::Park;
use crate::store::past::Progress;
use crate::store::positions::{PipelineRow, Position};

/// Troubles of the intake are told for this long.
const RECENT_MS: i64 = DAY_MS;

/// What `/status` is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusFacts {
    pub pipelines: Vec<PipelineFacts>,
    pub clock: ClockRow,
    /// How updates come; `None` where the bot has never run.
    pub intake: Option<Intake>,
    /// Waiting messages, and since when the oldest waits.
    pub outbox: (i64, Option<i64>),
    /// Chats that Telegram wants left alone.
    pub parks: Vec<Park>,
    /// Edits that the log or our own reader has not confirmed.
    pub unsaved_edits: i64,
    /// Dead letters, and the newest one's reason.
    pub dead_letters: (i64, Option<String>),
    pub strangers: i64,
}

/// What is told of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineFacts {
    pub row: PipelineRow,
    pub positions: Vec<Position>,
    /// Records that it has still to read; `None` where the log does not say.
    pub behind: Option<i64>,
    /// How far its rebuild has come, if one is under way.
    pub rebuild: Option<Progress>,
    /// What its room has to tell of its own.
    pub note: Option<Text>,
    /// Why it stands still, if it does.
    pub halted: Option<String>,
    /// What some of its records wait for.
    pub waits: Option<String>,
}

impl StatusFacts {
    pub(super) fn text(&self, snapshot: &Snapshot) -> Text {
        let mut text = Text::new().bold("Status");
        if self.pipelines.is_empty() {
            text = text.line().plain("Nothing has been folded yet.");
        }
        for facts in &self.pipelines {
            text = text.below(pipeline(facts, snapshot));
        }
        for doubt in clock_lines(&self.clock, snapshot) {
            text = text.below(doubt);
        }
        if let Some(intake) = &self.intake {
            text = text.below(updates(intake, snapshot));
        }
        text = text.below(self.outbox_line(snapshot));
        if let Some(parked) = self.parked_line(snapshot) {
            text = text.below(parked);
        }
        if self.unsaved_edits > 0 {
            text =
                text.line().plain(format!("Edits on their way to the log: {}", self.unsaved_edits));
        }
        let (letters, newest) = &self.dead_letters;
        text = text.line().plain(format!("Dead letters: {letters}"));
        if let Some(reason) = newest {
            text = text.plain(" (newest: ").data(reason).plain("), see /dead_letters");
        }
        if self.strangers > 0 {
            text = text.line().plain(format!("Strangers turned away: {}", self.strangers));
        }
        text
    }

    /// Chats that wait because Telegram said so; the longest wait is told.
    fn parked_line(&self, snapshot: &Snapshot) -> Option<Text> {
        let parked = self.parks.iter().filter(|park| park.until_at > snapshot.now_ms);
        let until_ms = parked.clone().map(|park| park.until_at).max()?;
        let chats = match parked.count() {
            1 => "one chat".to_owned(),
            count => format!("{count} chats"),
        };
        let until = when::moment(until_ms, snapshot.time_zone);
        Some(Text::of(format!("Telegram wants {chats} left alone until {until}")))
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

/// How updates come, and what is wrong with that.
fn updates(intake: &Intake, snapshot: &Snapshot) -> Text {
    let mut text = Text::of(match intake.way {
        Way::Polling => "Updates: by polling",
        Way::Webhook => "Updates: by webhook",
    });
    if let Some(pending) = intake.pending.filter(|pending| *pending > 0) {
        text = text.plain(format!(", {pending} waiting at Telegram"));
    }
    let is_recent = |at_ms: i64| snapshot.now_ms - at_ms < RECENT_MS;
    if let Some(error) = intake.last_error.as_ref().filter(|error| is_recent(error.at_ms)) {
        let since = when::ago(error.at_ms, snapshot.now_ms);
        text = text.plain(format!("; a delivery failed {since}: ")).data(&error.reason);
    }
    if let Some(rival_at) = intake.rival_at.filter(|at_ms| is_recent(*at_ms)) {
        let since = when::ago(rival_at, snapshot.now_ms);
        text = text.line().plain(format!(
            "⚠️ Another program used this bot's token {since}. Please stop one of the two."
        ));
    }
    text
}

/// What is in doubt about the clock.
fn clock_lines(clock: &ClockRow, snapshot: &Snapshot) -> Vec<Text> {
    let zone = snapshot.time_zone;
    let mut lines = Vec::new();
    if clock.paused_at.is_some() {
        lines.push(Text::of(format!(
            "⏸ Paused: the machine's clock says {}, but the last step was stored at {}. Set the \
             clock; it goes on by itself.",
            when::date(snapshot.now_ms, zone),
            when::date(clock.committed_at, zone)
        )));
    }
    if let (Some(by_ms), Some(believed_at)) = (clock.jump_ms, clock.believed_at) {
        let sign = if by_ms < 0 { '-' } else { '+' };
        lines.push(Text::of(format!(
            "⏱ The clock jumped by {sign}{}; windows follow it at {} if it stays so.",
            when::length(by_ms.abs()),
            when::moment(believed_at, zone)
        )));
    }
    lines
}

/// A pipeline that was at the log's end so recently is called caught up.
const AT_END_MS: i64 = 5 * SECOND_MS;

fn pipeline(facts: &PipelineFacts, snapshot: &Snapshot) -> Text {
    let PipelineFacts { row, positions, behind, rebuild, note, halted, waits } = facts;
    let records: i64 = positions.iter().map(|position| position.records).sum();
    let late: i64 = positions.iter().map(|position| position.late).sum();
    let newest = positions.iter().filter_map(|position| position.greatest_event_ms).max();
    let now_ms = snapshot.pipeline_now_ms;
    let last = match newest {
        Some(ms) => format!("last reading {}", when::ago(ms, now_ms)),
        None => "no reading yet".to_owned(),
    };
    // Records that came a moment ago are on their way.
    let was_at_end = row.caught_up_at.is_some_and(|at| snapshot.now_ms - at < AT_END_MS);
    let caught_up = match (rebuild, behind) {
        (None, Some(_)) if was_at_end && halted.is_none() => "caught up".to_owned(),
        _ if halted.is_some() => "standing still".to_owned(),
        (Some(progress), _) => format!("rebuilding ({} % done)", progress.per_cent()),
        (None, Some(0)) => "caught up".to_owned(),
        (None, Some(1)) => "1 record behind".to_owned(),
        (None, Some(behind)) => format!("{behind} records behind"),
        (None, None) => "the log does not answer".to_owned(),
    };
    let mut text = Text::new()
        .bold(&row.name)
        .plain(format!(": {records} records ({late} late), {last}, {caught_up}"));
    text = text.line().plain(format!("  {} windows closed", row.windows_closed));
    if let Some(watermark_ms) = row.watermark_ms {
        text =
            text.plain(format!(", watermark {}", when::moment(watermark_ms, snapshot.time_zone)));
    }
    if let Some(reason) = halted {
        text = text.line().plain("  ⛔ ").data(reason);
    }
    if let Some(reason) = waits {
        text = text.line().plain("  ⏳ some records wait: ").data(reason);
    }
    match note {
        Some(note) => text.below(note.clone()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chat::Standing;
    use crate::kernel::time::MINUTE_MS;
    use crate::store::intake::DeliveryError;

    const NOW_MS: i64 = 10 * DAY_MS;

    fn snapshot() -> Snapshot {
        Snapshot {
            me: crate::kernel::chat::Me::default(),
            fixed: crate::kernel::chat::FixedAccess::default(),
            is_admitted: true,
            standing: Standing::Owner,
            draft: None,
            now_ms: NOW_MS,
            pipeline_now_ms: NOW_MS,
            time_zone: chrono_tz::UTC,
            settings: crate::kernel::settings::Settings::default(),
            silent_after_ms: 10 * MINUTE_MS,
        }
    }

    #[test]
    fn troubles_of_the_intake_are_told_while_they_are_recent() {
        let error = |at_ms| Some(DeliveryError { reason: "503 <b>".to_owned(), at_ms });
        let told = |intake: Intake| updates(&intake, &snapshot()).to_plain();
        let mut intake =
            Intake { way: Way::Polling, pending: None, last_error: None, rival_at: None };
        assert_eq!(told(intake.clone()), "Updates: by polling");
        intake.way = Way::Webhook;
        intake.pending = Some(3);
        intake.last_error = error(NOW_MS - 5 * MINUTE_MS);
        assert_eq!(
            told(intake.clone()),
            "Updates: by webhook, 3 waiting at Telegram; a delivery failed 5 min ago: 503 <b>"
        );
        intake.rival_at = Some(NOW_MS - MINUTE_MS);
        assert!(told(intake.clone()).ends_with("token 1 min ago. Please stop one of the two."));
        let long_ago = NOW_MS - 2 * DAY_MS;
        let old = Intake { last_error: error(long_ago), rival_at: Some(long_ago), ..intake };
        assert_eq!(told(old), "Updates: by webhook, 3 waiting at Telegram");
    }

    #[test]
    fn a_pipeline_tells_how_far_it_is_behind() {
        let told = |behind, caught_up_at| {
            let name = "plants".to_owned();
            let row = PipelineRow { name, caught_up_at, ..PipelineRow::default() };
            let (positions, rebuild, note) = (Vec::new(), None, None);
            let (halted, waits) = (None, None);
            let facts = PipelineFacts { row, positions, behind, rebuild, note, halted, waits };
            pipeline(&facts, &snapshot()).to_plain()
        };
        for (behind, words) in [
            (Some(0), "caught up"),
            (Some(1), "1 record behind"),
            (Some(40), "40 records behind"),
            (None, "the log does not answer"),
        ] {
            let told = told(behind, Some(NOW_MS - MINUTE_MS));
            assert!(told.contains(&format!("no reading yet, {words}\n")), "{told}");
        }
        // Records that came since then are on their way.
        assert!(told(Some(40), Some(NOW_MS - 1)).contains("no reading yet, caught up\n"));
    }
}
