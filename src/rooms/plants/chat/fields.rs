//! The fields of a plant as a conversation asks for them: the one table of prompts, defaults and
//! checks.

use serde::{Deserialize, Serialize};

use crate::kernel::dialog::{quoted, sentence};
use crate::kernel::name::Name;
use crate::kernel::settings::Unit;
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
    /// A number within these bounds, in per cent or degrees Celsius; `above` must be smaller.
    Number {
        least: f32,
        most: f32,
        default: f32,
        measure: Measure,
        above: Option<Field>,
    },
}

/// What a field's number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Per cent.
    Moisture,
    /// Degrees Celsius, which a chat may read and write in its own unit.
    Temperature,
}

/// How a temperature's unit is typed, in small letters; longer signs come first.
const TYPED_UNITS: [(&str, Unit); 6] = [
    ("°c", Unit::Celsius),
    ("°f", Unit::Fahrenheit),
    ("℃", Unit::Celsius),
    ("℉", Unit::Fahrenheit),
    ("c", Unit::Celsius),
    ("f", Unit::Fahrenheit),
];

impl Measure {
    /// The unit in a chat that reads temperatures in this one.
    pub fn sign(self, unit: Unit) -> &'static str {
        match self {
            Measure::Moisture => "%",
            Measure::Temperature => unit.symbol(),
        }
    }

    /// A number as a chat reads it. What is converted has two decimals at most.
    pub fn shown(self, number: f32, unit: Unit) -> String {
        match (self, unit) {
            (Measure::Temperature, Unit::Fahrenheit) => {
                let degrees = unit.of_celsius(f64::from(number));
                // "-0" is zero, and is shown as that.
                ((degrees * 100.0).round() / 100.0 + 0.0).to_string()
            }
            (Measure::Temperature, Unit::Celsius) | (Measure::Moisture, _) => number.to_string(),
        }
    }

    /// A number as people type it: with the chat's unit or without one, or with another that is
    /// named. What is converted becomes whole thousandths of a degree Celsius, so that it reads the
    /// same in the chat's unit as it was typed.
    pub fn parse(self, typed: &str, unit: Unit) -> Option<f32> {
        if self == Measure::Moisture {
            return parse_number(typed, "%");
        }
        let typed = typed.trim().to_lowercase();
        let named = TYPED_UNITS.iter().find_map(|(sign, named)| {
            let bare = typed.strip_suffix(sign)?;
            Some((bare, *named))
        });
        let (bare, unit) = named.unwrap_or((&typed, unit));
        let number = parse_number(bare, "°")?;
        if unit == Unit::Celsius {
            return Some(number);
        }
        let celsius = unit.to_celsius(f64::from(number));
        #[expect(clippy::cast_possible_truncation, reason = "the topic holds 32-bit floats")]
        let celsius = ((celsius * 1_000.0).round() / 1_000.0 + 0.0) as f32;
        celsius.is_finite().then_some(celsius)
    }
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
            measure: Measure::Temperature,
            above,
        };
        let moisture = |default, above| Kind::Number {
            least: MOISTURE.0,
            most: MOISTURE.1,
            default,
            measure: Measure::Moisture,
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

    /// What its number measures, if it has one.
    pub fn measure(self) -> Option<Measure> {
        match self.kind() {
            Kind::Number { measure, .. } => Some(measure),
            Kind::Name => None,
        }
    }

    /// The other threshold of the same measure: the high one of a low one, and the other way round.
    pub fn other(self) -> Option<Field> {
        match self {
            Field::TemperatureLow => Some(Field::TemperatureHigh),
            Field::TemperatureHigh => Some(Field::TemperatureLow),
            Field::MoistureLow => Some(Field::MoistureHigh),
            Field::MoistureHigh => Some(Field::MoistureLow),
            Field::GivenName | Field::ScientificName | Field::CommonName => None,
        }
    }

    /// The field of this name.
    pub fn named(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.name() == name)
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
    /// As it is shown in a chat: a name as data, a number with its unit.
    pub fn shown(&self, field: Field, unit: Unit) -> String {
        match (self, field.measure()) {
            (FieldValue::Number(number), Some(measure)) => with_unit(*number, measure, unit),
            (FieldValue::Number(number), None) => number.to_string(),
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

/// `15 °C`, `59 °F`, `40 %`.
fn with_unit(number: f32, measure: Measure, unit: Unit) -> String {
    format!("{} {}", measure.shown(number, unit), measure.sign(unit))
}

/// Checks a value that was typed in a chat which reads temperatures in this unit. `other` is the
/// other threshold of the same measure, where it is known. `Err` says what is wanted.
pub fn parse(
    field: Field,
    typed: &str,
    other: Option<f32>,
    unit: Unit,
) -> Result<FieldValue, Text> {
    match field.kind() {
        Kind::Name => typed
            .parse::<Name>()
            .map(|name| FieldValue::Name(name.as_str().to_owned()))
            .map_err(|error| Text::of(sentence(&error.to_string()))),
        Kind::Number { least, most, measure, .. } => {
            let number = measure.parse(typed, unit).ok_or_else(|| {
                let (least, most) = (measure.shown(least, unit), with_unit(most, measure, unit));
                Text::new().data(quoted(typed)).plain(format!(
                    " is not a number I can read. Please send one between {least} and {most}, \
                     such as 20.5."
                ))
            })?;
            check_number(field, number, other, unit)
        }
    }
}

/// Checks a number against the field's bounds and the other threshold of the same measure.
pub fn check_number(
    field: Field,
    number: f32,
    other: Option<f32>,
    unit: Unit,
) -> Result<FieldValue, Text> {
    let Kind::Number { least, most, measure, above, .. } = field.kind() else {
        return Err(Text::of(format!("The {} is not a number.", field.label())));
    };
    let label = field.label();
    let bare = |number: f32| measure.shown(number, unit);
    let shown = |number: f32| with_unit(number, measure, unit);
    if !(least..=most).contains(&number) {
        return Err(Text::of(format!(
            "The {label} must lie between {} and {}; {} does not.",
            bare(least),
            shown(most),
            bare(number)
        )));
    }
    if above.is_none() && number >= most {
        return Err(Text::of(format!(
            "The {label} must be below {}, so that there is room for a high one.",
            shown(most)
        )));
    }
    match other {
        Some(low) if above.is_some() && number <= low => Err(Text::of(format!(
            "The {label} must be above the low one, which is {}; {} is not.",
            shown(low),
            bare(number)
        ))),
        Some(high) if above.is_none() && number >= high => Err(Text::of(format!(
            "The {label} must be below the high one, which is {}; {} is not.",
            shown(high),
            bare(number)
        ))),
        _ => Ok(FieldValue::Number(number)),
    }
}

/// A number as people type it: a decimal point or comma, and its sign if they like.
fn parse_number(typed: &str, sign: &str) -> Option<f32> {
    let typed = typed.trim();
    let bare = typed.strip_suffix(sign).unwrap_or(typed);
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

    const C: Unit = Unit::Celsius;
    const F: Unit = Unit::Fahrenheit;

    #[test]
    fn numbers_are_read_as_people_type_them() {
        let moisture = |typed: &str| Measure::Moisture.parse(typed, C);
        let temperature = |typed: &str| Measure::Temperature.parse(typed, C);
        assert_eq!(moisture("20.5"), Some(20.5));
        assert_eq!(moisture(" 20,5 % "), Some(20.5));
        assert_eq!(temperature("-3°C"), Some(-3.0));
        assert_eq!(temperature("−3 °"), Some(-3.0));
        assert_eq!(temperature("-0").map(|zero| zero.to_string()), Some("0".to_owned()));
        let endless = "9".repeat(41);
        for typed in ["", "abc", "nan", "inf", "1e9", "-", "20.5.1", "٣", &endless] {
            assert_eq!((moisture(typed), temperature(typed)), (None, None), "{typed:?}");
        }
    }

    #[test]
    fn a_temperature_is_read_and_shown_in_the_chats_unit_or_in_the_one_that_is_named() {
        let typed = [
            ("59", F, 15.0, "59"),
            ("60", F, 15.556, "60"),
            ("68,5 °F", F, 20.278, "68.5"),
            ("15 °C", F, 15.0, "59"),
            ("15c", F, 15.0, "59"),
            ("59 f", C, 15.0, "15"),
            ("−40 ℉", C, -40.0, "-40"),
            ("21.5°", C, 21.5, "21.5"),
        ];
        for (text, unit, celsius, shown) in typed {
            let number = Measure::Temperature.parse(text, unit).unwrap();
            assert!((number - celsius).abs() < 1e-6, "{text}: {number}");
            assert_eq!(Measure::Temperature.shown(number, unit), shown, "{text}");
        }
        let refused = parse(Field::TemperatureHigh, "59", Some(15.0), F).unwrap_err();
        let words = "must be above the low one, which is 59 °F; 59 is not.";
        assert!(refused.to_plain().ends_with(words), "{}", refused.to_plain());
        let refused = parse(Field::TemperatureLow, "500", None, F).unwrap_err();
        assert!(refused.to_plain().contains("between -40 and 176 °F; 500"));
    }

    #[test]
    fn a_number_outside_its_bounds_is_refused_with_what_is_wanted() {
        let refused = parse(Field::MoistureLow, "1000000000", None, C).unwrap_err();
        assert!(refused.to_plain().contains("between 0 and 100 %"), "{}", refused.to_plain());
        let refused = parse(Field::MoistureHigh, "20", Some(30.0), C).unwrap_err();
        assert!(refused.to_plain().contains("above the low one"), "{}", refused.to_plain());
        let refused = parse(Field::MoistureLow, "70", Some(70.0), C).unwrap_err();
        assert!(refused.to_plain().contains("below the high one, which is 70 %"));
        let taken = parse(Field::MoistureHigh, "30.5", Some(30.0), C);
        assert_eq!(taken, Ok(FieldValue::Number(30.5)));
        let refused = parse(Field::TemperatureLow, "abc", None, C).unwrap_err();
        assert!(refused.to_plain().starts_with("“abc” is not a number"));
    }
}
