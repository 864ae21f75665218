//! Telegram: does it know the token, what does the bot see in groups, how do updates come.
//!
//! Invariant: only methods that begin with `get` are called.

use std::time::Duration;

use serde_json::Value;

use super::{Finding, Verdict, counted};
use crate::clock;
use crate::config::{Config, WebhookUrl};
use crate::kernel::time::HOUR_MS;
use crate::kernel::when;
use crate::telegram::client::{self, BotApi, CallError};
use crate::telegram::webhook::last_error;

const TELEGRAM: &str = "telegram";
const GROUPS: &str = "groups";
const INLINE: &str = "inline mode";
const WEBHOOK: &str = "webhook";
/// How long Telegram may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More updates than this do not pile up where a bot works.
const PENDING_MAX: i64 = 100;
/// A webhook's error is news for so long.
const ERROR_MS: i64 = HOUR_MS;

/// What Telegram said, and its clock.
pub struct Asked {
    pub findings: Vec<Finding>,
    pub telegram_ms: Option<i64>,
    /// Our clock in that moment.
    pub now_ms: i64,
}

/// Asks Telegram. Nothing is changed there.
pub async fn ask(config: &Config) -> Asked {
    let unasked =
        |finding| Asked { findings: vec![finding], telegram_ms: None, now_ms: clock::now_ms() };
    let Some(token) = &config.telegram.token else {
        let remedy = "get one from @BotFather and set TELEGRAM_BOT_TOKEN";
        let finding = Finding::new(Verdict::Misconfigured, TELEGRAM, "no bot token", remedy);
        return unasked(finding);
    };
    let api_url = &config.telegram.api_url;
    let api = client::check_url(api_url)
        .and_then(|()| BotApi::new(api_url, token).map_err(|error| error.to_string()));
    let api = match api {
        Ok(api) => api,
        Err(reason) => {
            let remedy = "leave telegram.api_url out for Telegram's own";
            return unasked(Finding::new(Verdict::Misconfigured, TELEGRAM, reason, remedy));
        }
    };
    let (me, telegram_ms) = match api.ask("getMe", TIMEOUT).await {
        Ok(asked) => asked,
        Err(error) => return unasked(unanswered(TELEGRAM, &error)),
    };
    let now_ms = clock::now_ms();
    let mut findings = vec![known(&me), groups(&me), inline(&me)];
    findings.push(match api.ask("getWebhookInfo", TIMEOUT).await {
        Ok((info, _)) => webhook(&info, config.webhook.url.as_ref(), now_ms),
        Err(error) => unanswered(WEBHOOK, &error),
    });
    Asked { findings, telegram_ms, now_ms }
}

fn unanswered(name: &'static str, error: &CallError) -> Finding {
    match error {
        CallError::Refused { code: 401 | 404, .. } => Finding::new(
            Verdict::Misconfigured,
            name,
            "Telegram does not know this token",
            "@BotFather shows the right one under /mybots",
        ),
        error => Finding::new(
            Verdict::Failed,
            name,
            error.to_string(),
            "look at the network; the bot itself waits and tries again",
        ),
    }
}

fn known(me: &Value) -> Finding {
    let name = me.get("username").and_then(Value::as_str).unwrap_or("a bot without a name");
    Finding::ok(TELEGRAM, format!("the token is @{name}'s"))
}

/// What the bot sees in groups: `getMe` tells the privacy mode.
fn groups(me: &Value) -> Finding {
    let flag = |name: &str| me.get(name).and_then(Value::as_bool);
    if flag("can_join_groups") == Some(false) {
        return Finding::ok(
            GROUPS,
            "nobody can add the bot to a group (@BotFather, /setjoingroups, changes that)",
        );
    }
    match flag("can_read_all_group_messages") {
        Some(true) => Finding::new(
            Verdict::Warning,
            GROUPS,
            "privacy mode is off: Telegram sends the bot everything that is said in its groups, \
             which it does not need",
            "@BotFather, /setprivacy, Enable; then remove the bot from each group and add it again",
        ),
        Some(false) => Finding::ok(
            GROUPS,
            "privacy mode is on: in groups the bot sees commands and replies to it, which is all \
             it needs",
        ),
        None => Finding::ok(GROUPS, "Telegram does not tell what the bot sees there"),
    }
}

/// May members look plants up from other chats? Not every house wants that.
fn inline(me: &Value) -> Finding {
    let name = me.get("username").and_then(Value::as_str).unwrap_or("its name");
    let is_on = me.get("supports_inline_queries").and_then(Value::as_bool) == Some(true);
    let says = match is_on {
        true => format!("on: members look plants up in any chat, as in @{name} cyril"),
        false => format!(
            "off; @BotFather, /setinline, lets members look plants up in any chat by @{name}"
        ),
    };
    Finding::ok(INLINE, says)
}

/// Does the way that Telegram sends updates fit the one that is configured?
fn webhook(info: &Value, configured: Option<&WebhookUrl>, now_ms: i64) -> Finding {
    let url = info.get("url").and_then(Value::as_str).unwrap_or("");
    let pending = info.get("pending_update_count").and_then(Value::as_i64).unwrap_or(0);
    let mut says = match (configured, url) {
        (None, "") => "none, as polling wants".to_owned(),
        (Some(_), "") => "none yet".to_owned(),
        (_, url) => url.to_owned(),
    };
    says.push_str(&format!("; {} pending", counted(pending, "update")));
    let error = last_error(info);
    if let Some(error) = &error {
        let ago = when::ago(error.at_ms, now_ms);
        says.push_str(&format!("; last error {ago}: {}", error.reason));
    }
    let remedy = match configured {
        None if !url.is_empty() => {
            Some("`run` polls, so it takes this webhook away and keeps what is pending")
        }
        Some(WebhookUrl::Fixed(wanted)) if url != wanted.as_str() => {
            Some("`run` sets the one of webhook.url at its start")
        }
        Some(WebhookUrl::Ngrok) if !url.starts_with("https://") => {
            Some("`run` sets the tunnel's address once the ngrok agent has one")
        }
        _ if error.as_ref().is_some_and(|error| now_ms - error.at_ms < ERROR_MS) => {
            Some("see that Telegram can reach http.listen at this address")
        }
        _ if pending > PENDING_MAX => Some("see whether the bot runs"),
        _ => None,
    };
    match remedy {
        Some(remedy) => Finding::new(Verdict::Warning, WEBHOOK, says, remedy),
        None => Finding::ok(WEBHOOK, says),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn fixed(url: &str) -> WebhookUrl {
        WebhookUrl::Fixed(url.parse().unwrap())
    }

    #[track_caller]
    fn judged(info: Value, configured: Option<&WebhookUrl>, verdict: Verdict, part: &str) {
        let finding = webhook(&info, configured, NOW_MS);
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        assert!(format!("{finding:?}").contains(part), "{part:?} is missing in {finding:?}");
    }

    #[test]
    fn the_privacy_mode_is_explained_with_the_way_to_change_it() {
        let on = groups(&json!({"can_join_groups": true, "can_read_all_group_messages": false}));
        assert_eq!(on.verdict, Verdict::Ok);
        let off = groups(&json!({"can_join_groups": true, "can_read_all_group_messages": true}));
        assert_eq!(off.verdict, Verdict::Warning);
        assert!(off.remedy.unwrap().contains("/setprivacy"));
        assert_eq!(groups(&json!({"can_join_groups": false})).verdict, Verdict::Ok);
    }

    #[test]
    fn inline_mode_is_told_with_the_way_to_switch_it_on() {
        let told = |is_on: Option<bool>| {
            let me = json!({"username": "sill_bot", "supports_inline_queries": is_on});
            let finding = inline(&me);
            assert_eq!(finding.verdict, Verdict::Ok);
            format!("{finding:?}")
        };
        assert!(told(Some(true)).contains("on: members"), "{}", told(Some(true)));
        for off in [Some(false), None] {
            assert!(told(off).contains("/setinline"), "{}", told(off));
        }
    }

    #[test]
    fn a_webhook_is_judged_by_what_is_configured() {
        let ours = fixed("https://bot.example.org/telegram");
        let set = json!({"url": "https://bot.example.org/telegram", "pending_update_count": 3});
        judged(json!({"url": ""}), None, Verdict::Ok, "as polling wants");
        judged(set.clone(), None, Verdict::Warning, "takes this webhook away");
        judged(set.clone(), Some(&ours), Verdict::Ok, "3 updates pending");
        judged(set.clone(), Some(&fixed("https://else.example.org/x")), Verdict::Warning, "sets");
        judged(set, Some(&WebhookUrl::Ngrok), Verdict::Ok, "");
        judged(json!({"url": ""}), Some(&ours), Verdict::Warning, "none yet");
        let many = json!({"url": "", "pending_update_count": 101});
        judged(many, None, Verdict::Warning, "whether the bot runs");
    }

    #[test]
    fn an_error_of_a_webhook_is_told_with_its_age() {
        let ours = fixed("https://bot.example.org/telegram");
        let failing = |age_s: i64| {
            json!({"url": "https://bot.example.org/telegram", "last_error_message": "no route",
                "last_error_date": NOW_MS / 1000 - age_s})
        };
        judged(failing(120), Some(&ours), Verdict::Warning, "2 min ago: no route");
        judged(failing(7_300), Some(&ours), Verdict::Ok, "2 h ago: no route");
    }
}
