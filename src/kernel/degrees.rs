//! The scale in which people read temperatures. Topics and views hold degrees Celsius.

/// A scale of temperature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Degrees {
    #[default]
    Celsius,
    Fahrenheit,
}

impl Degrees {
    /// How the scale is written behind a number.
    pub fn sign(self) -> &'static str {
        match self {
            Degrees::Celsius => "°C",
            Degrees::Fahrenheit => "°F",
        }
    }

    /// Thousandths of a degree Celsius as thousandths of a degree of this scale.
    pub fn of_celsius(self, thousandths: i64) -> i64 {
        match self {
            Degrees::Celsius => thousandths,
            Degrees::Fahrenheit => thousandths.saturating_mul(9) / 5 + 32_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn water_freezes_and_boils_where_each_scale_says() {
        let shown = |celsius| Degrees::Fahrenheit.of_celsius(celsius);
        assert_eq!((shown(0), shown(100_000), shown(-40_000)), (32_000, 212_000, -40_000));
        assert_eq!(Degrees::Celsius.of_celsius(21_500), 21_500);
    }
}
