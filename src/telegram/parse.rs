//! From a raw update to what it means to us. Pure.

use serde_json::{Map, Value};
use teloxide::types::{
    CallbackQuery, ChatKind as TelegramChat, InlineKeyboardButtonKind,
    InlineQuery as TelegramInline, MediaKind, Message, MessageKind, PublicChatKind, ThreadId,
    Update, UpdateKind, User,
};

use crate::kernel::chat::{ChatKind, Content, Incoming, Me, Person, Place, Towards};
use crate::kernel::inline::InlineQuery;

mod envelope;
mod presence;

pub use envelope::{Author, Envelope, Kind, envelope, redacted, start};

/// The topic of a forum that every message without one lies in. Telegram takes no message for it
/// by this number.
const GENERAL_TOPIC: i32 = 1;

/// What a stored update is to us. `None`: nothing that asks for an answer (what another bot says or
/// is told, a kind of update that we do not know).
pub fn parse(body: &str, me: &Me) -> Option<Incoming> {
    if let Some(incoming) = presence::parse(body) {
        return Some(incoming);
    }
    let update: Update = serde_json::from_str(body).ok()?;
    let update_id = i64::from(update.id.0);
    match update.kind {
        UpdateKind::Message(message) => message_of(update_id, &message, me),
        UpdateKind::EditedMessage(message) => {
            let mut incoming = message_of(update_id, &message, me)?;
            let is_command = incoming.command().is_some();
            incoming.content = Content::Edited { is_command };
            Some(incoming)
        }
        UpdateKind::ChannelPost(message) => message_of(update_id, &message, me),
        UpdateKind::CallbackQuery(query) => press_of(update_id, query),
        UpdateKind::InlineQuery(query) => inline_of(update_id, query),
        UpdateKind::Error(update) => unparsed(update_id, &update, me),
        _ => None,
    }
}

/// A message whose content is not as our types have it: newer than they are, or without a field
/// that they want. Whoever sent it still hears that we cannot read it.
fn unparsed(update_id: i64, update: &Value, me: &Me) -> Option<Incoming> {
    const KEPT: [&str; 7] = [
        "message_id",
        "message_thread_id",
        "is_topic_message",
        "from",
        "sender_chat",
        "chat",
        "date",
    ];
    let fields = update.get("message")?.as_object()?.iter();
    let kept = fields.filter(|(name, _)| KEPT.contains(&name.as_str()));
    let mut bare: Map<String, Value> =
        kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    bare.insert("text".to_owned(), Value::from(""));
    let message: Message = serde_json::from_value(Value::Object(bare)).ok()?;
    let mut incoming = message_of(update_id, &message, me)?;
    incoming.content = Content::Unreadable("this kind of message");
    Some(incoming)
}

fn message_of(update_id: i64, message: &Message, me: &Me) -> Option<Incoming> {
    let sent_by_way_of = message.via_bot.as_ref().and_then(|bot| bot.username.as_deref());
    if sent_by_way_of.is_some_and(|name| name.eq_ignore_ascii_case(&me.username)) {
        // What we offered and somebody picked: our own words, and no answer to anything.
        return None;
    }
    let mut content = content_of(message)?;
    let words = message.text().or_else(|| message.caption()).unwrap_or_default();
    if named_bot(words).is_some_and(|name| !name.eq_ignore_ascii_case(&me.username)) {
        return None;
    }
    if let Content::Text(text) = &mut content
        && let Some(rest) = without_mention(text, &me.username)
    {
        *text = rest.to_owned();
    }
    // A post in the name of a chat (a channel, an anonymous admin) has no person behind it.
    let person = match (&message.sender_chat, &message.from) {
        (Some(_), _) | (None, None) => None,
        // What another bot says is never meant for us.
        (None, Some(user)) if user.is_bot => return None,
        (None, Some(user)) => Some(person_of(user)),
    };
    Some(Incoming {
        update_id,
        place: place_of(message),
        chat_kind: kind_of(&message.chat.kind),
        chat_title: message.chat.title().unwrap_or_default().to_owned(),
        message_id: Some(message.id.0),
        towards: towards(message, words, me),
        person,
        content,
    })
}

fn place_of(message: &Message) -> Place {
    let in_topic = |id: &ThreadId| message.is_topic_message && id.0.0 != GENERAL_TOPIC;
    let thread_id = message.thread_id.filter(in_topic).map(|id| id.0.0);
    Place { chat_id: message.chat.id.0, thread_id }
}

fn towards(message: &Message, words: &str, me: &Me) -> Towards {
    let is_named = named_bot(words).is_some() || mentions(words, &me.username);
    if message.chat.is_private() || is_named {
        return Towards::Us;
    }
    // In a forum topic every message "replies" to the one that opened the topic.
    let opened = message.thread_id.map(|id| id.0).filter(|_| message.is_topic_message);
    let Some(replied) = message.reply_to_message().filter(|it| Some(it.id) != opened) else {
        return Towards::Anybody;
    };
    let by = replied.from.as_ref().and_then(|user| user.username.as_deref());
    match by.is_some_and(|name| name.eq_ignore_ascii_case(&me.username)) {
        true => Towards::Us,
        false => Towards::Another,
    }
}

fn press_of(update_id: i64, query: CallbackQuery) -> Option<Incoming> {
    let message = query.message?;
    let (place, buttons) = match message.regular_message() {
        Some(regular) => (place_of(regular), buttons_of(regular)),
        None => (Place { chat_id: message.chat().id.0, thread_id: None }, Vec::new()),
    };
    Some(Incoming {
        update_id,
        place,
        chat_kind: kind_of(&message.chat().kind),
        chat_title: message.chat().title().unwrap_or_default().to_owned(),
        message_id: None,
        towards: Towards::Us,
        person: Some(person_of(&query.from)),
        content: Content::Press {
            callback_id: query.id.0,
            message_id: message.id().0,
            data: query.data.unwrap_or_default(),
            buttons,
        },
    })
}

/// What the buttons under a message send.
fn buttons_of(message: &Message) -> Vec<String> {
    let rows = message.reply_markup().map_or(&[][..], |markup| &markup.inline_keyboard);
    let data = rows.iter().flatten().filter_map(|button| match &button.kind {
        InlineKeyboardButtonKind::CallbackData(data) => Some(data.clone()),
        _ => None,
    });
    data.collect()
}

fn inline_of(update_id: i64, query: TelegramInline) -> Option<Incoming> {
    if query.from.is_bot {
        return None;
    }
    let person = person_of(&query.from);
    Some(Incoming {
        update_id,
        place: Place::private(person.user_id),
        chat_kind: ChatKind::Private,
        chat_title: String::new(),
        message_id: None,
        towards: Towards::Us,
        person: Some(person),
        content: Content::Inline(InlineQuery {
            id: query.id.0,
            typed: query.query,
            offset: query.offset,
        }),
    })
}

fn person_of(user: &User) -> Person {
    let user_id = i64::try_from(user.id.0).unwrap_or(i64::MAX);
    Person { user_id, name: user.full_name() }
}

fn kind_of(kind: &TelegramChat) -> ChatKind {
    match kind {
        TelegramChat::Private(_) => ChatKind::Private,
        TelegramChat::Public(public) => match public.kind {
            PublicChatKind::Channel(_) => ChatKind::Channel,
            _ => ChatKind::Group,
        },
    }
}

/// What a message says. `None` for service messages (somebody joined, a title changed).
fn content_of(message: &Message) -> Option<Content> {
    let common = match &message.kind {
        MessageKind::Common(common) => common,
        MessageKind::Dice(_) => return Some(Content::Unreadable("a die")),
        // Something newer than our types.
        MessageKind::Empty {} => return Some(Content::Unreadable("this kind of message")),
        _ => return None,
    };
    if common.forward_origin.is_some() && !common.is_automatic_forward {
        // Somebody else's words: nobody confirms or asks anything with them.
        return Some(Content::Unreadable("a forwarded message"));
    }
    if let Some(text) = message.text() {
        return Some(Content::Text(text.to_owned()));
    }
    if message.caption().is_some_and(|caption| caption.starts_with('/')) {
        // Telegram lets people write a command there, and few bots follow it.
        return Some(Content::Unreadable("a command in a caption"));
    }
    let name = match &common.media_kind {
        MediaKind::Animation(_) => "an animation",
        MediaKind::Audio(_) => "a piece of audio",
        MediaKind::Contact(_) => "a contact",
        MediaKind::Document(_) => "a document",
        MediaKind::Location(_) | MediaKind::Venue(_) => "a place",
        MediaKind::Photo(_) => "a picture",
        MediaKind::Poll(_) => "a poll",
        MediaKind::Sticker(_) => "a sticker",
        MediaKind::Video(_) | MediaKind::VideoNote(_) => "a video",
        MediaKind::Voice(_) => "a voice message",
        _ => "this kind of message",
    };
    Some(Content::Unreadable(name))
}

/// The bot that a command names: `plants_bot` in `/plants@plants_bot`.
fn named_bot(words: &str) -> Option<&str> {
    let command = words.trim_start().strip_prefix('/')?;
    let head = command.split_whitespace().next()?;
    head.split_once('@').map(|(_, name)| name)
}

/// Is the bot called by its name somewhere in a text, as in `@sill_bot, who is 40:ec?`
fn mentions(words: &str, bot_name: &str) -> bool {
    words.split_whitespace().any(|word| is_mention(word, bot_name))
}

fn is_mention(word: &str, bot_name: &str) -> bool {
    let name = word.strip_prefix('@').map(|name| name.trim_end_matches([',', ':', '.', '?', '!']));
    !bot_name.is_empty() && name.is_some_and(|name| name.eq_ignore_ascii_case(bot_name))
}

/// What is said to the bot where a text begins or ends with its name.
fn without_mention<'a>(text: &'a str, bot_name: &str) -> Option<&'a str> {
    let text = text.trim();
    let (head, after) = text.split_once(char::is_whitespace)?;
    if is_mention(head, bot_name) {
        return Some(after.trim());
    }
    let (before, last) = text.rsplit_once(char::is_whitespace)?;
    (is_mention(last, bot_name) && !text.starts_with('/')).then(|| before.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn me() -> Me {
        Me { username: "Sill_bot".to_owned(), ..Me::default() }
    }

    fn message(text: &str) -> Value {
        json!({"update_id": 5, "message": {"message_id": 9, "date": 1_700_000_000,
            "chat": {"id": 7, "type": "private", "first_name": "Ada"},
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"}, "text": text}})
    }

    #[test]
    fn a_text_is_parsed() {
        let incoming = parse(&message("/plants").to_string(), &me()).unwrap();
        assert_eq!(incoming.command(), Some(("plants", "")));
        assert_eq!(incoming.person.unwrap().user_id, 7);
        assert_eq!(incoming.chat_kind, ChatKind::Private);
    }

    #[test]
    fn another_bots_command_is_not_ours() {
        assert_eq!(parse(&message("/plants@other_bot").to_string(), &me()), None);
        assert!(parse(&message("/plants@sill_BOT x").to_string(), &me()).is_some());
    }

    #[test]
    fn a_press_is_parsed_and_so_is_its_envelope() {
        let update = json!({"update_id": 6, "callback_query": {"id": "42", "chat_instance": "1",
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"}, "data": "d:5:keep",
            "message": {"message_id": 10, "date": 1, "text": "?",
                "chat": {"id": 7, "type": "private", "first_name": "Ada"}}}});
        let incoming = parse(&update.to_string(), &me()).unwrap();
        assert_eq!(incoming.press(), Some(("42", 10, "d:5:keep")));
        let envelope = envelope(&update, "Sill_bot").unwrap();
        assert_eq!((envelope.chat_id, envelope.author), (7, Author::Person(7)));
    }

    #[test]
    fn what_is_typed_behind_our_name_is_asked_in_private() {
        let query = json!({"update_id": 6, "inline_query": {"id": "42", "query": "cyril",
            "offset": "20", "chat_type": "supergroup",
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"}}});
        let incoming = parse(&query.to_string(), &me()).unwrap();
        let asked = incoming.inline().unwrap();
        assert_eq!((asked.typed.as_str(), asked.given()), ("cyril", 20));
        assert_eq!((incoming.place, incoming.text()), (Place::private(7), None));
        let envelope = envelope(&query, "Sill_bot").unwrap();
        assert_eq!((envelope.chat_id, envelope.author), (7, Author::Person(7)));
        let again = parse(&redacted(&envelope).to_string(), &me()).unwrap();
        let bare = InlineQuery { id: "42".to_owned(), ..InlineQuery::default() };
        assert_eq!(again.inline(), Some(&bare));
        assert_eq!(again.person.unwrap().user_id, 7);
    }

    #[test]
    fn what_somebody_picks_of_ours_is_not_said_to_us() {
        let mut picked = message("🪴 Cyril");
        let bot =
            |name: &str| json!({"id": 1, "is_bot": true, "first_name": "b", "username": name});
        picked["message"]["via_bot"] = bot("sill_bot");
        assert_eq!(parse(&picked.to_string(), &me()), None);
        picked["message"]["via_bot"] = bot("other_bot");
        assert_eq!(parse(&picked.to_string(), &me()).unwrap().text(), Some("🪴 Cyril"));
    }

    #[test]
    fn a_redacted_update_parses_and_says_nothing() {
        let envelope = envelope(&message("the sentinel"), "Sill_bot").unwrap();
        let body = redacted(&envelope).to_string();
        assert!(!body.contains("sentinel") && !body.contains("Ada"));
        let incoming = parse(&body, &me()).unwrap();
        assert_eq!(incoming.person.unwrap().user_id, 7);
    }

    #[test]
    fn what_is_unknown_is_passed_over() {
        assert_eq!(parse(r#"{"update_id": 1, "new_thing": {"x": 1}}"#, &me()), None);
        assert_eq!(parse("[]", &me()), None);
        assert_eq!(envelope(&json!({"update_id": 1, "new_thing": {"x": 1}}), "b"), None);
    }

    fn in_group(extra: Value) -> Value {
        let mut message = json!({"message_id": 9, "date": 1_700_000_000,
            "chat": {"id": -100, "type": "supergroup", "title": "Home", "is_forum": true},
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"}, "text": "hello"});
        message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"update_id": 5, "message": message})
    }

    #[test]
    fn a_topic_is_a_place_and_the_general_one_is_the_chat() {
        let thread = |extra: Value| parse(&in_group(extra).to_string(), &me()).unwrap().place;
        let topic = json!({"message_thread_id": 33, "is_topic_message": true});
        assert_eq!(thread(topic).thread_id, Some(33));
        // A thread of replies outside a forum, and the general topic.
        assert_eq!(thread(json!({"message_thread_id": 33})).thread_id, None);
        let general = json!({"message_thread_id": 1, "is_topic_message": true});
        assert_eq!(thread(general).thread_id, None);
    }

    #[test]
    fn what_opened_a_topic_is_not_replied_to() {
        let replied = |id: i32, from: Value| {
            json!({"message_id": id, "date": 1, "text": "?",
            "chat": {"id": -100, "type": "supergroup", "title": "Home"}, "from": from})
        };
        let ours = json!({"id": 1, "is_bot": true, "first_name": "S", "username": "sill_bot"});
        let bert = json!({"id": 8, "is_bot": false, "first_name": "Bert"});
        let towards = |extra: Value| parse(&in_group(extra).to_string(), &me()).unwrap().towards;
        assert_eq!(towards(json!({})), Towards::Anybody);
        assert_eq!(towards(json!({"reply_to_message": replied(4, ours)})), Towards::Us);
        assert_eq!(
            towards(json!({"reply_to_message": replied(4, bert.clone())})),
            Towards::Another
        );
        assert_eq!(towards(json!({"text": "/plants@sill_bot"})), Towards::Us);
        assert_eq!(towards(json!({"text": "who is 40:ec, @Sill_Bot?"})), Towards::Us);
        assert_eq!(towards(json!({"text": "who is @sill_bots?"})), Towards::Anybody);
        let first = json!({"message_thread_id": 4, "is_topic_message": true,
            "reply_to_message": replied(4, bert)});
        assert_eq!(towards(first), Towards::Anybody);
    }

    #[test]
    fn the_name_by_which_we_are_called_is_no_part_of_what_is_said() {
        let said = |text: &str| {
            let said = parse(&in_group(json!({"text": text})).to_string(), &me()).unwrap();
            said.text().unwrap().to_owned()
        };
        assert_eq!(said("@sill_bot Robin's Kindle"), "Robin's Kindle");
        assert_eq!(said("@Sill_bot: 40:ec"), "40:ec");
        assert_eq!(said("40:ec @sill_bot"), "40:ec");
        assert_eq!(said("ask @sill_bot about it"), "ask @sill_bot about it");
        assert_eq!(said("@other_bot 40:ec"), "@other_bot 40:ec");
        assert_eq!(said("/name_device 40:ec @sill_bot"), "/name_device 40:ec @sill_bot");
    }

    #[test]
    fn other_bots_are_not_listened_to_and_somebody_behind_a_chat_has_no_name() {
        let bot = json!({"id": 9, "is_bot": true, "first_name": "Other"});
        let said = in_group(json!({"from": bot, "text": "/plants"}));
        assert_eq!(parse(&said.to_string(), &me()), None);
        assert_eq!(envelope(&said, "Sill_bot").unwrap().author, Author::Bot);
        let group = json!({"id": -100, "type": "supergroup", "title": "Home"});
        let said = in_group(json!({"from": bot, "sender_chat": group, "text": "/plants"}));
        assert_eq!(parse(&said.to_string(), &me()).unwrap().person, None);
        let envelope = envelope(&said, "Sill_bot").unwrap();
        assert_eq!((envelope.author, envelope.is_for_us), (Author::Nameless, true));
        let again = parse(&redacted(&envelope).to_string(), &me()).unwrap();
        assert_eq!((again.person, again.place.chat_id), (None, -100));
    }

    #[test]
    fn a_message_that_our_types_do_not_know_is_still_somebodys() {
        let voice = json!({"file_id": "f", "file_unique_id": "u", "duration": "long"});
        let mut update = message("");
        update["message"].as_object_mut().unwrap().remove("text");
        update["message"]["voice"] = voice;
        let incoming = parse(&update.to_string(), &me()).unwrap();
        assert_eq!(incoming.content, Content::Unreadable("this kind of message"));
        assert_eq!(incoming.person.unwrap().user_id, 7);
    }

    #[test]
    fn a_forwarded_message_is_not_obeyed() {
        let origin = json!({"type": "hidden_user", "date": 1, "sender_user_name": "Bert"});
        let said = in_group(json!({"forward_origin": origin, "text": "/y"}));
        let incoming = parse(&said.to_string(), &me()).unwrap();
        assert_eq!(incoming.content, Content::Unreadable("a forwarded message"));
    }
}
