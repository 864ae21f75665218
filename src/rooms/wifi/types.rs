//! Addresses and network names.
//!
//! Invariant: a [`MacAddr`] is six bytes and an [`Ssid`] at most 32, whatever they were written as;
//! both are compared by their bytes and shown so that no byte can act.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kernel::text::is_visible;

/// A device's address (EUI-48). Shown, and stored in conversations, in lower case with colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr([u8; 6]);

/// As one number: a fold hashes an address for every frame.
impl Hash for MacAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i64(self.key());
    }
}

/// A text that is no MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no MAC address, expected six bytes in hexadecimal such as 40:ec:99:1f:3e:75")]
pub struct MacError(String);

impl MacAddr {
    /// The address as a whole number below 2^48: the key that views store.
    pub fn key(self) -> i64 {
        self.0.iter().fold(0, |key, byte| key << 8 | i64::from(*byte))
    }

    /// The address of a stored key; bits above the 48 are not looked at.
    pub fn of_key(key: i64) -> MacAddr {
        let [_, _, bytes @ ..] = key.to_be_bytes();
        MacAddr(bytes)
    }

    /// Made up by the device instead of given by its maker: the "locally administered" bit of
    /// IEEE 802, 0x02 of the first byte.
    pub fn is_randomised(self) -> bool {
        self.0[0] & 0x02 != 0
    }

    /// An address of many, which nobody can send from (bit 0x01; broadcast is one of them).
    pub fn is_group(self) -> bool {
        self.0[0] & 0x01 != 0
    }

    /// The maker's prefix, where there is one.
    pub fn oui(self) -> Option<[u8; 3]> {
        let universal = !self.is_randomised() && !self.is_group();
        universal.then_some([self.0[0], self.0[1], self.0[2]])
    }
}

impl FromStr for MacAddr {
    type Err = MacError;

    /// Six bytes in hexadecimal, in either case, with colons, with hyphens, or bare.
    fn from_str(text: &str) -> Result<MacAddr, MacError> {
        parse_mac(text.as_bytes()).ok_or_else(|| MacError(text.chars().take(40).collect()))
    }
}

#[inline]
fn parse_mac(text: &[u8]) -> Option<MacAddr> {
    let stride = match text.len() {
        17 => 3,
        12 => 2,
        _ => return None,
    };
    let mut bytes = [0; 6];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let at = index * stride;
        *byte = hex_digit(text[at])? << 4 | hex_digit(text[at + 1])?;
    }
    let separator = text[2];
    let is_separated =
        matches!(separator, b':' | b'-') && (1..6).all(|index| text[index * 3 - 1] == separator);
    (stride == 2 || is_separated).then_some(MacAddr(bytes))
}

#[inline]
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl TryFrom<String> for MacAddr {
    type Error = MacError;

    fn try_from(text: String) -> Result<MacAddr, MacError> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> String {
        mac.to_string()
    }
}

/// What a network is called: 0 to 32 bytes without a promised encoding (IEEE 802.11). Kept in
/// place, so that folding allocates nothing; stored in conversations as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ssid {
    bytes: [u8; Ssid::MAX_BYTES],
    length: u8,
}

/// Bytes or a text that cannot be an SSID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SsidError {
    #[error("an SSID of {0} bytes, expected at most 32")]
    TooLong(usize),
    #[error("{0:?} is no hexadecimal text, expected two digits a byte")]
    NotHex(String),
}

impl Ssid {
    pub const MAX_BYTES: usize = 32;
    /// The name of no length, with which a device asks for any network.
    pub const WILDCARD: Ssid = Ssid { bytes: [0; Ssid::MAX_BYTES], length: 0 };

    pub fn of_bytes(bytes: &[u8]) -> Result<Ssid, SsidError> {
        let mut ssid = Ssid::WILDCARD;
        let place = ssid.bytes.get_mut(..bytes.len()).ok_or(SsidError::TooLong(bytes.len()))?;
        place.copy_from_slice(bytes);
        // At most 32.
        ssid.length = bytes.len() as u8;
        Ok(ssid)
    }

    /// Two hexadecimal digits a byte, in either case.
    pub fn of_hex(text: &str) -> Result<Ssid, SsidError> {
        let digits = text.as_bytes();
        if digits.len() > 2 * Ssid::MAX_BYTES {
            return Err(SsidError::TooLong(digits.len().div_ceil(2)));
        }
        let not_hex = || SsidError::NotHex(text.to_owned());
        let mut ssid = Ssid::WILDCARD;
        for (place, pair) in ssid.bytes.iter_mut().zip(digits.chunks(2)) {
            let [high, low] = pair else { return Err(not_hex()) };
            let byte = hex_digit(*high).zip(hex_digit(*low)).map(|(high, low)| high << 4 | low);
            *place = byte.ok_or_else(not_hex)?;
            ssid.length += 1;
        }
        Ok(ssid)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    pub fn is_wildcard(&self) -> bool {
        self.length == 0
    }

    pub fn has_nul(&self) -> bool {
        self.as_bytes().contains(&0)
    }

    /// The bytes that this one's text, which is hexadecimal digits, stands for.
    pub fn of_its_digits(&self) -> Option<Ssid> {
        Ssid::of_hex(std::str::from_utf8(self.as_bytes()).ok()?).ok()
    }

    pub fn hex(&self) -> String {
        self.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The bytes that count, and no more: most names are short.
impl Hash for Ssid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl TryFrom<String> for Ssid {
    type Error = SsidError;

    fn try_from(hex: String) -> Result<Ssid, SsidError> {
        Ssid::of_hex(&hex)
    }
}

impl From<Ssid> for String {
    fn from(ssid: Ssid) -> String {
        ssid.hex()
    }
}

impl PartialOrd for Ssid {
    fn partial_cmp(&self, other: &Ssid) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ssid {
    fn cmp(&self, other: &Ssid) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Ssid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ssid({self})")
    }
}

/// Two names that differ must look different: what leaves nothing to see is written as an escape,
/// but for the joiners of emoji.
fn write_visibly(out: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    let mut bytes = [0; 4];
    let text = character.encode_utf8(&mut bytes);
    match character {
        '\\' => out.write_str("\\\\"),
        ' ' | '\u{200d}' | '\u{fe0f}' => out.write_str(text),
        _ if is_visible(text) => out.write_str(text),
        _ => write!(out, "\\u{{{:x}}}", u32::from(character)),
    }
}

/// Shown as the text it is, with a backslash doubled, and what acts or cannot be seen and bytes that
/// are no UTF-8 as escapes.
impl fmt::Display for Ssid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                write_visibly(out, character)?;
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mac(text: &str) -> MacAddr {
        text.parse().unwrap()
    }

    /// F32: one address, however it is written.
    #[test]
    fn a_mac_is_read_in_any_spelling() {
        for text in ["40:ec:99:1f:3e:75", "40-EC-99-1F-3E-75", "40EC991f3e75"] {
            assert_eq!(mac(text).to_string(), "40:ec:99:1f:3e:75");
        }
    }

    /// F32: what is malformed is refused with what was expected.
    #[test]
    fn what_is_no_mac_is_refused() {
        let wrong = [
            "",
            "40:ec:99:1f:3e",
            "40:ec:99:1f:3e:7g",
            "40:ec-99:1f:3e:75",
            "40ec991f3e7",
            "40:ec:99:1f:3e:75:00",
            "４0:ec:99:1f:3e:7",
            "40.ec.99.1f.3e.75",
            " 40ec991f3e7",
        ];
        for text in wrong {
            let error = text.parse::<MacAddr>().unwrap_err().to_string();
            assert!(error.contains("expected six bytes"), "{error}");
        }
    }

    /// F32: the random mark is the U/L bit; a prefix says something only where it is universal.
    #[test]
    fn a_made_up_address_has_no_maker() {
        assert!(mac("da:a1:19:00:00:01").is_randomised());
        assert_eq!(mac("da:a1:19:00:00:01").oui(), None);
        assert_eq!(mac("40:ec:99:1f:3e:75").oui(), Some([0x40, 0xec, 0x99]));
        assert!(mac("ff:ff:ff:ff:ff:ff").is_group() && mac("01:00:5e:00:00:01").is_group());
        assert_eq!(mac("01:00:5e:00:00:01").oui(), None);
    }

    /// F31: bytes are kept as they are and shown so that nothing acts.
    #[test]
    fn an_ssid_is_shown_harmlessly() {
        let shown_as = |bytes: &[u8]| Ssid::of_bytes(bytes).unwrap().to_string();
        assert_eq!(shown_as(b"CompanySSID\0\0x"), "CompanySSID\\u{0}\\u{0}x");
        assert_eq!(shown_as(b"\xff\xfe caf\xc3\xa9"), "\\xff\\xfe café");
        assert_eq!(shown_as(b"\x1b[31m<b>"), "\\u{1b}[31m<b>");
        assert_eq!(shown_as("🪴 👩\u{200d}🔬".as_bytes()), "🪴 👩\u{200d}🔬");
        assert_eq!(shown_as("RNM0\u{200b}".as_bytes()), "RNM0\\u{200b}");
        assert_ne!(shown_as(br"\xff"), shown_as(b"\xff"));
        assert_eq!(Ssid::of_bytes(&[7; 33]), Err(SsidError::TooLong(33)));
        assert_ne!(Ssid::of_bytes(b"a"), Ssid::of_bytes(b"a\0"));
    }

    #[test]
    fn hex_is_read_or_refused() {
        assert_eq!(Ssid::of_hex("436f6865726572").unwrap().as_bytes(), b"Coherer");
        assert!(matches!(Ssid::of_hex("cafe "), Err(SsidError::NotHex(_))));
        assert!(matches!(Ssid::of_hex("caf"), Err(SsidError::NotHex(_))));
        assert!(matches!(Ssid::of_hex(&"0".repeat(66)), Err(SsidError::TooLong(33))));
        assert!(Ssid::of_hex("").unwrap().is_wildcard());
    }

    proptest! {
        #[test]
        fn an_address_comes_back_from_its_key_and_its_text(bytes: [u8; 6]) {
            let mac = MacAddr(bytes);
            prop_assert_eq!(MacAddr::of_key(mac.key()), mac);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        }

        #[test]
        fn an_ssid_comes_back_from_its_hex(bytes in prop::collection::vec(any::<u8>(), 0..=32)) {
            let ssid = Ssid::of_bytes(&bytes).unwrap();
            prop_assert_eq!(ssid.as_bytes(), &bytes[..]);
            prop_assert_eq!(Ssid::of_hex(&ssid.hex()), Ok(ssid));
        }
    }
}
