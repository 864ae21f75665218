//! Numbers of variable length: seven bits a byte, the lowest first, as Avro and protobuf have them.
//!
//! Invariant: what is taken was whole and fits 64 bits; else nothing is taken.

/// Why no number could be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end within it.
    CutOff,
    /// It has more than 64 bits.
    TooLong,
}

pub fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[inline]
pub fn take(rest: &mut &[u8]) -> Result<u64, VarintError> {
    match rest.split_first() {
        Some((&byte, after)) if byte < 0x80 => {
            *rest = after;
            Ok(u64::from(byte))
        }
        _ => take_long(rest),
    }
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2 are 0, 1, 2, 3.
pub fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

#[inline]
pub fn take_signed(rest: &mut &[u8]) -> Result<i64, VarintError> {
    let number = take(rest)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[inline]
fn take_long(rest: &mut &[u8]) -> Result<u64, VarintError> {
    let mut number = 0;
    for (index, &byte) in rest.iter().take(10).enumerate() {
        if index == 9 && byte > 1 {
            return Err(VarintError::TooLong);
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *rest = &rest[index + 1..];
            return Ok(number);
        }
    }
    Err(VarintError::CutOff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: i64, bits in 0..64u32) {
            let number = number >> bits;
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            for keep in 0..bytes.len() {
                prop_assert_eq!(take_signed(&mut &bytes[..keep]), Err(VarintError::CutOff));
            }
            let mut rest = &bytes[..];
            prop_assert_eq!(take_signed(&mut rest), Ok(number));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        assert_eq!(take(&mut &[0xff; 11][..]), Err(VarintError::TooLong));
    }
}
