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

/// `30 min`, `1.5h`, `3 days`: a number, and a unit that is one of these, with its value. `None` also
/// where it comes to no whole value.
pub fn number_of(text: &str, units: &[(&str, i64)]) -> Option<i64> {
    let text = text.trim();
    let is_number = |symbol: char| symbol.is_ascii_digit() || DECIMAL_SIGNS.contains(&symbol);
    let unit = text.trim_start_matches(is_number);
    let number = &text[..text.len() - unit.len()];
    let (_, value) = units.iter().find(|(known, _)| *known == unit.trim())?;
    let Some((whole, part)) = number.split_once(DECIMAL_SIGNS) else {
        return number.parse::<i64>().ok()?.checked_mul(*value);
    };
    let scale = 10i64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let parts = value.checked_mul(part.parse().ok()?)?;
    let whole = whole.parse::<i64>().ok()?.checked_mul(*value)?;
    (parts % scale == 0).then(|| whole.checked_add(parts / scale)).flatten()
}

/// What stands before tenths: people write either.
const DECIMAL_SIGNS: [char; 2] = ['.', ','];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_may_have_tenths_and_comes_to_a_whole_value() {
        let minutes = [("min", 1), ("h", 60)];
        let numbers = [
            ("90 min", Some(90)),
            ("1.5 h", Some(90)),
            ("0,25h", Some(15)),
            (" 2h ", Some(120)),
            ("1.5 min", None),
            ("1.2.3 h", None),
            ("1. h", None),
            (".5 h", None),
            ("1.00000000000000000000 h", None),
            ("-1 h", None),
            ("h", None),
            ("3 d", None),
        ];
        for (typed, value) in numbers {
            assert_eq!(number_of(typed, &minutes), value, "{typed:?}");
        }
    }
}
