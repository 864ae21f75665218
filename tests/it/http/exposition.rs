//! A strict reader of Prometheus' text format: what is not as the format has it fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// Samples by name and labels, as they stand on the page.
#[derive(Debug)]
pub(super) struct Page(BTreeMap<String, f64>);

impl Page {
    /// The one sample of this series, such as `name{label="x"}`.
    #[track_caller]
    pub(super) fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0.keys()))
    }

    pub(super) fn read(text: &str) -> Page {
        let mut samples = BTreeMap::new();
        let mut done = BTreeSet::new();
        let mut family = (String::new(), String::new());
        let mut lines = text.lines().peekable();
        assert!(text.ends_with('\n'), "the last line is not ended");
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect(line);
                assert!(is_name(name) && words.ends_with('.'), "{line}");
                let kind = lines.next().and_then(|next| next.strip_prefix("# TYPE "));
                let (same, kind) = kind.and_then(|kind| kind.split_once(' ')).expect(line);
                assert_eq!(same, name, "HELP and TYPE belong together");
                assert!(done.insert(name.to_owned()), "{name} is announced twice");
                check_name(name, kind);
                family = (name.to_owned(), kind.to_owned());
                continue;
            }
            let (series, value) = line.rsplit_once(' ').expect(line);
            let value: f64 = value.parse().expect(line);
            check_series(series, &family);
            assert!(family.1 != "counter" || value >= 0.0, "{line}");
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} twice");
        }
        let page = Page(samples);
        page.check_histograms(&done);
        page
    }

    /// Buckets grow, and the unbounded one holds all.
    fn check_histograms(&self, families: &BTreeSet<String>) {
        for name in families.iter().filter(|name| self.0.contains_key(&format!("{name}_count"))) {
            let prefix = format!("{name}_bucket{{le=\"");
            let bound =
                |series: &str| series[prefix.len()..].trim_end_matches("\"}").parse::<f64>();
            let mut buckets: Vec<(f64, f64)> = self
                .0
                .iter()
                .filter(|(series, _)| series.starts_with(&prefix))
                .map(|(series, count)| (bound(series).unwrap(), *count))
                .collect();
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name}: {buckets:?}");
            let last = buckets.last().unwrap();
            assert_eq!(*last, (f64::INFINITY, self.value(&format!("{name}_count"))));
            assert!(self.value(&format!("{name}_sum")) >= 0.0);
        }
    }
}

/// Names carry their unit, and what only grows says so.
fn check_name(name: &str, kind: &str) {
    match kind {
        "counter" => assert!(name.ends_with("_total"), "{name}"),
        "histogram" => assert!(name.ends_with("_seconds"), "{name}"),
        "gauge" => assert!(!name.ends_with("_total"), "{name}"),
        other => panic!("{name} is of the kind {other}"),
    }
}

fn check_series(series: &str, (family, kind): &(String, String)) {
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect(series)),
        None => (series, ""),
    };
    let part = name.strip_prefix(family.as_str()).expect(series);
    let parts: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    assert!(parts.contains(&part), "{series} stands below {family}");
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (label, value) = label.split_once("=\"").expect(series);
        let value = value.strip_suffix('"').unwrap_or(value);
        assert!(is_name(label) && !label.contains(':') && !value.contains('"'), "{series}");
    }
}

fn is_name(name: &str) -> bool {
    let is_start = |char: char| char.is_ascii_alphabetic() || "_:".contains(char);
    name.starts_with(is_start) && name.chars().all(|char| is_start(char) || char.is_ascii_digit())
}
