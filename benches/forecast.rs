//! How good forecasts of drying are: on the shapes that they were designed on, and on shapes that
//! they do not know. Beside them a naive one: the slope of the last day (or half, or quarter) drawn
//! on, with the interval that holds 80 % of the design shapes.
//!
//! `cargo bench --bench forecast [-- CASES]` prints a table, 1,000 cases of each shape by default;
//! it fails where the 80 % interval holds less than 75 or more than 85 % of the shapes held out, or
//! its median width is not below the naive one's.

#![expect(clippy::print_stdout, reason = "a bench that fails panics")]
#![expect(clippy::cast_precision_loss, reason = "a table for people")]

use windowsill::demo::drying::{Case, DESIGN, HELD_OUT, cases, days};
use windowsill::rooms::plants::rules::forecast::crossing;
use windowsill::rooms::plants::rules::watering::Mean;

/// An interval in days from now, and when the soil was dry.
struct Answer {
    from: f64,
    to: f64,
    truth: f64,
}

fn main() {
    let asked = std::env::args().find_map(|argument| argument.parse().ok());
    let count: usize = asked.unwrap_or(1_000);
    let (design, held_out) = (cases(&DESIGN, count, 1), cases(&HELD_OUT, count, 2));
    println!("{:28} {:>9} {:>14}", format!("{count} cases a shape"), "holds", "median width");
    for shape in DESIGN.iter().chain(&HELD_OUT) {
        let of_shape = |case: &&Case| case.shape == *shape;
        let some = design.iter().chain(&held_out).filter(of_shape);
        print(&format!("{shape:?}"), &some.filter_map(ours).collect::<Vec<_>>());
    }
    let on_design: Vec<Answer> = design.iter().filter_map(ours).collect();
    print("all design shapes", &on_design);
    let answers: Vec<Answer> = held_out.iter().filter_map(ours).collect();
    let (holds, width) = print("all held out", &answers);
    let mut naive_width = f64::MAX;
    for window in [0.25, 0.5, 1.0] {
        let answers = naive(&design, &held_out, window);
        let (_, width) = print(&format!("naive, last {window} days"), &answers);
        naive_width = naive_width.min(width);
    }
    let answered = answers.len() as f64 / held_out.len() as f64;
    println!("answered: {:.1} %", 100.0 * answered);
    assert!((75.0..=85.0).contains(&holds), "the interval holds {holds:.1} %");
    assert!(width < naive_width, "{width:.2} days against {naive_width:.2}");
}

fn ours(case: &Case) -> Option<Answer> {
    let mean =
        |(start_ms, moisture): &(i64, i64)| Mean { start_ms: *start_ms, moisture: *moisture };
    let means: Vec<Mean> = case.quarters.iter().map(mean).collect();
    let forecast = crossing(&means, case.low)?;
    Some(Answer {
        from: days(case.now_ms, forecast.from_ms),
        to: days(case.now_ms, forecast.to_ms),
        truth: days(case.now_ms, case.crosses_ms),
    })
}

/// The last slope's answers about `held_out`, as wide as they must be to hold 80 % of `design`.
fn naive(design: &[Case], held_out: &[Case], window: f64) -> Vec<Answer> {
    let truth = |case: &Case| days(case.now_ms, case.crosses_ms);
    let ratios = design.iter().map(|case| truth(case) / drawn_on(case, window));
    let mut ratios: Vec<f64> = ratios.collect();
    let (least, most) = (quantile(&mut ratios, 0.1), quantile(&mut ratios, 0.9));
    let answer = |case: &Case| {
        let likely = drawn_on(case, window);
        Answer { from: likely * least, to: likely * most, truth: truth(case) }
    };
    held_out.iter().map(answer).collect()
}

/// Days until the straight line through the last quarter hours is below the threshold.
fn drawn_on(case: &Case, window: f64) -> f64 {
    const LONGEST: f64 = 30.0;
    let recent = case
        .quarters
        .iter()
        .map(|(at_ms, moisture)| (days(case.now_ms, *at_ms), *moisture as f64 / 1_000.0));
    let recent: Vec<(f64, f64)> = recent.filter(|(day, _)| *day >= -window).collect();
    let count = recent.len() as f64;
    let day = recent.iter().map(|(day, _)| day).sum::<f64>() / count;
    let moisture = recent.iter().map(|(_, moisture)| moisture).sum::<f64>() / count;
    let both: f64 = recent.iter().map(|(x, y)| (x - day) * (y - moisture)).sum();
    let slope = both / recent.iter().map(|(x, _)| (x - day).powi(2)).sum::<f64>();
    if slope >= 0.0 {
        return LONGEST;
    }
    let now = moisture - slope * day;
    ((case.low as f64 / 1_000.0 - now) / slope).clamp(0.02, LONGEST)
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

/// Prints a line; gives the per cent that hold, and the median width in days.
fn print(name: &str, answers: &[Answer]) -> (f64, f64) {
    let held = answers.iter().filter(|it| (it.from..=it.to).contains(&it.truth)).count();
    let holds = 100.0 * held as f64 / answers.len() as f64;
    let mut widths: Vec<f64> = answers.iter().map(|answer| answer.to - answer.from).collect();
    let width = quantile(&mut widths, 0.5);
    println!("{name:28} {holds:>7.1} % {width:>9.2} days");
    (holds, width)
}
