//! Numbers that look random, made of numbers that do not: the same from the same, so that decisions stay pure.

/// Mixes the bits of a number, so that near ones lead far apart (one round of splitmix64).
#[must_use]
pub fn scatter(salt: u64) -> u64 {
    let mut mixed = salt.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number that hardly any other name has.
#[must_use]
pub fn of_name(name: &str) -> u64 {
    name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
