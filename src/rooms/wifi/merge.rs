//! Merging a delta into the Wi-Fi views.
//!
//! Invariant: any split of the log into deltas gives the same rows. Of a device's networks the
//! first 1,000 by (first seen, value) are kept, and which these are and when each was first looked
//! for is exact; a network that was beyond the limit and comes back in, because an older record
//! came late, counts from then on.
//!
//! Rows go in by the order of their keys: neighbours share a page.

use std::ops::Range;
use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};
use sqlx::SqliteConnection;

use super::encoding::Encoding;
use super::expiry;
use super::fold::{Delta, Device, Name, Retention, Slot, Tally};
use super::sought::Sought;
use super::stats;
use super::types::{MacAddr, Ssid};
use crate::store::StoreError;
use crate::store::bulk::BulkStatement;

/// Networks that are kept of a device.
const SSID_LIMIT: i64 = 1_000;
/// Devices that may have more. A literal number, so that the partial index `wifi_device_full`
/// serves it.
const FULL_DEVICES: &str = "select mac from wifi_device where ssid_bound > 1000";

static MERGE_DEVICES: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into wifi_device
            (mac, probe_count, wildcard_count, first_ms, last_ms, signal_min_dbm, signal_max_dbm,
             ssid_bound)",
        8,
        "on conflict (mac) do update set
            probe_count = probe_count + excluded.probe_count,
            wildcard_count = wildcard_count + excluded.wildcard_count,
            first_ms = min(first_ms, excluded.first_ms),
            last_ms = max(last_ms, excluded.last_ms),
            signal_min_dbm = coalesce(min(signal_min_dbm, excluded.signal_min_dbm),
                                      signal_min_dbm, excluded.signal_min_dbm),
            signal_max_dbm = coalesce(max(signal_max_dbm, excluded.signal_max_dbm),
                                      signal_max_dbm, excluded.signal_max_dbm),
            ssid_bound = ssid_bound + excluded.ssid_bound",
    )
});

static RAISE_BOUNDS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "with brought (mac, networks) as (",
        2,
        ") update wifi_device set ssid_bound = ssid_bound + brought.networks
            from brought where wifi_device.mac = brought.mac",
    )
});

static MERGE_HOURS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into wifi_hour (hour, mac, probe_count)",
        3,
        "on conflict (hour, mac) do update set probe_count = probe_count + excluded.probe_count",
    )
});

static MERGE_SSIDS: LazyLock<BulkStatement> = LazyLock::new(|| names_into("wifi_ssid"));
static MERGE_UNDECIDED: LazyLock<BulkStatement> = LazyLock::new(|| names_into("wifi_undecided"));

fn names_into(table: &str) -> BulkStatement {
    BulkStatement::new(
        &format!("insert into {table} (mac, ssid, probe_count, first_ms, last_ms)"),
        5,
        "on conflict (mac, ssid) do update set
            probe_count = probe_count + excluded.probe_count,
            first_ms = min(first_ms, excluded.first_ms),
            last_ms = max(last_ms, excluded.last_ms)",
    )
}

/// A device's network, as a row.
pub(super) type NameRow = (MacAddr, Ssid, Tally);

/// A device from one long silence to the next.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) mac: MacAddr,
    pub(super) device: Device,
    pub(super) first_hour: i64,
    pub(super) last_hour: i64,
    /// Its hours among the delta's slots.
    slots: Range<usize>,
    /// How many chains of the same device come before it in the delta.
    round: usize,
}

impl Chain {
    fn extend(&mut self, hour: i64, device: &Device) {
        self.device.merge(*device);
        self.last_hour = hour;
        self.slots.end += 1;
    }
}

/// A delta by devices, in the order of their addresses.
pub(super) struct Chains<'d> {
    slots: Vec<(Slot, &'d Device)>,
    chains: Vec<Chain>,
    /// To which round the eras of devices belong that have several chains.
    later_eras: FxHashMap<(MacAddr, u16), usize>,
    pub(super) rounds: usize,
}

impl<'d> Chains<'d> {
    pub(super) fn of(delta: &'d Delta, retention: Retention) -> Chains<'d> {
        let mut slots: Vec<(Slot, &Device)> =
            delta.devices.iter().map(|(slot, device)| (*slot, device)).collect();
        slots.sort_unstable_by_key(|(slot, _)| *slot);
        let mut chains: Vec<Chain> = Vec::with_capacity(slots.len());
        let mut later_eras = FxHashMap::default();
        for (index, (slot, device)) in slots.iter().enumerate() {
            let (mac, hour) = (slot.mac, slot.hour());
            let round = match chains.last_mut().filter(|chain| chain.mac == mac) {
                Some(chain) if !expiry::is_over(retention, mac, chain.last_hour, hour) => {
                    chain.extend(hour, device);
                    chain.round
                }
                last => {
                    let round = last.map_or(0, |chain| chain.round + 1);
                    chains.push(Chain {
                        mac,
                        device: **device,
                        first_hour: hour,
                        last_hour: hour,
                        slots: index..index + 1,
                        round,
                    });
                    round
                }
            };
            if round > 0 {
                later_eras.insert((mac, retention.era(*slot)), round);
            }
        }
        let rounds = chains.iter().map(|chain| chain.round + 1).max().unwrap_or(0);
        Chains { slots, chains, later_eras, rounds }
    }

    /// The chains of one round: at most one of a device.
    pub(super) fn round(&self, round: usize) -> Vec<&Chain> {
        self.chains.iter().filter(|chain| chain.round == round).collect()
    }

    fn round_of(&self, mac: MacAddr, era: u16) -> usize {
        // Nearly always there is nothing to look up.
        if self.later_eras.is_empty() {
            return 0;
        }
        self.later_eras.get(&(mac, era)).copied().unwrap_or(0)
    }

    /// The networks that the chains of a round looked for, but for the devices left out: those
    /// that are sure, and those that could be text or hexadecimal while that is not decided.
    pub(super) fn names(
        &self,
        delta: &Delta,
        round: usize,
        left_out: &FxHashSet<MacAddr>,
        encoding: Option<Encoding>,
    ) -> (Vec<NameRow>, Vec<NameRow>) {
        let mut sure = Vec::with_capacity(delta.names.len());
        let mut undecided = Vec::new();
        for Sought { mac, era, name, tally } in delta.names.iter() {
            let is_here = self.round_of(mac, era) == round;
            if !is_here || !left_out.is_empty() && left_out.contains(&mac) {
                continue;
            }
            match (name, encoding) {
                (Name::Sure(ssid), _) => sure.push((mac, ssid, tally)),
                (Name::Undecided(text), Some(encoding)) => {
                    sure.push((mac, encoding.read(text), tally));
                }
                (Name::Undecided(text), None) => undecided.push((mac, text, tally)),
            }
        }
        (sure, undecided)
    }
}

/// Devices' networks in the order of their keys.
pub(super) struct Names(Vec<NameRow>);

impl Names {
    pub(super) fn of(mut rows: Vec<NameRow>) -> Names {
        rows.sort_unstable_by_key(|(mac, ssid, _)| (*mac, *ssid));
        Names(rows)
    }

    /// How many are of each device, in the order of addresses.
    fn counts(&self) -> impl Iterator<Item = (MacAddr, i64)> {
        let devices = self.0.chunk_by(|(mac, ..), (next, ..)| mac == next);
        devices.map(|own| (own[0].0, i64::try_from(own.len()).unwrap_or(i64::MAX)))
    }
}

/// Adds to devices, and what they bring of networks to the bound on how many those are.
pub(super) async fn devices(
    db: &mut SqliteConnection,
    delta: &Chains<'_>,
    chains: &[&Chain],
    names: &Names,
) -> Result<(), StoreError> {
    let mut brought = names.counts().peekable();
    let mut rows: Vec<(&Chain, i64)> = Vec::with_capacity(chains.len());
    for chain in chains {
        let own = brought.next_if(|(mac, _)| *mac == chain.mac);
        rows.push((chain, own.map_or(0, |(_, count)| count)));
    }
    MERGE_DEVICES
        .run(db, &rows, |query, (chain, networks)| {
            let device = &chain.device;
            query
                .bind(chain.mac.key())
                .bind(device.probes.count)
                .bind(device.wildcard_count)
                .bind(device.probes.first_ms)
                .bind(device.probes.last_ms)
                .bind(device.signal_dbm.map(|(weakest, _)| weakest))
                .bind(device.signal_dbm.map(|(_, strongest)| strongest))
                .bind(*networks)
        })
        .await?;
    let mut hours: Vec<(i64, MacAddr, i64)> = Vec::with_capacity(chains.len());
    for chain in chains {
        let own = &delta.slots[chain.slots.clone()];
        hours.extend(own.iter().map(|(slot, seen)| (slot.hour(), slot.mac, seen.probes.count)));
    }
    hours.sort_unstable();
    MERGE_HOURS
        .run(db, &hours, |query, (hour, mac, count)| query.bind(*hour).bind(mac.key()).bind(*count))
        .await?;
    let macs: Vec<MacAddr> = chains.iter().map(|chain| chain.mac).collect();
    stats::note(db, &macs).await
}

/// Adds networks that waited, of devices that are known.
pub(super) async fn waited(db: &mut SqliteConnection, names: &Names) -> Result<(), StoreError> {
    let brought: Vec<(MacAddr, i64)> = names.counts().collect();
    RAISE_BOUNDS
        .run(db, &brought, |query, (mac, count)| query.bind(mac.key()).bind(*count))
        .await?;
    ssids(db, names).await
}

/// Adds networks, and drops what is beyond a device's limit.
pub(super) async fn ssids(db: &mut SqliteConnection, names: &Names) -> Result<(), StoreError> {
    add_names(db, &MERGE_SSIDS, names).await?;
    seek(db).await?;
    let full: Vec<i64> = sqlx::query_scalar(FULL_DEVICES).fetch_all(&mut *db).await?;
    for mac in full {
        bound(db, mac).await?;
    }
    Ok(())
}

/// Who looked for a network is a table and not an index of `wifi_ssid`, so that its rows, too, go in
/// by the order of their keys: a trigger notes those of networks that are new for a device.
async fn seek(db: &mut SqliteConnection) -> Result<(), StoreError> {
    for statement in [
        "insert or ignore into wifi_seeker (ssid, mac)
            select ssid, mac from wifi_sought order by ssid, mac",
        "delete from wifi_sought",
    ] {
        sqlx::query(statement).execute(&mut *db).await?;
    }
    Ok(())
}

/// Counts a device's networks, and drops what is beyond the limit.
async fn bound(db: &mut SqliteConnection, mac: i64) -> Result<(), StoreError> {
    let count: i64 = sqlx::query_scalar("select count(*) from wifi_ssid where mac = ?")
        .bind(mac)
        .fetch_one(&mut *db)
        .await?;
    let dropped: Vec<Vec<u8>> = if count > SSID_LIMIT {
        sqlx::query_scalar(
            "delete from wifi_ssid where mac = ?1 and ssid in
                (select ssid from wifi_ssid where mac = ?1 order by first_ms, ssid
                 limit -1 offset ?2)
             returning ssid",
        )
        .bind(mac)
        .bind(SSID_LIMIT)
        .fetch_all(&mut *db)
        .await?
    } else {
        Vec::new()
    };
    for ssid in &dropped {
        sqlx::query("delete from wifi_seeker where ssid = ? and mac = ?")
            .bind(ssid)
            .bind(mac)
            .execute(&mut *db)
            .await?;
    }
    sqlx::query(
        "update wifi_device set ssid_bound = ?, ssids_complete = ssids_complete and ? where mac = ?",
    )
    .bind(count.min(SSID_LIMIT))
    .bind(dropped.is_empty())
    .bind(mac)
    .execute(db)
    .await?;
    Ok(())
}

/// Adds networks that wait for the stream to show their encoding.
pub(super) async fn undecided(
    db: &mut SqliteConnection,
    names: Vec<NameRow>,
) -> Result<(), StoreError> {
    add_names(db, &MERGE_UNDECIDED, &Names::of(names)).await
}

async fn add_names(
    db: &mut SqliteConnection,
    statement: &BulkStatement,
    names: &Names,
) -> Result<(), StoreError> {
    statement
        .run(db, &names.0, |query, (mac, ssid, tally)| {
            query
                .bind(mac.key())
                .bind(ssid.as_bytes().to_vec())
                .bind(tally.count)
                .bind(tally.first_ms)
                .bind(tally.last_ms)
        })
        .await
}
