//! `/metrics`: what the instance counts and holds, for Prometheus.
//!
//! Invariant: a part that cannot be read is left out and said to be away; the rest is shown.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sqlx::SqliteConnection;

use super::exposition::{CONTENT_TYPE, Exposition, count, seconds};
use super::{ANSWER_WITHIN, Operations};
use crate::clock;
use crate::engine::{LogEnds, Phase, error_chain};
use crate::store::intake::{self, Intake};
use crate::store::positions::{PipelineRow, Position};
use crate::store::{StoreError, alerts, dead_letters, inbox, outbox, positions};

/// What of the metrics stands in the store.
struct Stored {
    pipelines: Vec<(PipelineRow, Vec<Position>)>,
    inbox: inbox::Depth,
    outbox: Vec<outbox::ClassDepth>,
    alerts: Vec<(&'static str, i64)>,
    dead_letters: i64,
    intake: Option<Intake>,
}

pub(super) async fn page(State(operations): State<Operations>) -> Response {
    let workshop = &operations.workshop;
    let read = workshop.store.read(|db| Box::pin(stored(db)));
    let stored = shown("the store", tokio::time::timeout(ANSWER_WITHIN, read).await);
    let ends = LogEnds::read(workshop.log.as_ref(), &workshop.topics);
    let ends = shown("the log", tokio::time::timeout(ANSWER_WITHIN, ends).await);
    let mut page = Exposition::default();
    process(&mut page, &operations);
    page.gauge("windowsill_store_readable", "1 where the store could be read for this page.")
        .value(f64::from(u8::from(stored.is_some())));
    page.gauge("windowsill_log_readable", "1 where the event log could be read for this page.")
        .value(f64::from(u8::from(ends.is_some())));
    writer(&mut page, &operations);
    telegram(&mut page, &operations);
    if let Some(stored) = &stored {
        pipelines(&mut page, &operations, stored, ends.as_ref());
        queues(&mut page, stored);
        if let Some(ends) = &ends {
            lags(&mut page, &operations, stored, ends);
        }
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page.into_text()).into_response()
}

type Answered<T, E> = Result<Result<T, E>, tokio::time::error::Elapsed>;

fn shown<T, E: std::error::Error + 'static>(what: &str, answered: Answered<T, E>) -> Option<T> {
    match answered {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(error)) => tracing::warn!(error = %error_chain(&error), "no metrics of {what}"),
        Err(_) => tracing::warn!("no metrics of {what}: it does not answer"),
    }
    None
}

async fn stored(db: &mut SqliteConnection) -> Result<Stored, StoreError> {
    Ok(Stored {
        pipelines: positions::overview(db).await?,
        inbox: inbox::depth(db).await?,
        outbox: outbox::depth_by_class(db).await?,
        alerts: alerts::count_by_told(db).await?,
        dead_letters: dead_letters::buried_ever(db).await?,
        intake: intake::load(db).await?,
    })
}

fn process(page: &mut Exposition, operations: &Operations) {
    page.gauge("windowsill_build_info", "1; the version is a label.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let uptime_ms = clock::monotonic_ms();
    page.gauge("process_start_time_seconds", "When the process began, since the Unix epoch.")
        .value(count(clock::now_ms() - uptime_ms) / 1000.0);
    let mut family = page.gauge("windowsill_file_bytes", "Sizes of the files of the data folder.");
    for file in ["log.db", "log.db-wal", "state.db", "state.db-wal"] {
        let size = std::fs::metadata(operations.data_dir.join(file)).map_or(0, |data| data.len());
        family.sample(&[("file", file)], count(i64::try_from(size).unwrap_or(i64::MAX)));
    }
}

fn writer(page: &mut Exposition, operations: &Operations) {
    let writer = operations.workshop.store.writer();
    let (people, bulk) = writer.waiting();
    let mut family = page.gauge("windowsill_store_queue_jobs", "Writes that wait their turn.");
    family.sample(&[("urgency", "people")], whole(people as u64));
    family.sample(&[("urgency", "bulk")], whole(bulk as u64));
    let meter = writer.meter();
    page.counter(
        "windowsill_store_write_failures_total",
        "Transactions that the database refused.",
    )
    .value(whole(meter.failures.get()));
    let help = "Transactions of the store, from begin to commit.";
    page.histogram("windowsill_store_write_duration_seconds", help, &meter.write_times);
}

fn telegram(page: &mut Exposition, operations: &Operations) {
    let meter = &operations.telegram;
    page.gauge("windowsill_telegram_reachable", "1 while Telegram answers.")
        .value(f64::from(u8::from(meter.is_reachable())));
    if let Some(since) = meter.since_answer() {
        page.gauge("windowsill_telegram_last_answer_age_seconds", "Since Telegram last answered.")
            .value(since.as_secs_f64());
    }
    let calls = meter.calls();
    if !calls.is_empty() {
        let mut family = page
            .counter("windowsill_telegram_calls_total", "Bot API calls by what became of them.");
        for ((method, outcome), calls) in calls {
            family.sample(&[("method", &method), ("outcome", outcome.name())], whole(calls));
        }
    }
    let help = "Bot API calls without long polls, from request to answer.";
    page.histogram("windowsill_telegram_call_duration_seconds", help, &meter.call_times);
    let requests = meter.webhook_requests();
    if !requests.is_empty() {
        let help = "Requests to the webhook, by the status they were answered with.";
        let mut family = page.counter("windowsill_webhook_requests_total", help);
        for (status, requests) in requests {
            family.sample(&[("status", &status.to_string())], whole(requests));
        }
    }
    let messages = &meter.messages;
    let mut family =
        page.counter("windowsill_messages_total", "Attempts to send a message, by their outcome.");
    family.sample(&[("outcome", "sent")], whole(messages.sent.get()));
    family.sample(&[("outcome", "retried")], whole(messages.retried.get()));
    family.sample(&[("outcome", "refused")], whole(messages.refused.get()));
}

fn pipelines(
    page: &mut Exposition,
    operations: &Operations,
    stored: &Stored,
    ends: Option<&LogEnds>,
) {
    let mut family =
        page.gauge("windowsill_pipeline_folding", "1 while the pipeline takes records.");
    for pipeline in operations.pipelines.iter() {
        let is_folding = *pipeline.phase.borrow() == Phase::Folding;
        family.sample(&[("pipeline", pipeline.name)], f64::from(u8::from(is_folding)));
    }
    if stored.pipelines.is_empty() {
        return;
    }
    let mut family = page.counter("windowsill_windows_closed_total", "Windows that have closed.");
    for (row, _) in &stored.pipelines {
        family.sample(&[("pipeline", &row.name)], count(row.windows_closed));
    }
    let now_ms = operations.workshop.clock.now_ms();
    let clock_lag_ms = operations.workshop.settings.clock_lag_ms;
    let help = "How far the watermark is behind the clock, which it follows at the log's end.";
    let mut family = page.gauge("windowsill_watermark_age_seconds", help);
    for (row, positions) in &stored.pipelines {
        let Some(watermark_ms) = row.watermark_ms else { continue };
        let pipeline = operations.pipelines.iter().find(|pipeline| pipeline.name == row.name);
        let folds = pipeline.is_some_and(|it| *it.phase.borrow() == Phase::Folding);
        let age_ms = now_ms - watermark_ms;
        // What is stored is as old as the last step that had something to store.
        let age_ms = match folds && ends.is_some_and(|ends| ends.behind(positions) == 0) {
            true => age_ms.min(clock_lag_ms),
            false => age_ms,
        };
        family.sample(&[("pipeline", &row.name)], count(age_ms) / 1000.0);
    }
    let help = "Records folded since the views were built.";
    by_partition(page.counter("windowsill_records_total", help), stored, |at| at.records);
    let help = "Of these, records that came after their window had closed.";
    by_partition(page.counter("windowsill_records_late_total", help), stored, |at| at.late);
}

fn by_partition(
    mut family: super::exposition::Family<'_>,
    stored: &Stored,
    value: impl Fn(&Position) -> i64,
) {
    for (row, positions) in &stored.pipelines {
        for at in positions {
            let partition = at.partition.to_string();
            let labels =
                [("pipeline", row.name.as_str()), ("topic", &at.topic), ("partition", &partition)];
            family.sample(&labels, count(value(at)));
        }
    }
}

fn lags(page: &mut Exposition, operations: &Operations, stored: &Stored, ends: &LogEnds) {
    let mut family = page
        .gauge("windowsill_consumer_lag_records", "Records that are still to be read, at most.");
    for pipeline in operations.pipelines.iter() {
        let found = stored.pipelines.iter().find(|(row, _)| row.name == pipeline.name);
        let positions = found.map_or(&[][..], |(_, positions)| positions.as_slice());
        for topic in &pipeline.topics {
            for lag in ends.lags(topic, positions) {
                let partition = lag.partition.to_string();
                let labels =
                    [("pipeline", pipeline.name), ("topic", topic), ("partition", &partition)];
                family.sample(&labels, count(lag.records));
            }
        }
    }
}

fn queues(page: &mut Exposition, stored: &Stored) {
    if let Some(pending) = stored.intake.as_ref().and_then(|intake| intake.pending) {
        let help = "Updates that Telegram had not delivered when it was last asked.";
        page.gauge("windowsill_telegram_pending_updates", help).value(count(pending));
    }
    page.gauge("windowsill_inbox_waiting_updates", "Updates that wait to be handled.")
        .value(count(stored.inbox.waiting));
    page.gauge("windowsill_inbox_parked_updates", "Updates set aside after they failed.")
        .value(count(stored.inbox.parked));
    let mut family =
        page.gauge("windowsill_outbox_waiting_messages", "Messages that wait to be sent.");
    for class in &stored.outbox {
        family.sample(&[("class", class.class)], count(class.waiting));
    }
    let mut family =
        page.gauge("windowsill_outbox_oldest_age_seconds", "How long the oldest of them waits.");
    for class in &stored.outbox {
        let age_ms = class.oldest_at.map_or(0, |oldest_at| clock::now_ms() - oldest_at);
        let age_ms = u64::try_from(age_ms).unwrap_or(0);
        family.sample(&[("class", class.class)], seconds(age_ms));
    }
    let mut family =
        page.gauge("windowsill_alerts", "Alerts on record, by whom they were told to.");
    for (told, alerts) in &stored.alerts {
        family.sample(&[("told", told)], count(*alerts));
    }
    page.counter("windowsill_dead_letters_total", "Records that could not be folded.")
        .value(count(stored.dead_letters));
}

fn whole(number: u64) -> f64 {
    count(i64::try_from(number).unwrap_or(i64::MAX))
}
