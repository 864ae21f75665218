//! Prometheus' text format, version 0.0.4.
//!
//! Invariant: every family is announced once, before its samples, which stand together.

use std::fmt::Write;

use crate::meter::{BUCKETS_MS, Histogram};

/// What `Content-Type` says.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

/// The samples of one metric.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// A number that only grows; its name ends with `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// How long something took; its name ends with `_seconds`.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) {
        let family = self.family(name, "histogram", help);
        let counts = histogram.cumulative();
        let all = counts[BUCKETS_MS.len()];
        for (bound_ms, count) in BUCKETS_MS.iter().zip(counts) {
            let bound_s = seconds(*bound_ms);
            let _ = writeln!(family.text, "{name}_bucket{{le=\"{bound_s}\"}} {count}");
        }
        let _ = writeln!(family.text, "{name}_bucket{{le=\"+Inf\"}} {all}");
        let _ = writeln!(family.text, "{name}_sum {}", histogram.sum().as_secs_f64());
        let _ = writeln!(family.text, "{name}_count {all}");
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.text, name }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// The one sample of a metric without labels.
    pub(super) fn value(mut self, value: f64) {
        self.sample(&[], value);
    }

    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            // Writing to a string cannot fail, here and below.
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// Label values escape these three and nothing else.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// A count as the format's floating point; beyond 2⁵³ the last digits go.
#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
pub(super) fn count(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Exposition::default();
        let mut family = page.counter("calls_total", "Calls.");
        family.sample(&[("method", "say \"x\\y\"\n"), ("code", "1")], 2.0);
        page.gauge("age_seconds", "Age.").value(0.5);
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(4));
        page.histogram("took_seconds", "Took.", &histogram);
        let text = page.into_text();
        let head = "# HELP calls_total Calls.\n# TYPE calls_total counter\n\
                    calls_total{method=\"say \\\"x\\\\y\\\"\\n\",code=\"1\"} 2\n\
                    # HELP age_seconds Age.\n# TYPE age_seconds gauge\nage_seconds 0.5\n\
                    # HELP took_seconds Took.\n# TYPE took_seconds histogram\n\
                    took_seconds_bucket{le=\"0.001\"} 0\ntook_seconds_bucket{le=\"0.005\"} 1\n";
        assert!(text.starts_with(head), "{text}");
        let tail = "le=\"+Inf\"} 1\ntook_seconds_sum 0.004\ntook_seconds_count 1\n";
        assert!(text.ends_with(tail), "{text}");
    }
}
