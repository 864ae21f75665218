//! `windowsill check`: every examination in order, and the exit code.

use std::io::IsTerminal;

use super::house::{self, Failure};
use crate::clock;
use crate::config::Config;
use crate::exit::Exit;
use crate::ops::check::clock::Others;
use crate::ops::check::{Form, Report, files, folder, registry, settings, telegram};

fn form(as_json: bool) -> Form {
    match as_json {
        true => Form::Json,
        false => Form::Lines { in_colour: std::io::stdout().is_terminal() },
    }
}

pub(super) async fn check(config: &Config, as_json: bool) -> Result<Exit, Failure> {
    let topics = house::topics(config)?;
    let mut out = std::io::stdout();
    let mut report = Report::new(form(as_json), &mut out);
    let now_ms = clock::now_ms();
    report.add_all(settings::configuration(config));
    let tz = std::env::var("TZ").ok();
    report.add(settings::time_zone(config, tz.as_deref(), now_ms));
    report.add_all(folder::findings(&config.data_dir));
    let examined = files::examine(config, &topics).await;
    report.add_all(examined.findings);
    if let Some(known) = topics.registry() {
        report.add(registry::ask(known).await);
    }
    let asked = telegram::ask(config).await;
    report.add_all(asked.findings);
    let others = Others {
        last_write_ms: examined.state.and_then(|state| state.last_write_ms),
        telegram_ms: asked.telegram_ms,
    };
    report.add(crate::ops::check::clock::finding(asked.now_ms, others, config.time_zone.get()));
    Ok(report.finish())
}

/// The report on a configuration that cannot be used: there is nothing else to look at.
pub(super) fn refused(reason: &str, as_json: bool) -> Exit {
    let mut out = std::io::stdout();
    let mut report = Report::new(form(as_json), &mut out);
    report.add(settings::refused(reason));
    report.finish()
}
