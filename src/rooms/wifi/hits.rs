//! The SQL of probes that matter by themselves: held until their true order is known, then told or
//! held back by the cool-down.
//!
//! Invariant: a probe that matters is told, or counted as held back, or its network or device was
//! taken off the list before its turn came. Nothing depends on how the log was cut into batches.

use rustc_hash::FxHashMap;
use sqlx::SqliteConnection;

use super::encoding::Encoding;
use super::lookout::{Hit, Interest, Reading};
use super::namebook;
use super::rules::{self, Around, Named, Rules};
use super::types::{MacAddr, Ssid};
use crate::engine::Due;
use crate::kernel::alert::Alert;
use crate::kernel::pipeline::At;
use crate::kernel::when;
use crate::store::{StoreError, alerts};

/// Hits whose turn comes in one step. Each takes some statements, and people wait for the writer.
const STEP_HITS: usize = 500;

/// Takes a step's hits in and gives the alerts of those whose turn has come, in their order. What is
/// too much for one step stays for the next.
pub(super) async fn release(
    db: &mut SqliteConnection,
    rules: &Rules,
    due: &Due,
    fresh: &[Hit],
    encoding: Option<Encoding>,
) -> Result<Vec<Alert>, StoreError> {
    let mut ready = take_due(db, due.settled_ms, encoding).await?;
    for hit in fresh {
        let is_clear = hit.reading == Reading::Sure || encoding.is_some();
        if is_clear && hit.at.event_ms <= due.settled_ms {
            ready.push(*hit);
        } else {
            hold(db, hit, false).await?;
        }
    }
    ready.retain(|hit| match hit.reading {
        Reading::Sure => true,
        Reading::AsText => encoding == Some(Encoding::Text),
        Reading::AsHex => encoding == Some(Encoding::Hex),
    });
    ready.sort_unstable_by_key(|hit| (hit.at, hit.reading));
    for hit in ready.drain(STEP_HITS.min(ready.len())..) {
        hold(db, &hit, true).await?;
    }
    let mut teller = Teller::new(rules, due);
    let mut told = Vec::new();
    for hit in &ready {
        told.extend(teller.tell(db, hit).await?);
    }
    teller.store_held(db).await?;
    Ok(told)
}

/// The alerts of days that are over at this watermark and held something back.
pub(super) async fn days(
    db: &mut SqliteConnection,
    rules: &Rules,
    watermark_ms: i64,
) -> Result<Vec<Alert>, StoreError> {
    let over: Vec<i64> = sqlx::query_scalar(
        "select distinct ends_ms from wifi_held where ends_ms <= ? order by ends_ms",
    )
    .bind(watermark_ms)
    .fetch_all(&mut *db)
    .await?;
    let mut told = Vec::new();
    for ends_ms in over {
        let rows: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(
            "select mac, ssid, probe_count from wifi_held where ends_ms = ?
              order by probe_count desc, mac, ssid",
        )
        .bind(ends_ms)
        .fetch_all(&mut *db)
        .await?;
        let mut held = Vec::with_capacity(rows.len());
        for (mac, ssid, count) in rows {
            let mac = MacAddr::of_key(mac);
            // The others are counted and not named.
            let name = match held.len() < rules::HELD_NAMED {
                true => namebook::name_of(db, mac).await?.0,
                false => None,
            };
            held.push((Named { mac, name }, stored_ssid(&ssid)?, count));
        }
        told.push(rules.held_back(ends_ms, &held));
        sqlx::query("delete from wifi_held where ends_ms = ?")
            .bind(ends_ms)
            .execute(&mut *db)
            .await?;
    }
    Ok(told)
}

/// Do hits wait whose turn has come?
pub(super) async fn has_ready(db: &mut SqliteConnection) -> Result<bool, StoreError> {
    let waiting: Option<i64> =
        sqlx::query_scalar("select 1 from wifi_candidate where is_ready = 1 limit 1")
            .fetch_optional(db)
            .await?;
    Ok(waiting.is_some())
}

/// When the next day ends that has something to tell.
pub(super) async fn next_day(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select min(ends_ms) from wifi_held").fetch_one(db).await?)
}

/// Goes through hits in their order and says which are told.
struct Teller<'a> {
    rules: &'a Rules,
    due: &'a Due,
    said: FxHashMap<(&'static str, MacAddr, Ssid), Around>,
    /// `None` is ignored.
    devices: FxHashMap<MacAddr, Option<Named>>,
    /// `None` is not watched any more.
    reasons: FxHashMap<Ssid, Option<String>>,
    /// Held back, by the end of the day.
    held: FxHashMap<(i64, MacAddr, Ssid), i64>,
    /// Whether a day, by its end, has been told.
    days: FxHashMap<i64, bool>,
}

impl<'a> Teller<'a> {
    fn new(rules: &'a Rules, due: &'a Due) -> Teller<'a> {
        Teller {
            rules,
            due,
            said: FxHashMap::default(),
            devices: FxHashMap::default(),
            reasons: FxHashMap::default(),
            held: FxHashMap::default(),
            days: FxHashMap::default(),
        }
    }

    async fn tell(
        &mut self,
        db: &mut SqliteConnection,
        hit: &Hit,
    ) -> Result<Option<Alert>, StoreError> {
        let reason = match hit.interest {
            Interest::HidesBytes => None,
            Interest::Watched => match self.reason(db, hit.ssid).await? {
                None => return Ok(None),
                reason => reason,
            },
            Interest::Resembles(watched) => match self.reason(db, watched).await? {
                None => return Ok(None),
                reason => reason,
            },
        };
        let Some(who) = self.device(db, hit.mac).await? else { return Ok(None) };
        let around = self.around(db, hit).await?;
        if !self.rules.tells(hit.at.event_ms, around) {
            let ends_ms = self.day_of(db, hit.at.event_ms).await?;
            *self.held.entry((ends_ms, hit.mac, hit.ssid)).or_default() += 1;
            return Ok(None);
        }
        let said = self.said.entry(key_of(hit)).or_default();
        said.before_ms = Some(hit.at.event_ms);
        Ok(Some(self.rules.probed(hit, &who, reason.as_deref())))
    }

    /// The alerts around a hit: those on record, and those of this round.
    async fn around(&mut self, db: &mut SqliteConnection, hit: &Hit) -> Result<Around, StoreError> {
        let at_ms = hit.at.event_ms;
        if let Some(known) = self.said.get(&key_of(hit))
            && known.after_ms.is_none_or(|after_ms| at_ms < after_ms)
        {
            return Ok(*known);
        }
        let (rule, subject) = (rules::rule_of(hit.interest), rules::subject_of(hit.mac, &hit.ssid));
        let (before_ms, after_ms) = alerts::around(db, rule, &subject, at_ms).await?;
        let known = self.said.entry(key_of(hit)).or_default();
        *known = Around { before_ms: before_ms.max(known.before_ms), after_ms };
        Ok(*known)
    }

    async fn device(
        &mut self,
        db: &mut SqliteConnection,
        mac: MacAddr,
    ) -> Result<Option<Named>, StoreError> {
        if let Some(known) = self.devices.get(&mac) {
            return Ok(known.clone());
        }
        let (name, is_ignored) = namebook::name_of(db, mac).await?;
        let who = (!is_ignored).then_some(Named { mac, name });
        self.devices.insert(mac, who.clone());
        Ok(who)
    }

    async fn reason(
        &mut self,
        db: &mut SqliteConnection,
        ssid: Ssid,
    ) -> Result<Option<String>, StoreError> {
        if let Some(known) = self.reasons.get(&ssid) {
            return Ok(known.clone());
        }
        let reason: Option<String> =
            sqlx::query_scalar("select reason from wifi_watch where ssid = ?")
                .bind(ssid.as_bytes().to_vec())
                .fetch_optional(db)
                .await?;
        self.reasons.insert(ssid, reason.clone());
        Ok(reason)
    }

    /// The end of the day that a held-back probe is counted in: its own, or the present one where
    /// its own has been told already.
    async fn day_of(
        &mut self,
        db: &mut SqliteConnection,
        captured_ms: i64,
    ) -> Result<i64, StoreError> {
        let zone = self.rules.time_zone;
        let own_ms = when::day_end(captured_ms, zone);
        let is_told = match self.days.get(&own_ms) {
            Some(known) => *known,
            None => {
                let told = alerts::is_recorded(db, rules::HELD_BACK, own_ms).await?;
                self.days.insert(own_ms, told);
                told
            }
        };
        let present_ms = self.due.watermark_ms.unwrap_or(self.due.now_ms);
        Ok(if is_told { when::day_end(present_ms.max(captured_ms), zone) } else { own_ms })
    }

    async fn store_held(self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        for ((ends_ms, mac, ssid), count) in self.held {
            sqlx::query(
                "insert into wifi_held (ends_ms, mac, ssid, probe_count) values (?, ?, ?, ?)
                 on conflict (ends_ms, mac, ssid) do update set
                    probe_count = probe_count + excluded.probe_count",
            )
            .bind(ends_ms)
            .bind(mac.key())
            .bind(ssid.as_bytes().to_vec())
            .bind(count)
            .execute(&mut *db)
            .await?;
        }
        Ok(())
    }
}

fn key_of(hit: &Hit) -> (&'static str, MacAddr, Ssid) {
    (rules::rule_of(hit.interest), hit.mac, hit.ssid)
}

async fn hold(db: &mut SqliteConnection, hit: &Hit, is_ready: bool) -> Result<(), StoreError> {
    let (interest, watched) = match hit.interest {
        Interest::Watched => ("watched", None),
        Interest::Resembles(watched) => ("resembles", Some(watched)),
        Interest::HidesBytes => ("hides_bytes", None),
    };
    let reading = match hit.reading {
        Reading::Sure => "sure",
        Reading::AsText => "text",
        Reading::AsHex => "hex",
    };
    sqlx::query(
        "insert into wifi_candidate
            (event_ms, partition, offset, reading, mac, ssid, interest, watched, is_ready)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
    )
    .bind(hit.at.event_ms)
    .bind(hit.at.partition)
    .bind(hit.at.offset)
    .bind(reading)
    .bind(hit.mac.key())
    .bind(hit.ssid.as_bytes().to_vec())
    .bind(interest)
    .bind(watched.map(|watched| watched.as_bytes().to_vec()))
    .bind(is_ready)
    .execute(db)
    .await?;
    Ok(())
}

type Held = (i64, i32, i64, String, i64, Vec<u8>, String, Option<Vec<u8>>);

/// Takes the first held hits whose turn has come, and marks the others. While it is open what SSIDs
/// are written in, those that it matters for stay.
async fn take_due(
    db: &mut SqliteConnection,
    settled_ms: i64,
    encoding: Option<Encoding>,
) -> Result<Vec<Hit>, StoreError> {
    sqlx::query(
        "update wifi_candidate set is_ready = 1
          where event_ms <= ? and is_ready = 0 and (reading = 'sure' or ?)",
    )
    .bind(settled_ms)
    .bind(encoding.is_some())
    .execute(&mut *db)
    .await?;
    let rows: Vec<Held> = sqlx::query_as(
        "delete from wifi_candidate where (event_ms, partition, offset, reading) in
            (select event_ms, partition, offset, reading from wifi_candidate
              where is_ready = 1 order by event_ms, partition, offset, reading limit ?)
         returning event_ms, partition, offset, reading, mac, ssid, interest, watched",
    )
    .bind(i64::try_from(STEP_HITS).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(stored_hit).collect()
}

fn stored_hit(row: Held) -> Result<Hit, StoreError> {
    let (event_ms, partition, offset, reading, mac, ssid, interest, watched) = row;
    let interest = match (interest.as_str(), watched) {
        ("watched", _) => Interest::Watched,
        ("resembles", Some(watched)) => Interest::Resembles(stored_ssid(&watched)?),
        _ => Interest::HidesBytes,
    };
    let reading = match reading.as_str() {
        "text" => Reading::AsText,
        "hex" => Reading::AsHex,
        _ => Reading::Sure,
    };
    let at = At { event_ms, partition, offset };
    Ok(Hit { at, mac: MacAddr::of_key(mac), ssid: stored_ssid(&ssid)?, interest, reading })
}

fn stored_ssid(bytes: &[u8]) -> Result<Ssid, StoreError> {
    Ssid::of_bytes(bytes).map_err(|error| StoreError::Unexpected(error.to_string()))
}
