//! The SQL of names: what a device is called, and which devices a name means.
//!
//! Invariant: a name given in chat beats UniFi's, and a device's document beats a user's.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use memchr::memmem;
use rustc_hash::FxHashMap;
use sqlx::SqliteConnection;

use super::copies::name_key;
use super::lookup::keys;
use super::parts;
use super::types::MacAddr;
use crate::store::StoreError;

/// Addresses that one name may have: a card is made of them all.
const MACS_LIMIT: i64 = 100;
/// Names suggested when none fits.
const NEAREST_LIMIT: usize = 5;
/// Keys looked at for them: some are nobody's any more.
const CANDIDATES_LIMIT: usize = 50;
/// What a float may be wrong by in these few sums.
const ROUNDING: f64 = 1e-9;
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

/// SQL: what UniFi calls the device whose address this is.
fn unifi_name(mac: &str) -> String {
    format!(
        "(select device_name from wifi_document where mac = {mac} and device_name is not null
           order by collection, document_id limit 1)"
    )
}

/// SQL: the name that the device with this address goes by.
pub(super) fn name(mac: &str) -> String {
    format!("coalesce((select name from wifi_given where mac = {mac}), {})", unifi_name(mac))
}

/// SQL: is the device with this address ignored?
pub(super) fn is_ignored(mac: &str) -> String {
    format!("coalesce((select ignored from wifi_given where mac = {mac}), false)")
}

static NAME_OF: LazyLock<String> =
    LazyLock::new(|| format!("select {}, {}", name("?1"), is_ignored("?1")));
static UNIFI_NAME_OF: LazyLock<String> = LazyLock::new(|| format!("select {}", unifi_name("?1")));
static NAMES_OF: LazyLock<String> =
    LazyLock::new(|| format!("select m.value, {} from json_each(?1) m", name("m.value")));

/// A device's name, and whether it is ignored.
pub(super) async fn name_of(
    db: &mut SqliteConnection,
    mac: MacAddr,
) -> Result<(Option<String>, bool), StoreError> {
    Ok(sqlx::query_as(&NAME_OF).bind(mac.key()).fetch_one(db).await?)
}

/// What UniFi calls a device.
pub(super) async fn unifi_name_of(
    db: &mut SqliteConnection,
    mac: MacAddr,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(&UNIFI_NAME_OF).bind(mac.key()).fetch_one(db).await?)
}

/// The names of those among these devices that have one.
pub(super) async fn names_of(
    db: &mut SqliteConnection,
    macs: impl Iterator<Item = MacAddr>,
) -> Result<FxHashMap<MacAddr, String>, StoreError> {
    let rows: Vec<(i64, Option<String>)> =
        sqlx::query_as(&NAMES_OF).bind(keys(macs)).fetch_all(db).await?;
    let named = rows.into_iter().filter_map(|(mac, name)| Some((MacAddr::of_key(mac), name?)));
    Ok(named.collect())
}

/// SQL: a list of the devices that go by the name with this key.
pub(super) fn macs(key: &str) -> String {
    format!(
        "(select json_group_array(mac order by mac) from
            (select mac from ({NAMED}) where name_key = {key} order by mac limit {MACS_LIMIT}))"
    )
}

static MACS_OF: LazyLock<String> = LazyLock::new(|| format!("select {}", macs("?1")));

/// The devices that go by a name, without case.
pub(super) async fn macs_of(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<Vec<MacAddr>, StoreError> {
    let list: String = sqlx::query_scalar(&MACS_OF).bind(name_key(typed)).fetch_one(db).await?;
    parts::addresses(&list)
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
        "select group_concat(name_key, '\n') from wifi_given where name_key is not null
         union all
         select group_concat(name_key, '\n') from wifi_document where name_key is not null",
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
    let wanted = Wanted::of(wanted);
    let mut best: BTreeSet<Scored<'a>> = BTreeSet::new();
    // Once there are enough, only what may be as good as the last of them is compared.
    let mut least = NEAREST_SIMILARITY;
    for key in keys {
        let Some(score) = wanted.similarity(key, least) else { continue };
        best.insert(Scored { score, key });
        if best.len() > CANDIDATES_LIMIT {
            best.pop_last();
            least = best.last().map_or(least, |last| last.score);
        }
    }
    best.into_iter().map(|scored| scored.key).collect()
}

/// A key with its similarity; the most similar come first.
#[derive(Debug, PartialEq)]
struct Scored<'a> {
    score: f64,
    key: &'a str,
}

impl Eq for Scored<'_> {}

impl Ord for Scored<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.key.cmp(other.key))
    }
}

impl PartialOrd for Scored<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What names are compared with.
struct Wanted<'a> {
    text: &'a str,
    inside: memmem::Finder<'a>,
    letters: Letters,
}

impl<'a> Wanted<'a> {
    fn of(text: &'a str) -> Wanted<'a> {
        Wanted { text, inside: memmem::Finder::new(text), letters: Letters::of(text) }
    }

    /// How similar a name is, from 0 to 1, if that is so much at least.
    fn similarity(&self, name: &str, least: f64) -> Option<f64> {
        if self.inside.find(name.as_bytes()).is_some() {
            return Some(1.0);
        }
        // Most names are passed over by their letters, which cost less than the comparison.
        let is_possible = self.most_alike(name) >= least;
        let similarity = is_possible.then(|| strsim::jaro_winkler(self.text, name));
        similarity.filter(|similarity| *similarity >= least)
    }

    /// Jaro-Winkler is this at most: Jaro no more than `(m/a + m/b + 1) / 3` for `m` letters in
    /// common, and Winkler's bonus a tenth of what is missing to 1 for each of up to four equal first
    /// letters.
    fn most_alike(&self, name: &str) -> f64 {
        let letters = Letters::of(name);
        let common = self.letters.in_common(&letters);
        let share = |length: u32| f64::from(common) / f64::from(length.max(1));
        let jaro = (share(self.letters.length) + share(letters.length) + 1.0) / 3.0;
        let both = self.text.chars().zip(name.chars());
        let bonus: f64 = both.take(4).take_while(|(one, other)| one == other).map(|_| 0.1).sum();
        jaro + bonus * (1.0 - jaro) + ROUNDING
    }
}

/// How often letters occur, in 16 drawers: what two texts have in common is no more than that.
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

    fn in_common(&self, other: &Letters) -> u32 {
        let both = self.counts.iter().zip(&other.counts);
        both.map(|(one, another)| u32::from(*one.min(another))).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_letters_in_common_bound_the_similarity(wanted in "[a-f ü]{1,12}", key in "[a-f ü]{1,12}") {
            let most = Wanted::of(&wanted).most_alike(&key);
            prop_assert!(strsim::jaro_winkler(&wanted, &key) <= most, "{wanted:?} {key:?}");
        }

        #[test]
        fn the_most_alike_are_those_that_a_comparison_of_all_finds(
            wanted in "[ab]{1,6}",
            keys in prop::collection::vec("[abc]{1,6}", 0..200),
        ) {
            let similarity = |key: &str| match key.contains(&wanted) {
                true => 1.0,
                false => strsim::jaro_winkler(&wanted, key),
            };
            let mut all: Vec<Scored<'_>> = keys
                .iter()
                .map(|key| Scored { score: similarity(key), key })
                .filter(|scored| scored.score >= NEAREST_SIMILARITY)
                .collect();
            all.sort_unstable();
            all.dedup();
            all.truncate(CANDIDATES_LIMIT);
            let expected: Vec<&str> = all.into_iter().map(|scored| scored.key).collect();
            prop_assert_eq!(most_like(&wanted, keys.iter().map(String::as_str)), expected);
        }
    }
}
