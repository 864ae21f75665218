//! Letting people in and taking them out again.

use windowsill::demo::botapi::Handle;

use crate::bot::{Bot, OWNER, SOON, files_with};

const ANNA: i64 = 21;
const BERT: i64 = 22;
const CARL: i64 = 23;
const DAY_MS: i64 = 24 * 3_600_000;
const USED: &str = "This invitation has been used, or its time is over.";

/// The code of a fresh invitation.
async fn invitation(bot: &Bot) -> String {
    let sent = bot.answers(OWNER, "/invite", "https://t.me/windowsill_bot?start=").await;
    let (_, rest) = sent.text.split_once("?start=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// Anna has come in by an invitation.
async fn with_anna() -> Bot {
    let mut bot = Bot::new().await;
    bot.handle().rename(ANNA, "Anna");
    bot.started().await;
    let code = invitation(&bot).await;
    bot.answers(ANNA, &format!("/start {code}"), "Welcome! You are a member now").await;
    bot
}

#[tokio::test]
async fn an_invitation_lets_one_person_in_once_and_its_owner_is_told() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(BERT, "/invite", "You are not authorized").await;
    let code = invitation(&bot).await;
    assert!(code.len() >= 26 && code != invitation(&bot).await);
    // Two at the same moment: one of them is late.
    let both = [ANNA, CARL];
    for (user_id, name) in both.into_iter().zip(["Anna", "Carl"]) {
        bot.handle().rename(user_id, name);
        bot.handle().say(user_id, user_id, &format!("/start {code}"));
    }
    let answered = |_: &Handle| {
        let said =
            |part| both.iter().filter(|user_id| bot.times_said(**user_id, part) == 1).count();
        (said("Welcome! You are a member now") == 1 && said(USED) == 1).then_some(())
    };
    bot.handle().wait_for(SOON, "one welcome", answered).await.unwrap();
    bot.handle().wait_for_text(SOON, OWNER, 0, "has accepted your invitation").await.unwrap();
    bot.is_quiet().await;
    assert_eq!(bot.times_said(OWNER, "has accepted your invitation"), 1);
    let (new, late) = match bot.times_said(ANNA, "Welcome!") {
        1 => (ANNA, CARL),
        _ => (CARL, ANNA),
    };
    bot.answers(new, "/update_plant 7", "plant's given name").await;
    bot.answers(new, "/invite", "Only an owner invites people.").await;
    bot.answers(new, "/start", "Hello!").await;
    bot.answers(late, &format!("/start {code}"), USED).await;
    let alerts = "select count(*) from subscription where ended_at is null";
    bot.counts(alerts, 2).await;
    bot.stop().await;
}

#[tokio::test]
async fn wrong_invitations_are_limited_and_a_new_one_forgives() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let code = invitation(&bot).await;
    for attempt in 1..=5 {
        bot.answers(BERT, &format!("/start in-GUESS{attempt}"), USED).await;
    }
    bot.answers(BERT, &format!("/start {code}"), "Too many invitations were wrong.").await;
    bot.handle().say(BERT, BERT, &format!("/start {code}"));
    bot.answers(ANNA, "/start in-GUESS", USED).await;
    bot.is_quiet().await;
    assert_eq!(bot.said(BERT).len(), 6, "{:?}", bot.said(BERT));
    let fresh = invitation(&bot).await;
    bot.answers(BERT, &format!("/start {fresh}"), "Welcome!").await;
    bot.stop().await;
}

#[tokio::test]
async fn an_invitation_is_good_for_a_day() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let (early, late) = (invitation(&bot).await, invitation(&bot).await);
    bot.stop().await;
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", DAY_MS - 60_000);
    bot.started().await;
    bot.answers(ANNA, &format!("/start {early}"), "Welcome!").await;
    bot.stop().await;
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", DAY_MS);
    bot.started().await;
    bot.answers(BERT, &format!("/start {late}"), USED).await;
    bot.stop().await;
}

/// F26: somebody is taken out in the middle of a conversation: it is gone, and so is their access.
#[tokio::test]
async fn whoever_is_removed_loses_their_conversation_and_leaves_no_word() {
    const SENTINEL: &str = "Zq9Sentinel";
    let bot = with_anna().await;
    bot.answers(ANNA, "/update_plant 7", "plant's given name").await;
    let listed = bot.answers(OWNER, "/members", "Anna · member").await;
    assert!(listed.text.contains("person 11 · owner"), "{}", listed.text);
    assert!(listed.button("Remove person 11").is_none());
    bot.handle().press_label(OWNER, OWNER, "Remove Anna").unwrap();
    let sure = |handle: &Handle| handle.messages(OWNER).last()?.button("Yes").map(|_| ());
    bot.handle().wait_for(SOON, "question", sure).await.unwrap();
    bot.handle().press_label(OWNER, OWNER, "Yes").unwrap();
    bot.handle().wait_for_text(SOON, ANNA, 0, "An owner has taken your access away").await.unwrap();
    bot.counts("select count(*) from conversation", 0).await;
    bot.counts("select count(*) from subscription where chat_id = 21 and ended_at is null", 0)
        .await;
    bot.answers(ANNA, SENTINEL, "You are not authorized").await;
    bot.is_quiet().await;
    assert!(files_with(&bot.data_dir(), SENTINEL).is_empty());
    let refused = |_: &Handle| {
        (!bot.handle().menu(ANNA, ANNA).iter().any(|it| it.0 == "plants")).then_some(())
    };
    bot.handle().wait_for(SOON, "strangers' menu", refused).await.unwrap();
    bot.stop().await;
    assert!(!bot.log().contains(SENTINEL));
}

#[tokio::test]
async fn what_the_configuration_grants_is_not_revoked_in_a_chat() {
    let mut bot = with_anna().await;
    bot.stop().await;
    bot.set("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", format!("[{BERT},-77]"));
    bot.started().await;
    let refused = bot.answers(OWNER, "/revoke 11", "stands in the configuration").await;
    assert!(refused.text.contains("telegram.owners"), "{}", refused.text);
    let refused = bot.answers(OWNER, "/revoke 22", "stands in the configuration").await;
    assert!(refused.text.contains("telegram.allowed_chats"), "{}", refused.text);
    bot.answers(OWNER, "/revoke group -77", "stands in the configuration").await;
    bot.answers(OWNER, "/revoke nobody", "Nobody who is let in is called nobody").await;
    bot.answers(ANNA, "/revoke 22", "Only an owner sees and changes").await;
    bot.answers(OWNER, "/revoke anna", "Anna has no access any more.").await;
    bot.answers(ANNA, "/plants", "You are not authorized").await;
    bot.answers(BERT, "/plants", "0 plants").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_group_is_taken_out_with_its_alerts_and_may_come_again() {
    const GROUP: i64 = -1_000_000_000_043;
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.handle().create_group(GROUP, "Home");
    bot.answers_in(GROUP, OWNER, "/admit", "Everybody in this group may look now").await;
    bot.answers_in(GROUP, OWNER, "/alerts here", "New alerts come to this chat").await;
    let listed = bot.answers(OWNER, "/members", "Groups that look").await;
    assert!(listed.button("🔕 Stop alerts: Home").is_some(), "{listed:?}");
    bot.answers(OWNER, "/revoke home", "Home is not admitted any more.").await;
    bot.handle()
        .wait_for_text(SOON, GROUP, 0, "This group is not admitted any more")
        .await
        .unwrap();
    bot.counts("select count(*) from subscription where ended_at is null", 1).await;
    bot.answers_in(GROUP, ANNA, "/plants", "You are not authorized").await;
    bot.stop().await;
}

/// A bot that is claimed in the chat keeps an owner.
#[tokio::test]
async fn the_only_owner_stays() {
    let mut bot = Bot::without_owner().await;
    bot.started().await;
    let printed = bot.printed();
    let (_, code) = printed.split_once("/start ").unwrap();
    let code = code.split_whitespace().next().unwrap().to_owned();
    bot.answers(ANNA, &format!("/start {code}"), "You own this bot now").await;
    bot.answers(ANNA, "/revoke 21", "That is the only owner").await;
    bot.stop().await;
}
