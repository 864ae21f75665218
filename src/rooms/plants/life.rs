//! The life of a plant's alerts: ok, pending, firing, over, for each kind of trouble.
//!
//! A quarter of an hour is judged once, by the means of its readings; a plant's silence by the
//! watermark. Hysteresis keeps a value that swings around its limit one trouble, and a minimum
//! duration keeps a passing one from being told. Invariant: nothing fires twice without being over
//! in between, nothing is over that did not fire, and what is not known changes nothing.
//!
//! What people say to an alert (acknowledged, snoozed, silenced) belongs to its card, for every
//! room alike: `kernel/card.rs`.

use super::fold::BUCKET_MS;
use super::types::thousandths;
use crate::kernel::time::{HOUR_MS, MINUTE_MS};

/// What can be the matter with a plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The contract's rule: too many low readings in a window of six hours.
    Dry,
    /// Below its low limit of moisture: the early warning.
    Drying,
    Wet,
    Hot,
    Cold,
    /// No reading for a while.
    Silent,
    /// Readings that do not change.
    Stuck,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Dry, Kind::Drying, Kind::Wet, Kind::Hot, Kind::Cold, Kind::Silent, Kind::Stuck];

    /// The word under which it is stored, and by which its alerts are known.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Dry => "dry",
            Kind::Drying => "drying",
            Kind::Wet => "wet",
            Kind::Hot => "hot",
            Kind::Cold => "cold",
            Kind::Silent => "silent",
            Kind::Stuck => "stuck",
        }
    }

    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Frost and heat kill within hours: they are told in quiet hours, too.
    pub fn is_urgent(self) -> bool {
        matches!(self, Kind::Hot | Kind::Cold)
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// Where one kind's life stands; that all is well has no phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bad since then, and not yet for long enough; found so until `bad_ms`.
    Pending { since_ms: i64, bad_ms: i64 },
    /// Told; well again since `better_ms`, and not yet for long enough.
    Firing { since_ms: i64, better_ms: Option<i64> },
}

impl Phase {
    pub fn since_ms(self) -> i64 {
        match self {
            Phase::Pending { since_ms, .. } | Phase::Firing { since_ms, .. } => since_ms,
        }
    }
}

/// How a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Bad,
    /// No longer bad, and not clearly well either.
    Between,
    Fine,
}

/// What has to last for how long, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patience {
    fire_ms: i64,
    clear_ms: i64,
}

/// What a judgement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    pub kind: Kind,
    pub turn: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It began to fire: bad since `since_ms`, for long enough at `at_ms`.
    Fired {
        since_ms: i64,
        at_ms: i64,
    },
    /// It fires and was found true once more.
    Again {
        since_ms: i64,
        at_ms: i64,
    },
    Over {
        since_ms: i64,
        at_ms: i64,
        why: Why,
    },
}

/// Why an alert is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Better,
    /// The early warning has come true.
    Superseded,
    /// Somebody watered it.
    Watered,
}

/// The numbers that lives go by; the configuration's `[plants]` section explains them. Durations
/// are milliseconds, values thousandths of a per cent or of a degree Celsius.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub moisture_margin: i64,
    pub temperature_margin: i64,
    pub drying_ms: i64,
    pub wet_ms: i64,
    pub temperature_ms: i64,
    pub clear_ms: i64,
    /// `None`: nobody is told of silence.
    pub silent_ms: Option<i64>,
    pub stuck: Option<Stillness>,
    /// `None`: what fires is told once.
    pub repeat_ms: Option<i64>,
}

/// No pause is looked back over for longer to see whether a quarter stands alone.
const LONGEST_PAUSE_MS: i64 = 2 * HOUR_MS;

impl Rules {
    /// Whether a lone quarter of a plant that is well need not be judged before the next one comes:
    /// it makes nothing fire, and where the next comes after a longer pause than this all begins
    /// anew with that. `None`: each is judged at once.
    pub fn pause_ms(&self) -> Option<i64> {
        let soonest_ms = self.drying_ms.min(self.wet_ms).min(self.temperature_ms);
        let waits = soonest_ms > BUCKET_MS && self.clear_ms <= LONGEST_PAUSE_MS;
        waits.then_some(self.clear_ms)
    }
}

/// Of a plant's quarters before `first_ms`, in order: did the last one stand alone, so that it was
/// not judged, and may one that begins at `first_ms` or later follow it before the pause is over?
pub fn is_held_back(before: &[Quarter], first_ms: i64, pause_ms: i64) -> bool {
    let is_near = |earlier: &Quarter, from_ms: i64| from_ms - earlier.to_ms <= pause_ms;
    match before {
        [] => false,
        [last] => is_near(last, first_ms),
        [.., earlier, last] => is_near(last, first_ms) && !is_near(earlier, last.from_ms),
    }
}

/// What makes a sensor stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stillness {
    /// For so long its means did not leave
    pub span_ms: i64,
    /// a band of this width.
    pub band: i64,
}

/// What a plant should have: thousandths of a per cent and of a degree Celsius.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bands {
    pub moisture: (i64, i64),
    pub temperature: (i64, i64),
}

impl Bands {
    pub fn of(moisture: (f32, f32), temperature: (f32, f32)) -> Bands {
        let band = |(low, high): (f32, f32)| (thousandths(low), thousandths(high));
        Bands { moisture: band(moisture), temperature: band(temperature) }
    }
}

/// The means of a quarter of an hour, of the readings that came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarter {
    pub from_ms: i64,
    pub to_ms: i64,
    pub moisture: i64,
    pub temperature: i64,
}

/// The lives of all kinds of one plant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lives {
    phases: [Option<Phase>; Kind::ALL.len()],
}

impl Lives {
    pub fn phase(&self, kind: Kind) -> Option<Phase> {
        self.phases[kind.index()]
    }

    pub fn set(&mut self, kind: Kind, phase: Option<Phase>) {
        self.phases[kind.index()] = phase;
    }

    pub fn is_firing(&self, kind: Kind) -> bool {
        matches!(self.phase(kind), Some(Phase::Firing { .. }))
    }

    /// A quarter of an hour is over and had readings. `watered_ms` is the newest watering that is
    /// known: a quarter that began before it says nothing of a dryness after it.
    pub fn quarter(
        &mut self,
        quarter: &Quarter,
        watered_ms: Option<i64>,
        bands: &Bands,
        rules: &Rules,
    ) -> Vec<News> {
        let low = |value: i64, band, margin| verdict(band_low(band, margin), value);
        let high = |value: i64, band, margin| verdict(band_high(band, margin), -value);
        let (moisture, temperature) = (bands.moisture, bands.temperature);
        let mut too_dry = low(quarter.moisture, moisture, rules.moisture_margin);
        if too_dry == Verdict::Bad && watered_ms.is_some_and(|at_ms| quarter.from_ms <= at_ms) {
            too_dry = Verdict::Between;
        }
        let too_wet = high(quarter.moisture, moisture, rules.moisture_margin);
        let too_cold = low(quarter.temperature, temperature, rules.temperature_margin);
        let too_hot = high(quarter.temperature, temperature, rules.temperature_margin);
        let clear_ms = rules.clear_ms;
        let patience = |fire_ms| Patience { fire_ms, clear_ms };
        let mut news = Vec::new();
        let span = (quarter.from_ms, quarter.to_ms);
        let mut judge = |lives: &mut Lives, kind, verdict, fire_ms| {
            news.extend(lives.judge(kind, verdict, span, patience(fire_ms)));
        };
        // Dry begins with its window and with nothing else; then it has taken the early warning's
        // place.
        match self.is_firing(Kind::Dry) {
            true => judge(self, Kind::Dry, too_dry, i64::MAX),
            false => judge(self, Kind::Drying, too_dry, rules.drying_ms),
        }
        judge(self, Kind::Wet, too_wet, rules.wet_ms);
        judge(self, Kind::Hot, too_hot, rules.temperature_ms);
        judge(self, Kind::Cold, too_cold, rules.temperature_ms);
        news
    }

    /// A window that closed had too many low readings: the contract's rule.
    pub fn dry_window(&mut self, end_ms: i64) -> Vec<News> {
        let mut news = Vec::new();
        if let Some(Phase::Firing { since_ms, .. }) = self.phase(Kind::Drying) {
            let turn = Turn::Over { since_ms, at_ms: end_ms, why: Why::Superseded };
            news.push(News { kind: Kind::Drying, turn });
        }
        self.set(Kind::Drying, None);
        let (since_ms, turn) = match self.phase(Kind::Dry) {
            Some(Phase::Firing { since_ms, .. }) => {
                (since_ms, Turn::Again { since_ms, at_ms: end_ms })
            }
            _ => (end_ms, Turn::Fired { since_ms: end_ms, at_ms: end_ms }),
        };
        self.set(Kind::Dry, Some(Phase::Firing { since_ms, better_ms: None }));
        news.push(News { kind: Kind::Dry, turn });
        news
    }

    /// It was watered: the dryness that had begun by then is settled. If it stays dry all the
    /// same, that begins anew and has to last again. The same watering again is nothing.
    ///
    /// What readings alone show is known late: an early warning that fired after it stands.
    pub fn watered(&mut self, watered_ms: i64, is_said: bool, rules: &Rules) -> Vec<News> {
        let mut news = Vec::new();
        if matches!(self.phase(Kind::Drying),
            Some(Phase::Pending { since_ms, .. }) if since_ms <= watered_ms)
        {
            self.set(Kind::Drying, None);
        }
        let lasted_ms = if is_said { 0 } else { rules.drying_ms };
        for (kind, lasted_ms) in [(Kind::Dry, 0), (Kind::Drying, lasted_ms)] {
            let Some(Phase::Firing { since_ms, .. }) = self.phase(kind) else { continue };
            if watered_ms >= since_ms.saturating_add(lasted_ms) {
                let turn = Turn::Over { since_ms, at_ms: watered_ms, why: Why::Watered };
                news.push(News { kind, turn });
                self.set(kind, None);
            }
        }
        news
    }

    /// The clock has come to `now_ms`, and the newest reading is from `heard_ms`. Silence is
    /// noticed a moment before its limit and has to last for that moment: after a standstill of
    /// our own a sensor can say something first.
    pub fn heard(&mut self, heard_ms: i64, now_ms: i64, limit_ms: i64) -> Option<News> {
        let moment_ms = silence_moment_ms(limit_ms);
        let is_silent = now_ms - heard_ms >= limit_ms - moment_ms;
        let verdict = if is_silent { Verdict::Bad } else { Verdict::Fine };
        let patience = Patience { fire_ms: moment_ms, clear_ms: limit_ms };
        let news = self.judge(Kind::Silent, verdict, (now_ms, now_ms), patience)?;
        // A silence is known by the reading before it, whenever the clock was looked at.
        let turn = match news.turn {
            Turn::Fired { .. } => Turn::Fired { since_ms: heard_ms, at_ms: heard_ms + limit_ms },
            other => other,
        };
        if let Turn::Fired { since_ms, .. } = turn {
            self.set(Kind::Silent, Some(Phase::Firing { since_ms, better_ms: None }));
        }
        Some(News { turn, ..news })
    }

    /// At `at_ms` the plant's means have (or have not) kept still for long enough.
    pub fn still(&mut self, is_still: bool, since_ms: i64, at_ms: i64) -> Option<News> {
        let verdict = if is_still { Verdict::Bad } else { Verdict::Fine };
        let patience = Patience { fire_ms: 0, clear_ms: 0 };
        self.judge(Kind::Stuck, verdict, (since_ms, at_ms), patience)
    }

    /// What one kind's life makes of a verdict about a span of time.
    fn judge(
        &mut self,
        kind: Kind,
        verdict: Verdict,
        (from_ms, to_ms): (i64, i64),
        patience: Patience,
    ) -> Option<News> {
        let (next, turn) = match (self.phase(kind), verdict) {
            (None, Verdict::Bad) => begun(from_ms, to_ms, patience),
            // A pause as long as would end it, and nobody knows what was in between: it begins anew.
            (Some(Phase::Pending { bad_ms, .. }), Verdict::Bad)
                if from_ms - bad_ms > patience.clear_ms =>
            {
                begun(from_ms, to_ms, patience)
            }
            (Some(Phase::Pending { since_ms, .. }), Verdict::Bad) => {
                begun(since_ms, to_ms, patience)
            }
            (Some(Phase::Pending { .. }), Verdict::Fine) => (None, None),
            (Some(Phase::Firing { since_ms, .. }), Verdict::Bad) => {
                (Some(Phase::Firing { since_ms, better_ms: None }), None)
            }
            (Some(Phase::Firing { since_ms, better_ms }), Verdict::Fine) => {
                let better_ms = better_ms.unwrap_or(from_ms);
                if to_ms - better_ms >= patience.clear_ms {
                    (None, Some(Turn::Over { since_ms, at_ms: to_ms, why: Why::Better }))
                } else {
                    (Some(Phase::Firing { since_ms, better_ms: Some(better_ms) }), None)
                }
            }
            (phase, Verdict::Between | Verdict::Fine) => (phase, None),
        };
        self.set(kind, next);
        Some(News { kind, turn: turn? })
    }
}

fn begun(since_ms: i64, to_ms: i64, patience: Patience) -> (Option<Phase>, Option<Turn>) {
    if to_ms - since_ms < patience.fire_ms {
        return (Some(Phase::Pending { since_ms, bad_ms: to_ms }), None);
    }
    let firing = Phase::Firing { since_ms, better_ms: None };
    (Some(firing), Some(Turn::Fired { since_ms, at_ms: to_ms }))
}

/// How long before its limit a silence is noticed, and how often the clock is looked at for it: a
/// tenth of the limit, but at least a few readings' time (contract: one every 30 s). A limit is
/// three minutes at least, as the configuration sees to: what is noticed has lacked more than two
/// readings.
pub fn silence_moment_ms(limit_ms: i64) -> i64 {
    (limit_ms / 10).max(MINUTE_MS).min(limit_ms)
}

/// Below the first a value is bad, from the second on it is fine.
struct Edges {
    bad: i64,
    fine: i64,
}

fn verdict(edges: Edges, value: i64) -> Verdict {
    if value < edges.bad {
        Verdict::Bad
    } else if value < edges.fine {
        Verdict::Between
    } else {
        Verdict::Fine
    }
}

fn band_low(band: (i64, i64), margin: i64) -> Edges {
    Edges { bad: band.0, fine: band.0 + narrow(margin, band) }
}

/// The upper edge, upside down.
fn band_high(band: (i64, i64), margin: i64) -> Edges {
    Edges { bad: -band.1, fine: -(band.1 - narrow(margin, band)) }
}

/// In a narrow band the margin takes a quarter at most: otherwise nothing in it would be fine.
fn narrow(margin: i64, (low, high): (i64, i64)) -> i64 {
    margin.min((high - low) / 4).max(0)
}

#[cfg(test)]
mod tests;
