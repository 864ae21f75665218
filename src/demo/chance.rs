//! Chance without a state: numbers that depend on nothing but what is named.

/// A number from 0 to 1 that depends on everything named; `salt` is below 256.
pub(super) fn unit(seed: u64, who: u64, number: u64, salt: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let unit = (bits(seed, who, number, salt) >> 11) as f64 / (1u64 << 53) as f64;
    unit
}

/// The same as 64 bits.
pub(super) fn bits(seed: u64, who: u64, number: u64, salt: u64) -> u64 {
    mix(mix(mix(seed ^ 0x9e37_79b9) ^ who) ^ mix(number ^ (salt << 56)))
}

/// A whole number below `below`, which is positive.
pub(super) fn below(below: i64, unit: f64) -> i64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "spans of days and small numbers"
    )]
    let picked = (unit * below as f64) as i64;
    picked
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
