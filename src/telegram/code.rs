//! Codes that let somebody in: nobody may guess the next from those they have seen.

/// RFC 4648 base32: no 0, 1, 8 or 9 to be mistaken for letters.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A code of so many characters, five bits each, from the system's random numbers.
pub fn random(characters: usize) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; characters];
    getrandom::fill(&mut bytes)?;
    // 256 is a multiple of 32, so every letter is as likely as another.
    Ok(bytes.into_iter().map(|byte| char::from(BASE32[usize::from(byte) % 32])).collect())
}

/// Compares codes in the same time wherever they differ; letters count without case.
pub fn same(typed: &str, code: &str) -> bool {
    let (typed, code) = (typed.to_ascii_uppercase(), code.to_ascii_uppercase());
    if typed.len() != code.len() {
        return false;
    }
    typed.bytes().zip(code.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_whole_and_without_case() {
        assert!(same("abcd2345", "ABCD2345"));
        assert!(!same("ABCD234", "ABCD2345"));
        assert!(!same("ABCD2346", "ABCD2345"));
    }

    #[test]
    fn no_two_codes_are_alike() {
        let code = random(26).unwrap();
        assert_eq!(code.len(), 26);
        assert!(code.bytes().all(|byte| BASE32.contains(&byte)), "{code}");
        assert_ne!(code, random(26).unwrap());
    }
}
