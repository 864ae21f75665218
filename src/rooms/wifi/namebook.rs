//! The SQL of names: what a device is called, and which devices a name means.
//!
//! Invariant: a name given in chat beats UniFi's, and a device's document beats a user's.

use rustc_hash::FxHashMap;
use sqlx::SqliteConnection;

use super::copies::name_key;
use super::lookup::keys;
use super::types::MacAddr;
use crate::store::StoreError;

/// Addresses that one name may have: a card is made of them all.
const MACS_LIMIT: i64 = 100;
/// Names suggested when none fits.
const NEAREST_LIMIT: usize = 5;
/// Keys looked at for them: some are nobody's any more.
const CANDIDATES_LIMIT: usize = 50;
/// A name is suggested when it is at least this similar (Jaro-Winkler, 0 to 1).
const NEAREST_SIMILARITY: f64 = 0.75;

/// Every device with the name it goes by.
const NAMED: &str = "select mac, name, name_key from wifi_given where name is not null
    union all
    select d.mac, d.device_name, d.name_key from wifi_document d
     where d.device_name is not null and d.mac is not null
       and not exists (select 1 from wifi_given g where g.mac = d.mac and g.name is not null)
       and not exists (select 1 from wifi_document e where e.mac = d.mac
            and e.device_name is not null
            and (e.collection, e.document_id) < (d.collection, d.document_id))";

/// A device's name, and whether it is ignored.
pub(super) async fn name_of(
    db: &mut SqliteConnection,
    mac: MacAddr,
) -> Result<(Option<String>, bool), StoreError> {
    let given: Option<(Option<String>, bool)> =
        sqlx::query_as("select name, ignored from wifi_given where mac = ?")
            .bind(mac.key())
            .fetch_optional(&mut *db)
            .await?;
    let (name, is_ignored) = given.unwrap_or_default();
    if name.is_some() {
        return Ok((name, is_ignored));
    }
    Ok((unifi_name_of(db, mac).await?, is_ignored))
}

/// What UniFi calls a device.
pub(super) async fn unifi_name_of(
    db: &mut SqliteConnection,
    mac: MacAddr,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "select device_name from wifi_document where mac = ? and device_name is not null
          order by collection, document_id limit 1",
    )
    .bind(mac.key())
    .fetch_optional(db)
    .await?)
}

/// The names of those among these devices that have one.
pub(super) async fn names_of(
    db: &mut SqliteConnection,
    macs: impl Iterator<Item = MacAddr>,
) -> Result<FxHashMap<MacAddr, String>, StoreError> {
    let rows: Vec<(i64, Option<String>)> = sqlx::query_as(
        "select m.value, coalesce(
            (select name from wifi_given where mac = m.value),
            (select device_name from wifi_document
              where mac = m.value and device_name is not null
              order by collection, document_id limit 1))
           from json_each(?) m",
    )
    .bind(keys(macs))
    .fetch_all(db)
    .await?;
    let named = rows.into_iter().filter_map(|(mac, name)| Some((MacAddr::of_key(mac), name?)));
    Ok(named.collect())
}

/// The devices that go by a name, without case.
pub(super) async fn macs_of(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<Vec<MacAddr>, StoreError> {
    let macs: Vec<i64> = sqlx::query_scalar(&format!(
        "select mac from ({NAMED}) where name_key = ? order by mac limit {MACS_LIMIT}"
    ))
    .bind(name_key(typed))
    .fetch_all(db)
    .await?;
    Ok(macs.into_iter().map(MacAddr::of_key).collect())
}

/// The names most like what was typed.
pub(super) async fn nearest(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<Vec<String>, StoreError> {
    let wanted = name_key(typed);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // Every key in one text: a row of its own for each would cost more than the comparison.
    let listed: Vec<Option<String>> = sqlx::query_scalar(
        "select group_concat(name_key, char(10)) from wifi_given where name is not null
         union all
         select group_concat(name_key, char(10)) from wifi_document where device_name is not null",
    )
    .fetch_all(&mut *db)
    .await?;
    let keys = listed.iter().flatten().flat_map(|keys| keys.split('\n'));
    let mut names = Vec::with_capacity(NEAREST_LIMIT);
    for key in most_like(&wanted, keys) {
        // A document's name that another one hides is nobody's.
        let Some(mac) = macs_of(db, key).await?.first().copied() else { continue };
        names.extend(name_of(db, mac).await?.0);
        if names.len() == NEAREST_LIMIT {
            break;
        }
    }
    Ok(names)
}

/// Keys that are similar enough, the most similar first.
fn most_like<'a>(wanted: &str, keys: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted_letters = Letters::of(wanted);
    let mut scored: Vec<(f64, &str)> = keys
        .filter(|key| wanted_letters.may_be_like(&Letters::of(key)) || key.contains(wanted))
        .map(|key| (similarity(wanted, key), key))
        .filter(|(score, _)| *score >= NEAREST_SIMILARITY)
        .collect();
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup();
    scored.truncate(CANDIDATES_LIMIT);
    scored.into_iter().map(|(_, key)| key).collect()
}

fn similarity(wanted: &str, name: &str) -> f64 {
    if name.contains(wanted) {
        return 1.0;
    }
    strsim::jaro_winkler(wanted, name)
}

/// How often letters occur, in 16 drawers: enough to see that two texts have little in common,
/// which is cheaper than to compare them.
struct Letters {
    counts: [u16; 16],
    length: u32,
}

impl Letters {
    fn of(text: &str) -> Letters {
        let mut letters = Letters { counts: [0; 16], length: 0 };
        for letter in text.chars() {
            let drawer = &mut letters.counts[letter as usize % 16];
            *drawer = drawer.saturating_add(1);
            letters.length += 1;
        }
        letters
    }

    /// `false` is certain: with so few letters in common, Jaro-Winkler stays below the limit.
    ///
    /// Jaro is at most `(m/a + m/b + 1) / 3` for `m` letters in common; Winkler's bonus for four
    /// equal first letters lifts it by at most four tenths of what is missing to 1.
    fn may_be_like(&self, other: &Letters) -> bool {
        let both = self.counts.iter().zip(&other.counts);
        let common: u32 = both.map(|(one, another)| u32::from(*one.min(another))).sum();
        let share = |length: u32| f64::from(common) / f64::from(length.max(1));
        let jaro = (share(self.length) + share(other.length) + 1.0) / 3.0;
        jaro + 0.4 * (1.0 - jaro) >= NEAREST_SIMILARITY
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_similar_is_passed_over(wanted in "[a-f ü]{1,12}", key in "[a-f ü]{1,12}") {
            let is_similar = strsim::jaro_winkler(&wanted, &key) >= NEAREST_SIMILARITY;
            let may_be = Letters::of(&wanted).may_be_like(&Letters::of(&key));
            prop_assert!(may_be || !is_similar, "{wanted:?} {key:?}");
        }
    }
}
