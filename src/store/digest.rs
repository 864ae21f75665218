//! Many alerts that wait for one chat become one message, urgent ones first.
//!
//! Invariant: an alert leaves the outbox for a digest only in the transaction that puts the digest
//! there, in the place of the first of them. A digest that waits itself is taken into the next, so
//! that no outage, however long, ends in more than one.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::StoreError;
use super::outbox::{self, Body, Digest};
use crate::kernel::text::Text;

/// More waiting alerts than this for one place become a digest.
const MOST_SINGLE: i64 = 20;
/// Alerts that a digest keeps by name; it counts the rest.
const NAMED: usize = 100;
/// Room for the line that counts the rest.
const REST_UTF16: usize = 64;

const WAITING: &str =
    "chat_id = ? and deferred_until <= ? and state = 'waiting' and class = 'alert'
    and action = 'say'
    and (json_extract(body, '$.brief') is not null or json_extract(body, '$.digest') is not null)";

/// Do so many alerts wait for this chat that some become a digest?
pub async fn is_due(
    db: &mut SqliteConnection,
    chat_id: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let due: Option<i64> = sqlx::query_scalar(&format!(
        "select 1 from outbox where {WAITING} group by thread_id
         having count(*) > 1
            and count(*) + count(json_extract(body, '$.digest')) * {MOST_SINGLE} > {MOST_SINGLE}"
    ))
    .bind(chat_id)
    .bind(now_ms)
    .fetch_optional(db)
    .await?;
    Ok(due.is_some())
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
    .bind(now_ms)
    .fetch_all(&mut *db)
    .await?;
    let mut places: BTreeMap<Option<i32>, (Vec<i64>, Digest, i64)> = BTreeMap::new();
    for (row_id, thread_id, body) in rows {
        let body: Body = serde_json::from_str(&body)?;
        let (ids, digest, weight) = places.entry(thread_id).or_default();
        ids.push(row_id);
        *weight += if body.digest.is_some() { MOST_SINGLE + 1 } else { 1 };
        take_in(digest, body);
    }
    let mut gathered = false;
    for (ids, digest, weight) in places.into_values() {
        // As `is_due` has it: otherwise the pump would come back at once, again and again.
        let [first, others @ ..] = ids.as_slice() else { continue };
        if others.is_empty() || weight <= MOST_SINGLE {
            continue;
        }
        for row_id in others {
            outbox::drop_row(db, *row_id, "told in a digest", now_ms).await?;
        }
        for row_id in &ids {
            forget_card(db, chat_id, *row_id, now_ms).await?;
        }
        put(db, *first, cut(digest)).await?;
        gathered = true;
    }
    Ok(gathered)
}

/// What a digest tells has no card of its own any more, and nothing changes the digest into one.
async fn forget_card(
    db: &mut SqliteConnection,
    chat_id: i64,
    row_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    outbox::overtake_edits(db, chat_id, row_id, None, now_ms).await?;
    sqlx::query("update card_message set outbox_row = null where outbox_row = ?")
        .bind(row_id)
        .execute(db)
        .await?;
    Ok(())
}

fn take_in(digest: &mut Digest, body: Body) {
    if let Some(earlier) = body.digest {
        digest.named.extend(earlier.named);
        digest.unnamed += earlier.unnamed;
    }
    // The parts of an alert that was too long for one message are one alert.
    if let Some(brief) = body.brief.filter(|brief| digest.named.last() != Some(brief)) {
        digest.named.push(brief);
    }
}

/// Urgent ones first, and no more by name than are kept.
fn cut(mut digest: Digest) -> Digest {
    digest.named.sort_by_key(|brief| !brief.urgent);
    digest.unnamed += digest.named.len().saturating_sub(NAMED);
    digest.named.truncate(NAMED);
    digest
}

async fn put(db: &mut SqliteConnection, row_id: i64, digest: Digest) -> Result<(), StoreError> {
    let text = text(&digest);
    let body = Body { digest: Some(digest), ..Body::plain(text) };
    sqlx::query("update outbox set body = ? where id = ?")
        .bind(serde_json::to_string(&body)?)
        .bind(row_id)
        .execute(db)
        .await?;
    Ok(())
}

/// The digest's words: as many alerts by name as one message holds.
fn text(digest: &Digest) -> Text {
    let count = digest.named.len() + digest.unnamed;
    let text = Text::new().bold(format!("{count} alerts")).plain(" at once:");
    let lines = digest.named.iter().map(|alert| alert.line.clone());
    let (text, shown) = text.below_while_it_fits(lines, REST_UTF16);
    match count - shown {
        0 => text,
        rest => text.below(Text::of(format!("… and {rest} more. /alerts lists the newest."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::alert::Alert;
    use crate::kernel::chat::Place;
    use crate::kernel::text::MESSAGE_LIMIT_UTF16;
    use crate::store::outbox::Brief;
    use crate::store::{Store, Urgency};

    fn brief(line: &str, urgent: bool) -> Brief {
        Brief { line: Text::of(line), urgent }
    }

    fn single(line: &str, urgent: bool) -> Body {
        Body { brief: Some(brief(line, urgent)), ..Body::plain(Text::of(line)) }
    }

    #[test]
    fn urgent_alerts_come_first_and_the_rest_is_counted() {
        let mut digest = Digest::default();
        for number in 0..101 {
            take_in(&mut digest, single(&format!("dry {number}"), false));
        }
        take_in(&mut digest, single("freezing", true));
        let words = text(&cut(digest)).to_plain();
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[..3], ["102 alerts at once:", "freezing", "dry 0"]);
        assert_eq!(lines.last(), Some(&"… and 2 more. /alerts lists the newest."));
    }

    #[test]
    fn a_digest_takes_in_an_earlier_one_and_fits_into_one_message() {
        let mut earlier = Digest::default();
        for number in 0..90 {
            take_in(&mut earlier, single(&format!("{number} {}", "&".repeat(300)), false));
        }
        earlier.unnamed = 310;
        let mut digest = Digest::default();
        let waiting = Body { digest: Some(earlier), ..Body::plain(Text::new()) };
        take_in(&mut digest, waiting);
        take_in(&mut digest, single("freezing", true));
        take_in(&mut digest, single("freezing", true));
        let text = text(&cut(digest));
        assert!(text.width_utf16() <= MESSAGE_LIMIT_UTF16);
        let words = text.to_plain();
        assert!(words.starts_with("401 alerts at once:\nfreezing\n0 &&"), "{words}");
        assert_eq!(text.split(MESSAGE_LIMIT_UTF16).len(), 1);
    }

    /// The pump asks again after every write: what is due and not done would be asked for ever.
    #[tokio::test]
    async fn a_digest_that_is_due_is_made_even_of_alerts_that_read_alike() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let gathered = store.write(Urgency::People, |db| {
            Box::pin(async move {
                let place = Place::private(7);
                for number in 0..=MOST_SINGLE {
                    let text = Text::of(format!("dry {}", number / 2));
                    let subject = number.to_string();
                    let alert = Alert::new("plants.dry", subject, 1, text.clone(), text);
                    outbox::alert(db, place, &alert, 1).await?;
                }
                Ok((is_due(db, 7, 1).await?, gather(db, 7, 1).await?, is_due(db, 7, 1).await?))
            })
        });
        assert_eq!(gathered.await.unwrap(), (true, true, false));
    }
}
