//! Finding addresses by a part: all of them in blocks of some thousands, six bytes each.
//!
//! Invariant: every known address is an arrival or in a block. A block may also hold addresses that
//! were forgotten since; what is found is looked up before it is told. They are never more than a
//! third of all.
//!
//! A million addresses are six megabytes, read and searched in some milliseconds; an index of their
//! parts would cost ten rows for each new address, and a phone makes up a new one every few minutes.

use memchr::memmem;
use rustc_hash::FxHashSet;
use sqlx::SqliteConnection;

use super::lookup::keys;
use super::types::MacAddr;
use crate::store::StoreError;

/// Addresses in a block.
const BLOCK: usize = 4_096;
/// Blocks read at once.
const BLOCKS_AT_ONCE: i64 = 16;
const MAC_BYTES: usize = 6;
const MAC_DIGITS: u32 = 12;

/// Hexadecimal digits from anywhere in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits {
    value: u64,
    count: u32,
}

impl Digits {
    /// 1 to 12 digits; `None` for anything else.
    pub(super) fn of(text: &str) -> Option<Digits> {
        let count = u32::try_from(text.len()).ok().filter(|count| (1..=MAC_DIGITS).contains(count));
        // A sign is a number's, and no digit.
        let value = u64::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))?;
        count.map(|count| Digits { value, count })
    }

    /// How many they are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Are they part of this address?
    fn are_in(self, mac: u64) -> bool {
        let mask = (1 << (4 * self.count)) - 1;
        (0..=MAC_DIGITS - self.count).any(|behind| (mac >> (4 * behind)) & mask == self.value)
    }

    /// Those of the addresses in a block that hold them, some of them twice.
    fn find_in(self, block: &[u8]) -> Vec<u64> {
        let needles = self.needles();
        if needles.iter().any(Vec::is_empty) {
            let macs = block.chunks_exact(MAC_BYTES).map(number);
            return macs.filter(|mac| self.are_in(*mac)).collect();
        }
        let mut found = Vec::new();
        for needle in needles {
            let finder = memmem::Finder::new(&needle);
            let mut from = 0;
            while let Some(at) = finder.find(&block[from..]) {
                let address = (from + at) / MAC_BYTES * MAC_BYTES;
                let mac = number(&block[address..address + MAC_BYTES]);
                let is_it = self.are_in(mac);
                found.extend(is_it.then_some(mac));
                // The needle may begin again inside itself, or lie across two addresses.
                from = if is_it { address + MAC_BYTES } else { from + at + 1 };
            }
        }
        found
    }

    /// Bytes of which an address with these digits holds the first or the second: the whole bytes
    /// among them where their first digit begins a byte, and where it ends one.
    fn needles(self) -> [Vec<u8>; 2] {
        let whole_bytes = |count: u32| {
            let bytes = (self.value >> (4 * (count % 2))).to_be_bytes();
            bytes[bytes.len() - count as usize / 2..].to_vec()
        };
        [whole_bytes(self.count), whole_bytes(self.count - 1)]
    }

    /// The addresses that begin with them: from, and up to but not including.
    pub(super) fn range(self) -> (i64, i64) {
        let behind = 4 * (MAC_DIGITS - self.count);
        // 48 bits at most.
        ((self.value << behind) as i64, ((self.value + 1) << behind) as i64)
    }
}

/// SQL: a list of addresses from one up to but not including another, so many at most.
///
/// One row of many addresses costs less than many rows.
pub(super) fn beginning(from: &str, to: &str, limit: usize) -> String {
    format!(
        "(select json_group_array(mac) from
            (select mac from wifi_device where mac >= {from} and mac < {to} limit {limit}))"
    )
}

/// Addresses that hold these digits anywhere, so many at most.
pub(super) async fn holding(
    db: &mut SqliteConnection,
    digits: Digits,
    limit: usize,
) -> Result<Vec<MacAddr>, StoreError> {
    let arrivals: String = sqlx::query_scalar("select json_group_array(mac) from wifi_arrival")
        .fetch_one(&mut *db)
        .await?;
    let arrived = addresses(&arrivals)?.into_iter();
    let mut found: FxHashSet<MacAddr> =
        arrived.filter(|mac| digits.are_in(mac.key().unsigned_abs())).collect();
    let mut behind_id = 0;
    while found.len() < limit {
        let blocks: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("select id, macs from wifi_block where id > ? order by id limit ?")
                .bind(behind_id)
                .bind(BLOCKS_AT_ONCE)
                .fetch_all(&mut *db)
                .await?;
        let Some((last_id, _)) = blocks.last() else { break };
        behind_id = *last_id;
        let held = blocks.iter().flat_map(|(_, macs)| digits.find_in(macs));
        let candidates: Vec<MacAddr> = held.map(|mac| MacAddr::of_key(mac as i64)).collect();
        found.extend(still_known(db, &candidates).await?);
    }
    Ok(found.into_iter().take(limit).collect())
}

/// The addresses of a list that SQL made.
pub(super) fn addresses(list: &str) -> Result<Vec<MacAddr>, StoreError> {
    let keys: Vec<i64> = serde_json::from_str(list)?;
    Ok(keys.into_iter().map(MacAddr::of_key).collect())
}

/// The address of six bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

async fn still_known(
    db: &mut SqliteConnection,
    macs: &[MacAddr],
) -> Result<Vec<MacAddr>, StoreError> {
    if macs.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<i64> = sqlx::query_scalar(
        "select mac from wifi_device where mac in (select value from json_each(?))",
    )
    .bind(keys(macs.iter().copied()))
    .fetch_all(db)
    .await?;
    Ok(known.into_iter().map(MacAddr::of_key).collect())
}

/// Packs what has arrived, once it fills a block.
pub(super) async fn pack(db: &mut SqliteConnection) -> Result<(), StoreError> {
    let count: i64 =
        sqlx::query_scalar("select count(*) from wifi_arrival").fetch_one(&mut *db).await?;
    if count < i64::try_from(BLOCK).unwrap_or(i64::MAX) {
        return Ok(());
    }
    let block = i64::try_from(BLOCK).unwrap_or(i64::MAX);
    // Whole blocks; the rest waits for more.
    let blocks = count / block;
    for _ in 0..blocks {
        let last: i64 =
            sqlx::query_scalar("select mac from wifi_arrival order by mac limit 1 offset ?")
                .bind(block - 1)
                .fetch_one(&mut *db)
                .await?;
        sqlx::query(
            "insert into wifi_block (macs)
             select unhex(group_concat(printf('%012x', mac), '')) from wifi_arrival where mac <= ?",
        )
        .bind(last)
        .execute(&mut *db)
        .await?;
        sqlx::query("delete from wifi_arrival where mac <= ?").bind(last).execute(&mut *db).await?;
    }
    count_packed(db, blocks * block, 0).await
}

/// These addresses are known no more. When many such are in blocks, the blocks are made anew.
pub(super) async fn forget(db: &mut SqliteConnection, macs: &[i64]) -> Result<(), StoreError> {
    let gone = serde_json::Value::from(macs).to_string();
    let unpacked =
        sqlx::query("delete from wifi_arrival where mac in (select value from json_each(?))")
            .bind(gone)
            .execute(&mut *db)
            .await?;
    let forgotten = i64::try_from(macs.len()).unwrap_or(i64::MAX)
        - i64::try_from(unpacked.rows_affected()).unwrap_or(0);
    count_packed(db, 0, forgotten).await?;
    let is_worn: bool = sqlx::query_scalar(
        "select coalesce((select forgotten_count * 3 > packed_count from wifi_packed), false)",
    )
    .fetch_one(&mut *db)
    .await?;
    if is_worn { pack_anew(db).await } else { Ok(()) }
}

async fn pack_anew(db: &mut SqliteConnection) -> Result<(), StoreError> {
    clear(db).await?;
    let mut behind_mac = -1;
    let mut packed = 0;
    loop {
        let macs: Vec<i64> =
            sqlx::query_scalar("select mac from wifi_device where mac > ? order by mac limit ?")
                .bind(behind_mac)
                .bind(i64::try_from(BLOCK).unwrap_or(i64::MAX))
                .fetch_all(&mut *db)
                .await?;
        let Some(last_mac) = macs.last() else { break };
        behind_mac = *last_mac;
        packed += i64::try_from(macs.len()).unwrap_or(0);
        add_block(db, &macs).await?;
    }
    count_packed(db, packed, 0).await
}

/// Nothing is known any more.
pub(super) async fn clear(db: &mut SqliteConnection) -> Result<(), StoreError> {
    for table in ["wifi_arrival", "wifi_block", "wifi_packed"] {
        sqlx::query(&format!("delete from {table}")).execute(&mut *db).await?;
    }
    Ok(())
}

async fn add_block(db: &mut SqliteConnection, macs: &[i64]) -> Result<(), StoreError> {
    let mut block = Vec::with_capacity(macs.len() * MAC_BYTES);
    for mac in macs {
        block.extend_from_slice(&mac.to_be_bytes()[8 - MAC_BYTES..]);
    }
    sqlx::query("insert into wifi_block (macs) values (?)").bind(block).execute(db).await?;
    Ok(())
}

async fn count_packed(
    db: &mut SqliteConnection,
    packed: i64,
    forgotten: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into wifi_packed (id, packed_count, forgotten_count) values (1, ?, ?)
         on conflict (id) do update set
            packed_count = packed_count + excluded.packed_count,
            forgotten_count = forgotten_count + excluded.forgotten_count",
    )
    .bind(packed)
    .bind(forgotten)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{Store, Urgency};

    #[test]
    fn digits_are_one_to_twelve() {
        for wrong in ["", "x", "0123456789abc", "+1"] {
            assert_eq!(Digits::of(wrong), None, "{wrong:?}");
        }
        assert_eq!(Digits::of("0e"), Some(Digits { value: 14, count: 2 }));
    }

    proptest! {
        #[test]
        fn digits_are_found_where_the_text_holds_them(mac in 0_u64..1 << 48, digits in "[0-9a-f]{1,3}") {
            let text = format!("{mac:012x}");
            let part = Digits::of(&digits).unwrap();
            prop_assert_eq!(part.are_in(mac), text.contains(&digits));
            let (from, to) = part.range();
            let begins = (from..to).contains(&i64::try_from(mac).unwrap());
            prop_assert_eq!(begins, text.starts_with(&digits));
        }

        #[test]
        fn a_block_is_searched_as_its_addresses_are(
            macs in prop::collection::vec("[01]{12}", 0..40),
            digits in "[01]{1,12}",
        ) {
            let part = Digits::of(&digits).unwrap();
            let macs: Vec<u64> = macs.iter().map(|mac| u64::from_str_radix(mac, 16).unwrap()).collect();
            let block: Vec<u8> = macs.iter().flat_map(|mac| mac.to_be_bytes()[2..].to_vec()).collect();
            let mut found = part.find_in(&block);
            found.sort_unstable();
            found.dedup();
            let mut expected: Vec<u64> = macs.into_iter().filter(|mac| part.are_in(*mac)).collect();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(found, expected);
        }
    }

    /// Enough for some blocks and a remainder.
    const MANY: i64 = 10_000;

    async fn add(db: &mut SqliteConnection, macs: std::ops::Range<i64>) {
        for mac in macs {
            sqlx::query(
                "insert into wifi_device (mac, probe_count, wildcard_count, first_ms, last_ms)
                 values (?, 1, 0, 1, 1)",
            )
            .bind(mac)
            .execute(&mut *db)
            .await
            .unwrap();
        }
        pack(db).await.unwrap();
    }

    async fn remove(db: &mut SqliteConnection, macs: std::ops::Range<i64>) {
        sqlx::query("delete from wifi_device where mac >= ? and mac < ?")
            .bind(macs.start)
            .bind(macs.end)
            .execute(&mut *db)
            .await
            .unwrap();
        forget(db, &macs.collect::<Vec<_>>()).await.unwrap();
    }

    async fn count(db: &mut SqliteConnection, digits: &str) -> usize {
        holding(db, Digits::of(digits).unwrap(), usize::MAX).await.unwrap().len()
    }

    #[tokio::test]
    async fn what_is_known_is_found_and_what_was_forgotten_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let tried = store.write(Urgency::Bulk, |db| {
            Box::pin(async move {
                add(db, 0..MANY).await;
                // Every address begins with eight zeros here.
                assert_eq!(count(db, "00000000").await, 10_000);
                add(db, MANY..MANY + 10).await;
                assert_eq!(count(db, "00000000").await, 10_010);
                assert_eq!(count(db, "270f").await, 1);
                remove(db, 9_999..10_005).await;
                assert_eq!((count(db, "270f").await, count(db, "00000000").await), (0, 10_004));
                // One that comes back is found once.
                add(db, 9_999..10_000).await;
                assert_eq!(count(db, "270f").await, 1);
                remove(db, 0..6_000).await;
                assert_eq!(count(db, "00000000").await, 4_005);
                let blocks: i64 = sqlx::query_scalar("select count(*) from wifi_block")
                    .fetch_one(&mut *db)
                    .await?;
                assert_eq!(blocks, 1, "they were made anew");
                let (from, to) = Digits::of("0000").unwrap().range();
                let list = format!("select {}", beginning(&from.to_string(), &to.to_string(), 7));
                let list: String = sqlx::query_scalar(&list).fetch_one(&mut *db).await?;
                assert_eq!(addresses(&list)?.len(), 7);
                clear(db).await?;
                assert_eq!(count(db, "00000000").await, 0);
                Ok(())
            })
        });
        tried.await.unwrap();
    }
}
