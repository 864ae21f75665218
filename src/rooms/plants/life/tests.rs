//! Lives of alerts: each rule by an example, and what must never happen by any sequence.

use proptest::prelude::*;

use super::*;

const QUARTER_MS: i64 = 15 * MINUTE_MS;
const LIMIT_MS: i64 = 10 * MINUTE_MS;

fn rules() -> Rules {
    Rules {
        moisture_margin: 2_000,
        temperature_margin: 1_000,
        drying_ms: HOUR_MS,
        wet_ms: 12 * HOUR_MS,
        temperature_ms: 30 * MINUTE_MS,
        clear_ms: 30 * MINUTE_MS,
        silent_ms: Some(LIMIT_MS),
        stuck: None,
        repeat_ms: None,
    }
}

/// Quarters that begin at these quarters of an hour.
fn at(starts: &[i64]) -> Vec<Quarter> {
    let quarter = |start: &i64| {
        let from_ms = start * QUARTER_MS;
        Quarter { from_ms, to_ms: from_ms + QUARTER_MS, moisture: 25_000, temperature: 20_000 }
    };
    starts.iter().map(quarter).collect()
}

#[test]
fn a_quarter_is_held_back_where_it_stands_alone_and_may_be_gone_on_with() {
    let pause_ms = rules().pause_ms().unwrap();
    let is_held =
        |starts: &[i64], first: i64| is_held_back(&at(starts), first * QUARTER_MS, pause_ms);
    assert!(is_held(&[10], 11) && is_held(&[10], 13));
    assert!(!is_held(&[10], 14) && !is_held(&[], 14));
    assert!(is_held(&[6, 10], 12));
    assert!(!is_held(&[7, 10], 12) && !is_held(&[6, 9, 10], 12));
}

#[test]
fn nothing_is_held_back_where_one_quarter_may_fire_or_the_pause_is_long() {
    assert_eq!(rules().pause_ms(), Some(30 * MINUTE_MS));
    assert_eq!(Rules { temperature_ms: QUARTER_MS, ..rules() }.pause_ms(), None);
    assert_eq!(Rules { clear_ms: 3 * HOUR_MS, ..rules() }.pause_ms(), None);
}

fn bands() -> Bands {
    Bands::of((30.0, 60.0), (15.0, 30.0))
}

/// Lives as quarters go by.
struct Plant {
    lives: Lives,
    quarters: i64,
}

impl Plant {
    fn new() -> Plant {
        Plant { lives: Lives::default(), quarters: 0 }
    }

    fn quarter(&mut self, moisture: i64, temperature: i64) -> Vec<News> {
        let from_ms = self.quarters * QUARTER_MS;
        self.quarters += 1;
        let quarter = Quarter { from_ms, to_ms: from_ms + QUARTER_MS, moisture, temperature };
        self.lives.quarter(&quarter, None, &bands(), &rules())
    }

    /// A quarter of this moisture, after a watering is known.
    fn quarter_watered(&mut self, watered_ms: i64, moisture: i64) -> Vec<News> {
        let from_ms = self.quarters * QUARTER_MS;
        self.quarters += 1;
        let to_ms = from_ms + QUARTER_MS;
        let quarter = Quarter { from_ms, to_ms, moisture, temperature: 20_000 };
        self.lives.quarter(&quarter, Some(watered_ms), &bands(), &rules())
    }

    /// The kinds that fired and those that were over, quarter by quarter.
    fn quarters(&mut self, count: i64, moisture: i64, temperature: i64) -> Vec<(Kind, bool)> {
        let news = (0..count).flat_map(|_| self.quarter(moisture, temperature));
        let fired = |news: News| (news.kind, matches!(news.turn, Turn::Fired { .. }));
        news.map(fired).collect()
    }
}

#[test]
fn drying_is_told_after_an_hour_below_the_limit_and_over_after_half_an_hour_above() {
    let mut plant = Plant::new();
    assert_eq!(plant.quarters(3, 29_999, 20_000), []);
    let fired = Turn::Fired { since_ms: 0, at_ms: HOUR_MS };
    assert_eq!(plant.quarter(29_999, 20_000), [News { kind: Kind::Drying, turn: fired }]);
    assert_eq!(plant.quarters(1, 32_000, 20_000), []);
    let over = Turn::Over { since_ms: 0, at_ms: 6 * QUARTER_MS, why: Why::Better };
    assert_eq!(plant.quarter(32_000, 20_000), [News { kind: Kind::Drying, turn: over }]);
    assert_eq!(plant.lives, Lives::default());
}

/// F16: a value that swings around its limit, less than the margin above it.
#[test]
fn a_saw_tooth_around_the_threshold_is_one_alert_and_one_end() {
    let mut plant = Plant::new();
    let mut news = Vec::new();
    for tooth in 0..200 {
        news.extend(plant.quarters(1, if tooth % 2 == 0 { 29_000 } else { 31_900 }, 20_000));
    }
    news.extend(plant.quarters(4, 50_000, 20_000));
    assert_eq!(news, [(Kind::Drying, true), (Kind::Drying, false)]);
}

#[test]
fn heat_cold_and_water_have_their_own_patience() {
    let mut plant = Plant::new();
    assert_eq!(plant.quarters(2, 40_000, 30_001), [(Kind::Hot, true)]);
    assert_eq!(plant.quarters(2, 40_000, 14_999), [(Kind::Hot, false), (Kind::Cold, true)]);
    assert_eq!(plant.quarters(2, 40_000, 20_000), [(Kind::Cold, false)]);
    assert_eq!(plant.quarters(47, 60_001, 20_000), []);
    assert_eq!(plant.quarters(1, 60_001, 20_000), [(Kind::Wet, true)]);
    assert_eq!(plant.quarters(9, 58_001, 20_000), []);
    assert_eq!(plant.quarters(2, 58_000, 20_000), [(Kind::Wet, false)]);
}

#[test]
fn a_dry_window_takes_the_early_warnings_place() {
    let mut plant = Plant::new();
    plant.quarters(24, 20_000, 20_000);
    let end_ms = 6 * HOUR_MS;
    let superseded = Turn::Over { since_ms: 0, at_ms: end_ms, why: Why::Superseded };
    let fired = Turn::Fired { since_ms: end_ms, at_ms: end_ms };
    assert_eq!(
        plant.lives.dry_window(end_ms),
        [News { kind: Kind::Drying, turn: superseded }, News { kind: Kind::Dry, turn: fired }]
    );
    assert_eq!(plant.quarters(24, 20_000, 20_000), []);
    let again = Turn::Again { since_ms: end_ms, at_ms: 2 * end_ms };
    assert_eq!(plant.lives.dry_window(2 * end_ms), [News { kind: Kind::Dry, turn: again }]);
    assert_eq!(plant.quarters(2, 45_000, 20_000), [(Kind::Dry, false)]);
}

#[test]
fn a_watering_settles_what_is_told_of_dryness_and_dryness_that_lasts_is_told_anew() {
    let mut plant = Plant::new();
    plant.quarters(24, 20_000, 20_000);
    let end_ms = 6 * HOUR_MS;
    plant.lives.dry_window(end_ms);
    assert_eq!(plant.lives.watered(end_ms - 1, true, &rules()), [], "it was dry after that");
    let over = Turn::Over { since_ms: end_ms, at_ms: end_ms + 1, why: Why::Watered };
    let settled = plant.lives.watered(end_ms + 1, true, &rules());
    assert_eq!(settled, [News { kind: Kind::Dry, turn: over }]);
    assert_eq!(plant.lives, Lives::default());
    assert_eq!(plant.quarters(3, 20_000, 20_000), []);
    assert_eq!(plant.quarters(1, 20_000, 20_000), [(Kind::Drying, true)]);
    assert_eq!(plant.lives.watered(end_ms - 1, true, &rules()), [], "it began anew after that");
}

#[test]
fn a_watering_in_time_is_no_early_warning_and_the_quarter_of_it_counts_no_more() {
    let mut plant = Plant::new();
    assert_eq!(plant.quarters(3, 25_000, 20_000), []);
    let watered_ms = 3 * QUARTER_MS + MINUTE_MS;
    assert_eq!(plant.lives.watered(watered_ms, true, &rules()), []);
    assert_eq!(plant.lives, Lives::default());
    // Told or not, the quarter in which it was watered began before it.
    assert_eq!(plant.quarter_watered(watered_ms, 25_000), []);
    assert_eq!(plant.lives, Lives::default());
    for _ in 0..3 {
        assert_eq!(plant.quarter_watered(watered_ms, 25_000), []);
    }
    let fired = Turn::Fired { since_ms: 4 * QUARTER_MS, at_ms: 8 * QUARTER_MS };
    let news = [News { kind: Kind::Drying, turn: fired }];
    assert_eq!(plant.quarter_watered(watered_ms, 25_000), news);
}

/// Whoever says late that they watered has seen to it; what readings show late is no news where it
/// is dry all the same.
#[test]
fn a_watering_that_is_told_after_the_early_warning_settles_it() {
    let mut plant = Plant::new();
    assert_eq!(plant.quarters(4, 25_000, 20_000), [(Kind::Drying, true)]);
    let watered_ms = QUARTER_MS;
    assert_eq!(plant.lives.watered(watered_ms, false, &rules()), []);
    let over = Turn::Over { since_ms: 0, at_ms: watered_ms, why: Why::Watered };
    let settled = plant.lives.watered(watered_ms, true, &rules());
    assert_eq!(settled, [News { kind: Kind::Drying, turn: over }]);
}

/// Two quarters alone, with a pause in which it was better or nothing is known.
#[test]
fn what_is_not_told_yet_begins_anew_after_a_pause() {
    for pause in [Some(31_000), None] {
        let mut plant = Plant::new();
        assert_eq!(plant.quarters(1, 29_900, 20_000), []);
        match pause {
            Some(moisture) => assert_eq!(plant.quarters(2 * 96, moisture, 20_000), []),
            None => plant.quarters += 2 * 96,
        }
        assert_eq!(plant.quarters(3, 29_900, 20_000), [], "{pause:?}");
        assert_eq!(plant.quarters(1, 29_900, 20_000), [(Kind::Drying, true)], "{pause:?}");
    }
    let mut plant = Plant::new();
    plant.quarters(1, 40_000, 30_100);
    plant.quarters += 80;
    assert_eq!(plant.quarters(1, 40_000, 30_100), [], "twenty hours later");
    assert_eq!(plant.quarters(1, 40_000, 30_100), [(Kind::Hot, true)]);
}

/// F15: from the reading before it, and only if it goes on for a moment after it was noticed.
#[test]
fn silence_is_told_at_its_limit_and_over_when_the_sensor_has_talked_for_as_long() {
    let mut lives = Lives::default();
    let minute = |count: i64| count * MINUTE_MS;
    assert_eq!(lives.heard(0, minute(8), LIMIT_MS), None);
    assert_eq!(lives.heard(0, minute(9), LIMIT_MS), None);
    let fired = Turn::Fired { since_ms: 0, at_ms: LIMIT_MS };
    let news = News { kind: Kind::Silent, turn: fired };
    assert_eq!(lives.heard(0, minute(10), LIMIT_MS), Some(news));
    assert_eq!(lives.heard(minute(12), minute(12), LIMIT_MS), None);
    assert_eq!(lives.heard(minute(12), minute(21), LIMIT_MS), None, "it was silent again");
    assert_eq!(lives.heard(minute(22), minute(22), LIMIT_MS), None);
    assert_eq!(lives.heard(minute(31), minute(31), LIMIT_MS), None);
    let over = Turn::Over { since_ms: 0, at_ms: minute(32), why: Why::Better };
    let news = News { kind: Kind::Silent, turn: over };
    assert_eq!(lives.heard(minute(32), minute(32), LIMIT_MS), Some(news));
}

/// Our own standstill is no silence of a sensor.
#[test]
fn after_a_leap_of_the_clock_a_sensor_can_say_something_first() {
    let mut lives = Lives::default();
    assert_eq!(lives.heard(0, 5 * HOUR_MS, LIMIT_MS), None);
    let heard_ms = 5 * HOUR_MS + 30_000;
    assert_eq!(lives.heard(heard_ms, heard_ms, LIMIT_MS), None);
    assert_eq!(lives, Lives::default());
}

#[test]
fn in_a_narrow_band_something_is_fine() {
    let bands = Bands::of((30.0, 31.0), (15.0, 30.0));
    let mut lives = Lives::default();
    let mut news = Vec::new();
    for (index, moisture) in [29_000, 29_000, 29_000, 29_000, 30_300, 30_300].iter().enumerate() {
        let from_ms = i64::try_from(index).unwrap() * QUARTER_MS;
        let to_ms = from_ms + QUARTER_MS;
        let quarter = Quarter { from_ms, to_ms, moisture: *moisture, temperature: 20_000 };
        news.extend(lives.quarter(&quarter, None, &bands, &rules()));
    }
    assert_eq!(news.len(), 2, "{news:?}");
}

/// What can happen to a plant.
#[derive(Debug, Clone)]
enum Event {
    Quarter { moisture: i64, temperature: i64 },
    DryWindow,
    Watered { is_said: bool },
    Heard { ago_ms: i64 },
    Still(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (25_000i64..66_000, 13_000i64..33_000)
            .prop_map(|(moisture, temperature)| Event::Quarter { moisture, temperature }),
        1 => Just(Event::DryWindow),
        1 => any::<bool>().prop_map(|is_said| Event::Watered { is_said }),
        2 => (0i64..20 * MINUTE_MS).prop_map(|ago_ms| Event::Heard { ago_ms }),
        1 => any::<bool>().prop_map(Event::Still),
    ]
}

proptest! {
    #[test]
    fn nothing_fires_twice_and_nothing_is_over_that_did_not_fire(
        events in prop::collection::vec((event(), 0i64..40 * MINUTE_MS), 0..120),
    ) {
        let mut plant = Plant::new();
        let mut firing = [false; Kind::ALL.len()];
        let mut now_ms = HOUR_MS;
        for (event, passed_ms) in events {
            now_ms += passed_ms;
            let news = match event {
                Event::Quarter { moisture, temperature } => plant.quarter(moisture, temperature),
                Event::DryWindow => plant.lives.dry_window(now_ms),
                Event::Watered { is_said } => plant.lives.watered(now_ms, is_said, &rules()),
                Event::Heard { ago_ms } => {
                    plant.lives.heard(now_ms - ago_ms, now_ms, LIMIT_MS).into_iter().collect()
                }
                Event::Still(is_still) => {
                    plant.lives.still(is_still, now_ms - HOUR_MS, now_ms).into_iter().collect()
                }
            };
            for News { kind, turn } in news {
                let is_firing = &mut firing[kind.index()];
                match turn {
                    Turn::Fired { since_ms, at_ms } => {
                        prop_assert!(!*is_firing && since_ms <= at_ms, "{kind:?}");
                        *is_firing = true;
                    }
                    Turn::Again { .. } => prop_assert!(*is_firing, "{kind:?}"),
                    Turn::Over { .. } => {
                        prop_assert!(*is_firing, "{kind:?}");
                        *is_firing = false;
                    }
                }
            }
            for kind in Kind::ALL {
                prop_assert_eq!(firing[kind.index()], plant.lives.is_firing(kind));
            }
            prop_assert!(!(plant.lives.is_firing(Kind::Dry) && plant.lives.is_firing(Kind::Drying)));
        }
    }
}
