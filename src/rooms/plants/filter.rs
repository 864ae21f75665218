//! The filter of `/plants`: one limit compared with one number.

use super::chat::fields::{Field, parse_number};
use crate::kernel::dialog::quoted;
use crate::kernel::text::Text;

/// `moisture_low > 20`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    field: Field,
    comparison: Comparison,
    pub limit: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Above,
    Below,
    AtLeast,
    AtMost,
    Equal,
}

/// Longer signs come first, so that `>=` is not read as `>`.
const SIGNS: [(&str, Comparison); 5] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::Above),
    ("<", Comparison::Below),
    ("=", Comparison::Equal),
];

impl Filter {
    /// Reads a filter; `Err` says what one looks like.
    pub fn parse(typed: &str) -> Result<Filter, Text> {
        let split = SIGNS
            .iter()
            .filter_map(|(sign, comparison)| Some((typed.find(sign)?, *sign, *comparison)))
            .min_by_key(|(position, sign, _)| (*position, std::cmp::Reverse(sign.len())));
        let Some((position, sign, comparison)) = split else { return Err(wanted(typed)) };
        let name = typed[..position].trim().to_lowercase();
        let field = Field::ALL
            .into_iter()
            .find(|field| field.is_number() && field.name() == name)
            .ok_or_else(|| wanted(typed))?;
        let number = &typed[position + sign.len()..];
        let limit = parse_number(number, "%").or_else(|| parse_number(number, "°C"));
        Ok(Filter { field, comparison, limit: limit.ok_or_else(|| wanted(typed))? })
    }

    /// The column that holds the field.
    pub fn column(&self) -> &'static str {
        self.field.name()
    }

    pub fn operator(&self) -> &'static str {
        SIGNS
            .iter()
            .find(|(_, comparison)| *comparison == self.comparison)
            .map_or("=", |(sign, _)| sign)
    }

    /// The filter as it was understood.
    pub fn shown(&self) -> String {
        format!("{} {} {}", self.field.name(), self.operator(), self.limit)
    }
}

fn wanted(typed: &str) -> Text {
    Text::of("I cannot read the filter ")
        .data(quoted(typed))
        .plain(".\nA filter is a limit, a sign and a number, such as ")
        .code("/plants moisture_low > 20")
        .plain(
            ".\nLimits: moisture_low, moisture_high, temperature_low, temperature_high. \
             Signs: > < >= <= =",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read() {
        let shown = |typed: &str| Filter::parse(typed).map(|filter| filter.shown());
        assert_eq!(shown("moisture_low > 20").unwrap(), "moisture_low > 20");
        assert_eq!(shown("Moisture_High<=60,5%").unwrap(), "moisture_high <= 60.5");
        assert_eq!(shown("temperature_low=15 °C").unwrap(), "temperature_low = 15");
    }

    #[test]
    fn what_is_no_filter_is_answered_with_what_one_looks_like() {
        for typed in ["x", "moisture_low", "given_name > 3", "moisture_low > abc", "> 20", "a=b=c"]
        {
            let refused = Filter::parse(typed).unwrap_err().to_plain();
            assert!(refused.contains("moisture_low > 20"), "{typed}: {refused}");
        }
    }
}
