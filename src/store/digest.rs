//! Many alerts that wait for one chat become one message, urgent ones first.
//!
//! Invariant: an alert leaves the outbox for a digest only in the transaction that puts the digest
//! there.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::StoreError;
use super::outbox::{self, Body, Brief, Class, Target};
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;

/// More waiting alerts than this for one place become a digest.
const MOST_SINGLE: usize = 20;
/// Lines of a digest; it counts the rest.
const LINES: usize = 100;

const WAITING: &str = "chat_id = ? and state = 'waiting' and class = 'alert'
    and json_extract(body, '$.brief') is not null";

/// Do so many alerts wait for this chat that some become a digest?
pub async fn is_due(db: &mut SqliteConnection, chat_id: i64) -> Result<bool, StoreError> {
    let most: Option<i64> = sqlx::query_scalar(&format!(
        "select max(waiting) from (
            select count(*) as waiting from outbox where {WAITING} group by thread_id)"
    ))
    .bind(chat_id)
    .fetch_one(db)
    .await?;
    Ok(most.is_some_and(|most| usize::try_from(most).is_ok_and(|most| most > MOST_SINGLE)))
}

/// Puts a digest in the place of a chat's waiting alerts. Says whether there were enough.
pub async fn gather(
    db: &mut SqliteConnection,
    chat_id: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let rows: Vec<(i64, Option<i32>, String)> = sqlx::query_as(&format!(
        "select id, thread_id, body from outbox where {WAITING} order by id"
    ))
    .bind(chat_id)
    .fetch_all(&mut *db)
    .await?;
    let mut places: BTreeMap<Option<i32>, Vec<(i64, Brief)>> = BTreeMap::new();
    for (row_id, thread_id, body) in rows {
        let body: Body = serde_json::from_str(&body)?;
        if let Some(brief) = body.brief {
            places.entry(thread_id).or_default().push((row_id, brief));
        }
    }
    let mut gathered = false;
    for (thread_id, alerts) in places {
        if alerts.len() <= MOST_SINGLE {
            continue;
        }
        for (row_id, _) in &alerts {
            outbox::drop_row(db, *row_id, "told in a digest", now_ms).await?;
        }
        let briefs: Vec<Brief> = alerts.into_iter().map(|(_, brief)| brief).collect();
        let place = Place { chat_id, thread_id };
        let say = Say::new(text(&briefs));
        outbox::say(db, place, Class::Alert, Target::New, &say, now_ms).await?;
        gathered = true;
    }
    Ok(gathered)
}

/// The digest's words.
fn text(alerts: &[Brief]) -> Text {
    let mut text = Text::new().bold(format!("{} alerts", alerts.len())).plain(" at once:");
    let urgent = alerts.iter().filter(|alert| alert.urgent);
    let others = alerts.iter().filter(|alert| !alert.urgent);
    for alert in urgent.chain(others).take(LINES) {
        text = text.below(alert.line.clone());
    }
    let unnamed = alerts.len().saturating_sub(LINES);
    if unnamed > 0 {
        text = text.below(Text::of(format!("… and {unnamed} more.")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_alerts_come_first_and_the_rest_is_counted() {
        let brief = |line: &str, urgent| Brief { line: Text::of(line), urgent };
        let mut alerts: Vec<Brief> =
            (0..101).map(|number| brief(&format!("dry {number}"), false)).collect();
        alerts.push(brief("freezing", true));
        let words = text(&alerts).to_plain();
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[..3], ["102 alerts at once:", "freezing", "dry 0"]);
        assert_eq!(lines.last(), Some(&"… and 2 more."));
    }
}
