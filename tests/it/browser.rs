//! A browser for tests: Chromium on a phone's screen, steered over WebDriver.
//!
//! Only what tests here need of the protocol, in plain HTTP; and the chat page tried alone.
//! With `WINDOWSILL_TEST_SCREENSHOTS` set to a folder, the page leaves a picture there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use windowsill::demo::botapi::{Handle, PAGE_USER};

use crate::botapi_world::{WITHIN, World};
use crate::tool::{Running, leave_out, works};

const WIDTH_PX: u32 = 390;
const HEIGHT_PX: u32 = 844;
const REMEDY: &str = "install chromium and chromedriver (Debian: chromium chromium-driver)";

/// WebDriver's characters for keys.
pub(crate) const ARROW_DOWN: &str = "\u{e015}";
pub(crate) const ENTER: &str = "\u{e007}";

/// A window; browser and driver end when it is dropped.
pub(crate) struct Browser {
    client: Client,
    session: String,
    // Declared last: the session is ended before its driver.
    _driver: Running,
}

impl Browser {
    /// `None`, and said loudly, when a program is missing.
    pub(crate) async fn start(test: &str) -> Option<Browser> {
        let there = |program: &str| works(Command::new(program).arg("--version"));
        if !there("chromium") || !there("chromedriver") {
            leave_out(test, REMEDY);
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={free}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = Running::start(&mut driver);
        let client = Client::builder().no_proxy().build().unwrap();
        let base = format!("http://127.0.0.1:{free}");
        wait_for_driver(&client, &base).await;
        let options = json!({
            "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            "mobileEmulation": {
                "deviceMetrics": {"width": WIDTH_PX, "height": HEIGHT_PX, "pixelRatio": 2.0},
            },
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let created = send(&client, &format!("{base}/session"), &wanted).await;
        let id = created["sessionId"].as_str().unwrap();
        let session = format!("{base}/session/{id}");
        Some(Browser { client, session, _driver: driver })
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        send(&self.client, &format!("{}/{path}", self.session), &body).await
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.command("url", json!({"url": url})).await;
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub(crate) async fn script(&self, body: &str) -> Value {
        self.command("execute/sync", json!({"script": body, "args": []})).await
    }

    /// Runs a body again and again until it returns something true.
    pub(crate) async fn wait_for(&self, what: &str, body: &str) -> Value {
        let until = Instant::now() + WITHIN;
        while Instant::now() < until {
            let value = self.script(body).await;
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no {what} in the page within {WITHIN:?}");
    }

    /// Clicks the first element that fits, as a person would.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.command(&format!("element/{element}/click"), json!({})).await;
    }

    /// Types into the first element that fits; the constants below are keys without a letter.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        let keys = json!({"text": text});
        self.command(&format!("element/{element}/value"), keys).await;
    }

    /// The driver's name for an element.
    async fn element(&self, selector: &str) -> String {
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.command("element", wanted).await;
        let name = found.as_object().unwrap().values().next().unwrap();
        name.as_str().unwrap().to_owned()
    }

    /// Light or dark, as the system would be set.
    pub(crate) async fn set_scheme(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let params = json!({"features": features});
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": params});
        self.command("goog/cdp/execute", command).await;
    }

    /// Saves what is seen as a PNG.
    pub(crate) async fn screenshot(&self, path: &Path) {
        let url = format!("{}/screenshot", self.session);
        let answer: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        std::fs::write(path, decode_base64(answer["value"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    /// Ends the session, and the browser with it, also when a test fails.
    fn drop(&mut self) {
        let address = self.session.strip_prefix("http://").unwrap_or_default();
        let Some((host, path)) = address.split_once('/') else {
            return;
        };
        let Ok(mut stream) = TcpStream::connect(host) else {
            return;
        };
        let request =
            format!("DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        // Whatever fails here, the driver is killed next.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read(&mut [0; 64]);
    }
}

async fn wait_for_driver(client: &Client, base: &str) {
    let until = Instant::now() + WITHIN;
    while client.get(format!("{base}/status")).send().await.is_err() {
        assert!(Instant::now() < until, "chromedriver does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn send(client: &Client, url: &str, body: &Value) -> Value {
    let answer = client.post(url).json(body).send().await.unwrap();
    let mut answer: Value = answer.json().await.unwrap();
    let value = answer["value"].take();
    assert!(value["error"].is_null(), "{url}: {value}");
    value
}

fn decode_base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = text.bytes().filter_map(|byte| alphabet.iter().position(|known| *known == byte));
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_usize, 0);
    for sextet in sextets {
        buffer = (buffer << 6) | sextet;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).unwrap());
        }
    }
    bytes
}

/// A script that gives the texts whose contrast is below 4.5:1, a line each.
pub(crate) const LOW_CONTRAST: &str = include_str!("low_contrast.js");

/// A conversation with a bit of everything.
async fn sample(world: &World) {
    let commands = json!([
        {"command": "plants", "description": "How the plants are doing"},
        {"command": "help", "description": "What there is"},
    ]);
    world.ok("setMyCommands", json!({"commands": commands})).await;
    world.handle.say(PAGE_USER, PAGE_USER, "/plants");
    let rows = json!([
        [{"text": "Watered", "callback_data": "watered:1"}, {"text": "Later", "callback_data": "x"}],
        [{"text": "A guide", "url": "https://example.org/"}],
    ]);
    let long_word = "Donaudampfschifffahrt".repeat(12);
    let text = format!(
        "<b>Fern</b> is <i>dry</i>, see <a href=\"https://example.org\">here</a> \
         <code>18 %</code> {long_word}<pre>{}</pre><blockquote>quoted</blockquote>",
        "wide ".repeat(60)
    );
    let sent = world
        .ok(
            "sendMessage",
            json!({"chat_id": PAGE_USER, "text": text, "parse_mode": "HTML",
            "reply_markup": {"inline_keyboard": rows}}),
        )
        .await;
    world
        .ok("pinChatMessage", json!({"chat_id": PAGE_USER, "message_id": sent["message_id"]}))
        .await;
    let keyboard = json!({"keyboard": [["Fern", "Cactus"]]});
    let params = json!({"chat_id": PAGE_USER, "text": "Which?", "reply_markup": keyboard,
        "disable_notification": true, "reply_parameters": {"message_id": 1}});
    let edited = world.ok("sendMessage", params).await;
    let params =
        json!({"chat_id": PAGE_USER, "message_id": edited["message_id"], "text": "Which one?"});
    world.ok("editMessageText", params).await;
}

#[tokio::test]
async fn the_page_fits_a_phone_and_is_readable() {
    let Some(browser) = Browser::start("the chat page's looks in Chromium").await else {
        return;
    };
    let world = World::with_page().await;
    sample(&world).await;
    browser.goto(&world.base).await;
    browser.wait_for("edited message", "return !!document.querySelector('.edited')").await;
    let fits = "return document.scrollingElement.scrollWidth <= innerWidth && \
                document.getElementById('scroll').scrollWidth <= innerWidth";
    assert_eq!(browser.script("return innerWidth").await, WIDTH_PX);
    assert_eq!(browser.script(fits).await, true, "something is wider than the screen");

    browser.click("#menu-button").await;
    let listed = "return [...document.querySelectorAll('#menu b')].map(node => node.textContent)";
    assert_eq!(browser.script(listed).await, json!(["/plants", "/help"]));
    for scheme in ["light", "dark"] {
        browser.set_scheme(scheme).await;
        let is_set = format!("return matchMedia('(prefers-color-scheme: {scheme})').matches");
        browser.wait_for(scheme, &is_set).await;
        assert_eq!(browser.script(LOW_CONTRAST).await, json!([]), "in {scheme}");
    }
    if let Some(folder) = std::env::var_os("WINDOWSILL_TEST_SCREENSHOTS") {
        browser.screenshot(&Path::new(&folder).join("chat-page.png")).await;
    }
}

#[tokio::test]
async fn buttons_of_the_page_reach_the_bot_and_its_answer_the_page() {
    let Some(browser) = Browser::start("the chat page's buttons in Chromium").await else {
        return;
    };
    let world = World::with_page().await;
    sample(&world).await;
    browser.goto(&world.base).await;
    browser.wait_for("buttons", "return !!document.querySelector('.rows .press')").await;

    browser.click(".rows .press").await;
    let pressed = |handle: &Handle| (handle.pending_updates() == 3).then_some(());
    world.handle.wait_for(WITHIN, "press", pressed).await.unwrap();
    let busy = "return !!document.querySelector('.press[aria-busy=true]')";
    browser.wait_for("spinner", busy).await;
    let update = world.updates().await.pop().unwrap();
    assert_eq!(update["callback_query"]["data"], "watered:1");
    let id = &update["callback_query"]["id"];
    world.ok("answerCallbackQuery", json!({"callback_query_id": id, "text": "Thank you"})).await;
    let toast = "return document.getElementById('toast').textContent === 'Thank you'";
    browser.wait_for("toast", toast).await;
    assert_eq!(browser.script(busy).await, false, "the spinner stops");

    browser.click(".keyboard .press").await;
    let said = |handle: &Handle| handle.messages(PAGE_USER).pop().filter(|it| it.text == "Fern");
    world.handle.wait_for(WITHIN, "answer by the reply keyboard", said).await.unwrap();
}

#[tokio::test]
async fn commands_are_offered_while_they_are_typed() {
    let Some(browser) = Browser::start("the chat page's input in Chromium").await else {
        return;
    };
    let world = World::with_page().await;
    sample(&world).await;
    browser.goto(&world.base).await;
    browser.wait_for("menu", "return !document.getElementById('menu-button').hidden").await;
    browser.type_into("#input", "/h").await;
    let offered = "return [...document.querySelectorAll('#menu b')].map(node => node.textContent)";
    assert_eq!(browser.script(offered).await, json!(["/help"]));
    browser.type_into("#input", &format!("{ARROW_DOWN}{ENTER}")).await;
    let chosen = |handle: &Handle| handle.messages(PAGE_USER).pop().filter(|it| it.text == "/help");
    world.handle.wait_for(WITHIN, "chosen command", chosen).await.unwrap();

    browser.type_into("#input", &format!("<b>plain</b>{ENTER}")).await;
    let shown = "return [...document.querySelectorAll('.own .text')].pop().textContent";
    let shown = format!("{shown} === '<b>plain</b>'");
    browser.wait_for("text as it was typed", &shown).await;
}
