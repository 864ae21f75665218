//! What stands behind a command: a plant, and perhaps something about it.

/// Takes a plant's id or name apart from what follows it. Names may have any words in them, so the
/// longest rest that means something is taken, if any does.
pub fn apart<T>(typed: &str, meaning: impl Fn(&str) -> Option<T>) -> (String, Option<T>) {
    let words: Vec<&str> = typed.split_whitespace().collect();
    for split in 1..words.len() {
        if let Some(meant) = meaning(&words[split..].join(" ").to_lowercase()) {
            return (words[..split].join(" "), Some(meant));
        }
    }
    (typed.trim().to_owned(), None)
}

/// `30 min`, `2h`, `3 days`: a number, and a unit that is one of these, with its value.
pub fn number_of<'a>(text: &'a str, units: &[(&'a str, i64)]) -> Option<i64> {
    let text = text.trim();
    let digits = text.trim_start_matches(|symbol: char| symbol.is_ascii_digit());
    let number = &text[..text.len() - digits.len()];
    let (_, value) = units.iter().find(|(unit, _)| *unit == digits.trim())?;
    number.parse::<i64>().ok()?.checked_mul(*value)
}
