//! The fields of a plant as a conversation asks for them: the one table of prompts, defaults and
//! checks.

use serde::{Deserialize, Serialize};

use crate::kernel::dialog::{quoted, sentence};
use crate::kernel::name::Name;
use crate::kernel::text::Text;

/// A field of a plant, in the order it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Field {
    GivenName,
    ScientificName,
    CommonName,
    TemperatureLow,
    TemperatureHigh,
    MoistureLow,
    MoistureHigh,
}

/// What kind of value a field takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Name,
    /// A number within these bounds; `above` must be smaller.
    Number {
        least: f32,
        most: f32,
        default: f32,
        unit: &'static str,
        above: Option<Field>,
    },
}

/// Soil between these temperatures, in °C, is what a windowsill sees.
const TEMPERATURE: (f32, f32) = (-40.0, 80.0);
const MOISTURE: (f32, f32) = (0.0, 100.0);

impl Field {
    pub const ALL: [Field; 7] = [
        Field::GivenName,
        Field::ScientificName,
        Field::CommonName,
        Field::TemperatureLow,
        Field::TemperatureHigh,
        Field::MoistureLow,
        Field::MoistureHigh,
    ];

    /// The field's name on the topic, which is also how people filter by it.
    pub fn name(self) -> &'static str {
        match self {
            Field::GivenName => "given_name",
            Field::ScientificName => "scientific_name",
            Field::CommonName => "common_name",
            Field::TemperatureLow => "temperature_low",
            Field::TemperatureHigh => "temperature_high",
            Field::MoistureLow => "moisture_low",
            Field::MoistureHigh => "moisture_high",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Field::GivenName => "given name",
            Field::ScientificName => "scientific name",
            Field::CommonName => "common name",
            Field::TemperatureLow => "low temperature threshold",
            Field::TemperatureHigh => "high temperature threshold",
            Field::MoistureLow => "low moisture threshold",
            Field::MoistureHigh => "high moisture threshold",
        }
    }

    pub fn kind(self) -> Kind {
        let temperature = |default, above| Kind::Number {
            least: TEMPERATURE.0,
            most: TEMPERATURE.1,
            default,
            unit: "°C",
            above,
        };
        let moisture = |default, above| Kind::Number {
            least: MOISTURE.0,
            most: MOISTURE.1,
            default,
            unit: "%",
            above,
        };
        match self {
            Field::GivenName | Field::ScientificName | Field::CommonName => Kind::Name,
            Field::TemperatureLow => temperature(15.0, None),
            Field::TemperatureHigh => temperature(30.0, Some(Field::TemperatureLow)),
            Field::MoistureLow => moisture(25.0, None),
            Field::MoistureHigh => moisture(65.0, Some(Field::MoistureLow)),
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self.kind(), Kind::Number { .. })
    }
}

/// A field's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    Number(f32),
    Name(String),
}

impl FieldValue {
    /// As it is shown: a name as data, a number with its unit.
    pub fn shown(&self, field: Field) -> String {
        match (self, field.kind()) {
            (FieldValue::Number(number), Kind::Number { unit, .. }) => format!("{number} {unit}"),
            (FieldValue::Number(number), Kind::Name) => number.to_string(),
            (FieldValue::Name(name), _) => name.clone(),
        }
    }

    pub fn number(&self) -> Option<f32> {
        match self {
            FieldValue::Number(number) => Some(*number),
            FieldValue::Name(_) => None,
        }
    }
}

/// Checks a typed value. `below` is the value that it must exceed. `Err` says what is wanted.
pub fn parse(field: Field, typed: &str, below: Option<f32>) -> Result<FieldValue, Text> {
    match field.kind() {
        Kind::Name => typed
            .parse::<Name>()
            .map(|name| FieldValue::Name(name.as_str().to_owned()))
            .map_err(|error| Text::of(sentence(&error.to_string()))),
        Kind::Number { least, most, unit, .. } => {
            let number = parse_number(typed, unit).ok_or_else(|| {
                Text::new().data(quoted(typed)).plain(format!(
                    " is not a number I can read. Please send one between {least} and {most} \
                     {unit}, such as 20.5."
                ))
            })?;
            check_number(field, number, below)
        }
    }
}

/// Checks a number against the field's bounds and the threshold it must exceed.
pub fn check_number(field: Field, number: f32, below: Option<f32>) -> Result<FieldValue, Text> {
    let Kind::Number { least, most, unit, .. } = field.kind() else {
        return Err(Text::of(format!("The {} is not a number.", field.label())));
    };
    if !(least..=most).contains(&number) {
        return Err(Text::of(format!(
            "The {} must lie between {least} and {most} {unit}; {number} does not.",
            field.label()
        )));
    }
    if matches!(field.kind(), Kind::Number { above: None, .. }) && number >= most {
        return Err(Text::of(format!(
            "The {} must be below {most} {unit}, so that there is room for a high one.",
            field.label()
        )));
    }
    if let Some(low) = below.filter(|low| number <= *low) {
        return Err(Text::of(format!(
            "The {} must be above the low one, which is {low} {unit}; {number} is not.",
            field.label()
        )));
    }
    Ok(FieldValue::Number(number))
}

/// A number as people type it: a decimal point or comma, and the unit if they like.
pub fn parse_number(typed: &str, unit: &str) -> Option<f32> {
    let typed = typed.trim();
    let bare = typed.strip_suffix(unit).or_else(|| typed.strip_suffix('°')).unwrap_or(typed);
    let bare = bare.trim().replace(',', ".").replace('−', "-");
    let digits = bare.strip_prefix(['-', '+']).unwrap_or(&bare);
    let sober = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
    if !sober {
        return None;
    }
    let number: f32 = bare.parse().ok()?;
    // "-0" is zero, and is shown as that.
    number.is_finite().then_some(number + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_type_them() {
        assert_eq!(parse_number("20.5", "%"), Some(20.5));
        assert_eq!(parse_number(" 20,5 % ", "%"), Some(20.5));
        assert_eq!(parse_number("-3°C", "°C"), Some(-3.0));
        assert_eq!(parse_number("−3 °", "°C"), Some(-3.0));
        assert_eq!(parse_number("-0", "°C").map(|zero| zero.to_string()), Some("0".to_owned()));
        let endless = "9".repeat(41);
        for typed in ["", "abc", "nan", "inf", "1e9", "-", "20.5.1", "٣", &endless] {
            assert_eq!(parse_number(typed, "%"), None, "{typed:?}");
        }
    }

    #[test]
    fn a_number_outside_its_bounds_is_refused_with_what_is_wanted() {
        let refused = parse(Field::MoistureLow, "1000000000", None).unwrap_err();
        assert!(refused.to_plain().contains("between 0 and 100 %"), "{}", refused.to_plain());
        let refused = parse(Field::MoistureHigh, "20", Some(30.0)).unwrap_err();
        assert!(refused.to_plain().contains("above the low one"), "{}", refused.to_plain());
        assert_eq!(parse(Field::MoistureHigh, "30.5", Some(30.0)), Ok(FieldValue::Number(30.5)));
        let refused = parse(Field::TemperatureLow, "abc", None).unwrap_err();
        assert!(refused.to_plain().starts_with("“abc” is not a number"));
    }
}
