//! The filter of `/plants`: one limit compared with one number.

use super::chat::fields::{Field, Measure};
use crate::kernel::dialog::quoted;
use crate::kernel::settings::Unit;
use crate::kernel::text::Text;

/// `moisture_low > 20`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    field: Field,
    measure: Measure,
    comparison: Comparison,
    /// In per cent or degrees Celsius.
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
    /// Reads a filter that was typed in a chat which reads temperatures in this unit; `Err` says
    /// what one looks like.
    pub fn parse(typed: &str, unit: Unit) -> Result<Filter, Text> {
        let split = SIGNS
            .iter()
            .filter_map(|(sign, comparison)| Some((typed.find(sign)?, *sign, *comparison)))
            .min_by_key(|(position, sign, _)| (*position, std::cmp::Reverse(sign.len())));
        let Some((position, sign, comparison)) = split else { return Err(wanted(typed)) };
        let name = typed[..position].trim().to_lowercase();
        let field = Field::named(&name).ok_or_else(|| wanted(typed))?;
        let measure = field.measure().ok_or_else(|| wanted(typed))?;
        let limit = measure.parse(&typed[position + sign.len()..], unit);
        Ok(Filter { field, measure, comparison, limit: limit.ok_or_else(|| wanted(typed))? })
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

    /// The filter as it was understood; a temperature says its unit.
    pub fn shown(&self, unit: Unit) -> String {
        let limit = self.measure.shown(self.limit, unit);
        let shown = format!("{} {} {limit}", self.field.name(), self.operator());
        match self.measure {
            Measure::Moisture => shown,
            Measure::Temperature => format!("{shown} {}", unit.symbol()),
        }
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
        let shown = |typed: &str| {
            Filter::parse(typed, Unit::Celsius).map(|filter| filter.shown(Unit::Celsius))
        };
        assert_eq!(shown("moisture_low > 20").unwrap(), "moisture_low > 20");
        assert_eq!(shown("Moisture_High<=60,5%").unwrap(), "moisture_high <= 60.5");
        assert_eq!(shown("temperature_low=15 °C").unwrap(), "temperature_low = 15 °C");
        let filter = Filter::parse("temperature_low > 59", Unit::Fahrenheit).unwrap();
        assert_eq!(filter.shown(Unit::Fahrenheit), "temperature_low > 59 °F");
        assert_eq!(filter.shown(Unit::Celsius), "temperature_low > 15 °C");
    }

    #[test]
    fn what_is_no_filter_is_answered_with_what_one_looks_like() {
        for typed in ["x", "moisture_low", "given_name > 3", "moisture_low > abc", "> 20", "a=b=c"]
        {
            let refused = Filter::parse(typed, Unit::Celsius).unwrap_err().to_plain();
            assert!(refused.contains("moisture_low > 20"), "{typed}: {refused}");
        }
    }
}
