//! The result table `houseplant-low-readings`: windows in which a plant was dry.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::rules::{self, DryWindow};
use crate::engine::results::ResultTable;
use crate::store::{StoreError, results};

/// The topic's default name.
pub(super) const TOPIC: &str = "houseplant-low-readings";

/// The table as the engine publishes it. Windows go sooner than they are published in a long
/// catch-up, so each row is kept with its state until then, and none is read from the views.
pub(super) const TABLE: ResultTable = ResultTable {
    topic: TOPIC,
    pipeline: "plants",
    by_default: true,
    note_all: |_| Box::pin(async { Ok(()) }),
    read: |_, keys| Box::pin(async move { Ok(vec![None; keys.len()]) }),
};

/// Closed windows have so many low readings, by the plants' names as they are now.
pub(super) async fn put(
    db: &mut SqliteConnection,
    windows: &[&DryWindow],
) -> Result<(), StoreError> {
    let rows: Vec<(String, Value)> = windows.iter().copied().map(row).collect();
    results::put(db, TOPIC, &rows).await
}

fn row(window: &DryWindow) -> (String, Value) {
    let row = json!({
        "plant_id": window.plant_id,
        "given_name": window.given_name,
        "common_name": window.common_name,
        "scientific_name": window.scientific_name,
        "moisture_low": window.moisture_low,
        "message": rules::message(window),
        "low_reading_count": window.low_count,
        "window_start": window.start_ms,
        "window_end": window.end_ms,
    });
    (format!("{}@{}", window.plant_id, window.start_ms), row)
}
