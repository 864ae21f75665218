//! The demo as a newcomer meets it: the real binary, its chat page, a phone's screen.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::{Browser, ENTER, LOW_CONTRAST};
use crate::support::windowsill;

/// From the process's start to the first alert in the chat (the promise of the README).
const FIRST_ALERT_WITHIN: Duration = Duration::from_secs(60);

/// A running demo; it is killed when this is dropped.
pub(crate) struct Demo {
    child: Child,
    url: String,
    started: Instant,
}

impl Demo {
    fn start(dir: &Path) -> Demo {
        Demo::start_with(dir, &["--seed", "3"], Stdio::null())
    }

    /// The same with other options; gives what it tells to `told`.
    pub(crate) fn start_with(dir: &Path, options: &[&str], told: Stdio) -> Demo {
        let started = Instant::now();
        let arguments = [&["demo"], options].concat();
        let mut child = windowsill(dir, &arguments).stderr(told).spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        let url = first_line.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "the first line is {first_line:?}");
        Demo { child, url, started }
    }

    /// The address of its chat page, with a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Asks it to end and gives its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// True once a message of the bot says this.
fn says(part: &str) -> String {
    let part = json!(part);
    format!(
        "return [...document.querySelectorAll('#messages .text')].some(node => \
         node.textContent.includes({part}))"
    )
}

/// Taps the newest button with this label.
async fn tap(browser: &Browser, label: &str) {
    let wanted = json!(label);
    let found = format!(
        "const all = [...document.querySelectorAll('.rows .press')].filter(node => \
         node.textContent.includes({wanted})); \
         if (!all.length) return false; \
         document.querySelectorAll('[data-tap]').forEach(node => delete node.dataset.tap); \
         all.pop().dataset.tap = ''; return true"
    );
    browser.wait_for(&format!("button {label:?}"), &found).await;
    browser.click("[data-tap]").await;
}

async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("WINDOWSILL_TEST_SCREENSHOTS") {
        browser.screenshot(&Path::new(&folder).join(name)).await;
    }
}

async fn is_good_to_look_at(browser: &Browser) {
    let fits = "return document.scrollingElement.scrollWidth <= innerWidth && \
                document.getElementById('scroll').scrollWidth <= innerWidth";
    assert_eq!(browser.script(fits).await, true, "something is wider than the screen");
    for scheme in ["light", "dark"] {
        browser.set_scheme(scheme).await;
        let is_set = format!("return matchMedia('(prefers-color-scheme: {scheme})').matches");
        browser.wait_for(scheme, &is_set).await;
        assert_eq!(browser.script(LOW_CONTRAST).await, json!([]), "in {scheme}");
    }
    browser.set_scheme("light").await;
}

#[tokio::test]
async fn the_demo_is_a_chat_with_plants_that_raises_its_first_alert_within_a_minute() {
    let Some(browser) = Browser::start("the demo in Chromium").await else { return };
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path());
    browser.goto(&demo.url).await;
    browser.wait_for("greeting", &says("Welcome to Windowsill.")).await;

    browser.wait_for("menu", "return !document.getElementById('menu-button').hidden").await;
    browser.click("#menu-button").await;
    let listed = "return [...document.querySelectorAll('#menu b')].map(node => node.textContent)";
    let menu = browser.script(listed).await;
    for command in ["/plants", "/plant", "/update_plant", "/alerts", "/status", "/help"] {
        assert!(menu.as_array().unwrap().contains(&json!(command)), "{command} in {menu}");
    }
    browser.click("#menu-button").await;

    browser.type_into("#input", &format!("/plants{ENTER}")).await;
    browser.wait_for("list of plants", &says("6 plants")).await;
    browser.type_into("#input", &format!("/plant cyril{ENTER}")).await;
    browser.wait_for("card", &says("Schefflera arboricola · plant 0")).await;
    picture(&browser, "demo-card.png").await;

    edit_cyril(&browser).await;
    picture(&browser, "demo-edit.png").await;
    pick_cyril(&browser).await;

    let alert = says("is looking pretty dry...");
    while browser.script(&alert).await != json!(true) {
        assert!(demo.started.elapsed() < FIRST_ALERT_WITHIN, "no alert within a minute");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    is_good_to_look_at(&browser).await;
    picture(&browser, "demo-alert.png").await;
    assert_eq!(demo.terminate(), Some(0));
}

/// `/update_plant cyril` by buttons and by typing, to the word that it is saved.
async fn edit_cyril(browser: &Browser) {
    browser.type_into("#input", &format!("/update_plant cyril{ENTER}")).await;
    browser.wait_for("first question", &says("Please enter plant's given name")).await;
    tap(browser, "Keep Cyril").await;
    browser.wait_for("second question", &says("Please enter plant's scientific name")).await;
    tap(browser, "Keep Schefflera").await;
    tap(browser, "Keep Dwarf").await;
    tap(browser, "Keep 15").await;
    tap(browser, "Keep 30 °C").await;
    browser.wait_for("moisture", &says("Please enter plant's low moisture threshold")).await;
    browser.type_into("#input", &format!("abc{ENTER}")).await;
    browser.wait_for("refusal", &says("“abc” is not a number")).await;
    browser.type_into("#input", &format!("20.5{ENTER}")).await;
    tap(browser, "Keep 60").await;
    browser.wait_for("summary", &says("low moisture threshold: 20.5 % (was 30 %)")).await;
    tap(browser, "Yes").await;
    browser.wait_for("saved", &says("You've confirmed your metadata entry")).await;
    // After a tap it is shown at what was typed last.
    let shown = "return [...document.querySelectorAll('.own')].some(node => \
                 node.querySelector('.text')?.textContent === '20.5' && \
                 node.querySelector('.reactions')?.textContent === '👍')";
    browser.wait_for("reaction", shown).await;
}

/// Types behind the bot's name, and picks what is offered.
async fn pick_cyril(browser: &Browser) {
    browser.type_into("#input", "@windowsill_bot cyr").await;
    let offered = "return document.getElementById('option-0')?.textContent.includes('Cyril the')";
    browser.wait_for("offer", offered).await;
    picture(browser, "demo-inline.png").await;
    is_good_to_look_at(browser).await;
    browser.click("#option-0").await;
    let said = "return [...document.querySelectorAll('.own .bubble')].some(node => \
                node.textContent.includes('via @windowsill_bot') && \
                node.textContent.includes('Schefflera arboricola'))";
    browser.wait_for("picked card", said).await;
}

#[tokio::test]
async fn a_second_start_goes_on_where_the_first_ended() {
    let Some(browser) = Browser::start("the demo's second start in Chromium").await else { return };
    let dir = tempfile::tempdir().unwrap();
    let first = Demo::start(dir.path());
    browser.goto(&first.url).await;
    browser.wait_for("greeting", &says("Welcome to Windowsill.")).await;
    browser.type_into("#input", &format!("/plants{ENTER}")).await;
    browser.wait_for("list of plants", &says("6 plants")).await;
    assert_eq!(first.terminate(), Some(0));

    let second = Demo::start(dir.path());
    browser.goto(&second.url).await;
    browser.wait_for("earlier answer", &says("6 plants")).await;
    browser.type_into("#input", &format!("/status{ENTER}")).await;
    browser.wait_for("status", &says("windows closed")).await;
    let greetings = "return [...document.querySelectorAll('#messages .text')].filter(node => \
                     node.textContent.includes('Welcome to Windowsill.')).length";
    assert_eq!(browser.script(greetings).await, 1, "the greeting is said once");
}
