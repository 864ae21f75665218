//! Many alerts that wait for one chat become one message, urgent ones first.
//!
//! Invariant: an alert leaves the outbox for a digest only in the transaction that puts the digest
//! there, in the place of the first of them. A digest that waits itself is taken into the next, so
//! that no outage, however long, ends in more than one. A digest shows the cards of what it tells.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;

use super::outbox::{self, Body, Brief, Digest};
use super::{StoreError, cards};
use crate::kernel::card;
use crate::kernel::text::Text;
use crate::kernel::time::Now;

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

/// Do so many alerts wait for this chat, by the house's clock, that some become a digest?
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
pub async fn gather(db: &mut SqliteConnection, chat_id: i64, now: Now) -> Result<bool, StoreError> {
    let rows: Vec<(i64, Option<i32>, String)> = sqlx::query_as(&format!(
        "select id, thread_id, body from outbox where {WAITING} order by id"
    ))
    .bind(chat_id)
    .bind(now.house_ms)
    .fetch_all(&mut *db)
    .await?;
    let mut places: BTreeMap<Option<i32>, Gathering> = BTreeMap::new();
    for (row_id, thread_id, body) in rows {
        let body: Body = serde_json::from_str(&body)?;
        places.entry(thread_id).or_default().take_in(row_id, body);
    }
    let mut gathered = false;
    for gathering in places.into_values() {
        // As `is_due` has it: otherwise the pump would come back at once, again and again.
        let [first, others @ ..] = gathering.rows.as_slice() else { continue };
        if others.is_empty() || gathering.weight <= MOST_SINGLE {
            continue;
        }
        for row_id in &gathering.rows {
            outbox::overtake_edits(db, chat_id, *row_id, None, now.machine_ms).await?;
        }
        for row_id in others {
            outbox::drop_row(db, *row_id, "told in a digest", now.machine_ms).await?;
        }
        let digest = cut(gathering.digest);
        let lasts = cards::gather(db, others, *first, &digest).await?;
        let body = message(digest, lasts);
        outbox::rewrite(db, *first, &Body { silent: !gathering.is_loud, ..body }).await?;
        gathered = true;
    }
    Ok(gathered)
}

/// Waiting alerts of one place.
#[derive(Debug, Default)]
struct Gathering {
    rows: Vec<i64>,
    digest: Digest,
    /// How many single ones they count as.
    weight: i64,
    /// One of them was to make itself heard.
    is_loud: bool,
}

impl Gathering {
    fn take_in(&mut self, row_id: i64, body: Body) {
        self.rows.push(row_id);
        self.weight += if body.digest.is_some() { MOST_SINGLE + 1 } else { 1 };
        self.is_loud |= !body.silent;
        take_in(&mut self.digest, body);
    }
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

/// Urgent ones first, and no more by name than are kept. What a card told last stands for it and
/// changes with it; what it told before that stays as it was said, and comes behind.
fn cut(digest: Digest) -> Digest {
    let mut known = BTreeSet::new();
    let mut named: Vec<(bool, Brief)> = Vec::new();
    for mut brief in digest.named.into_iter().rev() {
        let earlier = brief.of.take_if(|episode| !known.insert(episode.clone()));
        named.push((earlier.is_some(), brief));
    }
    named.reverse();
    named.sort_by_key(|(is_earlier, brief)| (!brief.urgent, *is_earlier));
    let unnamed = digest.unnamed + named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    Digest { named: named.into_iter().map(|(_, brief)| brief).collect(), unnamed }
}

/// The message of a digest, with buttons if some of its alerts last.
pub(super) fn message(digest: Digest, is_live: bool) -> Body {
    let text = text(&digest);
    let keyboard = if is_live { card::for_all() } else { Vec::new() };
    Body { keyboard, digest: Some(digest), ..Body::plain(text) }
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
    use crate::kernel::card::Episode;
    use crate::kernel::chat::Place;
    use crate::kernel::text::MESSAGE_LIMIT_UTF16;
    use crate::store::{Store, Urgency};

    fn brief(line: &str, urgent: bool) -> Brief {
        Brief { of: None, line: Text::of(line), urgent }
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
    fn what_a_card_told_last_stands_for_it() {
        let mut digest = Digest::default();
        for (about, line) in [("hot", "30 °C"), ("dry", "20 %"), ("hot", "35 °C")] {
            let of = Some(Episode { about: about.to_owned(), since_ms: 1 });
            let brief = Brief { of, ..brief(line, false) };
            take_in(&mut digest, Body { brief: Some(brief), ..Body::plain(Text::of(line)) });
        }
        let digest = cut(digest);
        assert_eq!(text(&digest).to_plain(), "3 alerts at once:\n20 %\n35 °C\n30 °C");
        let stands: Vec<bool> = digest.named.iter().map(|brief| brief.of.is_some()).collect();
        assert_eq!(stands, [true, true, false]);
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
                Ok((
                    is_due(db, 7, 1).await?,
                    gather(db, 7, Now::apart(1)).await?,
                    is_due(db, 7, 1).await?,
                ))
            })
        });
        assert_eq!(gathered.await.unwrap(), (true, true, false));
    }
}
