//! The SQL of what the stream has shown of its encoding, and of the decision.
//!
//! Invariant: the decision is a fact. It is made once, by what was captured first, and obeyed by
//! rebuilds; what contradicts it later is counted and told, never followed.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::encoding::{Encoding, Evidence, GUESS_AT_END, UNDECIDED_MS, Witnesses};
use super::rules;
use crate::engine::Due;
use crate::kernel::alert::Alert;
use crate::kernel::text::Text;
use crate::store::{StoreError, alerts};

/// What was decided, if it was.
pub(super) async fn decided(db: &mut SqliteConnection) -> Result<Option<Encoding>, StoreError> {
    let name: Option<Option<String>> =
        sqlx::query_scalar("select decided from wifi_encoding where id = 1")
            .fetch_optional(db)
            .await?;
    Ok(name.flatten().as_deref().and_then(Encoding::of_name))
}

/// Adds what a batch has shown. What could be either is counted until it is decided.
pub(super) async fn note(
    db: &mut SqliteConnection,
    evidence: &Evidence,
    decided: Option<Encoding>,
) -> Result<(), StoreError> {
    if evidence.hex.count + evidence.text.count > 0 {
        sqlx::query(
            "insert into wifi_evidence
                (id, hex_count, hex_first_ms, text_count, text_first_ms)
             values (1, ?, ?, ?, ?)
             on conflict (id) do update set
                hex_count = hex_count + excluded.hex_count,
                hex_first_ms = coalesce(min(hex_first_ms, excluded.hex_first_ms),
                                        hex_first_ms, excluded.hex_first_ms),
                text_count = text_count + excluded.text_count,
                text_first_ms = coalesce(min(text_first_ms, excluded.text_first_ms),
                                         text_first_ms, excluded.text_first_ms)",
        )
        .bind(evidence.hex.count)
        .bind(evidence.hex.first_ms)
        .bind(evidence.text.count)
        .bind(evidence.text.first_ms)
        .execute(&mut *db)
        .await?;
    }
    if decided.is_some() {
        return Ok(());
    }
    for (minute, count) in &evidence.undecided {
        sqlx::query(
            "insert into wifi_undecided_minute (minute, probe_count) values (?, ?)
             on conflict (minute) do update set probe_count = probe_count + excluded.probe_count",
        )
        .bind(minute)
        .bind(count)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Decides, if what has been read by now allows it. Gives what was decided just now.
pub(super) async fn decide(
    db: &mut SqliteConnection,
    due: &Due,
    fresh: &Evidence,
    setting: Option<Encoding>,
) -> Result<Option<Encoding>, StoreError> {
    let known = decided(db).await?;
    if let Some(encoding) = setting {
        if known == setting {
            return Ok(None);
        }
        store(db, encoding, "the setting says so").await?;
        return Ok(known.is_none().then_some(encoding));
    }
    if known.is_some() {
        return Ok(None);
    }
    if !fresh.undecided.is_empty() {
        sqlx::query(
            "insert into wifi_encoding (id, heard_at) values (1, ?)
             on conflict (id) do update set heard_at = excluded.heard_at",
        )
        .bind(due.now_ms)
        .execute(&mut *db)
        .await?;
    }
    let evidence = load(db).await?;
    if evidence.is_empty() {
        // What was open is gone: folded anew by another setting, or no longer in the log.
        sqlx::query("update wifi_encoding set heard_at = null where heard_at is not null")
            .execute(db)
            .await?;
        return Ok(None);
    }
    let mut verdict = evidence.verdict(due.settled_ms);
    if verdict.is_none() && !evidence.undecided.is_empty() {
        let rests = rests_at(db).await?.zip(due.watermark_ms);
        let is_over = due.is_final || rests.is_some_and(|(at_ms, now_ms)| at_ms <= now_ms);
        verdict = is_over.then_some((Encoding::Text, GUESS_AT_END));
    }
    let Some((encoding, reason)) = verdict else { return Ok(None) };
    store(db, encoding, reason).await?;
    Ok(Some(encoding))
}

async fn store(
    db: &mut SqliteConnection,
    encoding: Encoding,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into wifi_encoding (id, decided, reason) values (1, ?, ?)
         on conflict (id) do update set
            decided = excluded.decided, reason = excluded.reason, heard_at = null",
    )
    .bind(encoding.name())
    .bind(reason)
    .execute(&mut *db)
    .await?;
    sqlx::query("delete from wifi_undecided_minute").execute(db).await?;
    Ok(())
}

/// What the owners are told, once, when probes speak against what was decided.
pub(super) async fn contradiction(
    db: &mut SqliteConnection,
    fresh: &Evidence,
    now_ms: i64,
) -> Result<Option<Alert>, StoreError> {
    if fresh.hex.count + fresh.text.count == 0 {
        return Ok(None);
    }
    let Some(encoding) = decided(db).await? else { return Ok(None) };
    let against = match encoding {
        Encoding::Text => fresh.hex.count,
        Encoding::Hex => fresh.text.count,
    };
    if against == 0 || alerts::latest(db, rules::ENCODING, encoding.name()).await?.is_some() {
        return Ok(None);
    }
    let text = Text::of(format!(
        "⚠️ SSIDs of pcap are read as {}, and probes now say otherwise (was tshark changed?). If they \
         are right, networks are not recognised: set wifi.ssid_encoding and run `windowsill \
         rebuild`. /status tells how many.",
        encoding.name()
    ));
    let brief = Text::of(format!("⚠️ Probes say that SSIDs are not {}", encoding.name()));
    Ok(Some(Alert::new(rules::ENCODING, encoding.name(), now_ms, text, brief)))
}

/// The watermark at which the stream has rested long enough to decide without evidence.
pub(super) async fn rests_at(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    let heard_at: Option<Option<i64>> =
        sqlx::query_scalar("select heard_at from wifi_encoding where id = 1 and decided is null")
            .fetch_optional(db)
            .await?;
    Ok(heard_at.flatten().map(|heard_at| heard_at + UNDECIDED_MS))
}

async fn load(db: &mut SqliteConnection) -> Result<Evidence, StoreError> {
    let witnesses: Option<(i64, Option<i64>, i64, Option<i64>)> = sqlx::query_as(
        "select hex_count, hex_first_ms, text_count, text_first_ms from wifi_evidence",
    )
    .fetch_optional(&mut *db)
    .await?;
    let (hex_count, hex_first_ms, text_count, text_first_ms) = witnesses.unwrap_or_default();
    let minutes: Vec<(i64, i64)> =
        sqlx::query_as("select minute, probe_count from wifi_undecided_minute")
            .fetch_all(db)
            .await?;
    Ok(Evidence {
        hex: Witnesses { count: hex_count, first_ms: hex_first_ms },
        text: Witnesses { count: text_count, first_ms: text_first_ms },
        undecided: BTreeMap::from_iter(minutes),
    })
}

/// What `/status` tells of it; nothing where nothing had to be found out.
pub(super) async fn status(db: &mut SqliteConnection) -> Result<Option<Text>, StoreError> {
    let evidence = load(db).await?;
    let known: Option<(Option<String>, Option<String>)> =
        sqlx::query_as("select decided, reason from wifi_encoding").fetch_optional(db).await?;
    let (decided, reason) = known.unwrap_or_default();
    let undecided: i64 = evidence.undecided.values().sum();
    let Some(encoding) = decided.as_deref().and_then(Encoding::of_name) else {
        return Ok((undecided > 0).then(|| {
            Text::of(format!(
                "  SSIDs: {undecided} probes could be text or hexadecimal; they wait until the \
                 stream shows which"
            ))
        }));
    };
    let mut text = Text::of(format!("  SSIDs are read as {}: ", encoding.name()))
        .plain(reason.unwrap_or_default());
    let against = match encoding {
        Encoding::Text => evidence.hex.count,
        Encoding::Hex => evidence.text.count,
    };
    if against > 0 {
        let probes = if against == 1 { "1 probe says" } else { &format!("{against} probes say") };
        text = text.line().plain(format!(
            "  ⚠️ {probes} otherwise. If that is right, set wifi.ssid_encoding and run \
             `windowsill rebuild`."
        ));
    }
    Ok(Some(text))
}
