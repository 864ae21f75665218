//! What Telegram means when it will not take a message, by the words of its descriptions: the Bot
//! API has no other codes for these.

use crate::telegram::client::CallError;

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token, or a second instance: nothing is wrong with the message.
    NotOurTurn,
    /// The chat blocked us, threw us out, is gone, or lets us write nothing.
    Unreachable,
    /// The message already says so.
    NotModified,
    /// The forum topic is closed or gone.
    ThreadGone,
    TooLong,
    /// The markup cannot be read.
    Markup,
    /// The message to change is a photo.
    NoText,
    /// The tap was too long ago.
    TapTooOld,
    /// Anything else: about this message, and no other.
    Other,
}

/// Words of descriptions, in lower case, and what they mean.
const MEANINGS: &[(&str, Refusal)] = &[
    ("message is not modified", Refusal::NotModified),
    ("message thread not found", Refusal::ThreadGone),
    ("topic_closed", Refusal::ThreadGone),
    ("topic_deleted", Refusal::ThreadGone),
    ("message is too long", Refusal::TooLong),
    ("message_too_long", Refusal::TooLong),
    ("can't parse entities", Refusal::Markup),
    ("there is no text in the message to edit", Refusal::NoText),
    ("query is too old", Refusal::TapTooOld),
    ("query id is invalid", Refusal::TapTooOld),
    ("chat not found", Refusal::Unreachable),
    ("user not found", Refusal::Unreachable),
    ("peer_id_invalid", Refusal::Unreachable),
    ("not enough rights", Refusal::Unreachable),
    ("have no rights", Refusal::Unreachable),
    ("need administrator rights", Refusal::Unreachable),
    ("chat_admin_required", Refusal::Unreachable),
    ("chat_write_forbidden", Refusal::Unreachable),
    ("chat_restricted", Refusal::Unreachable),
    ("group chat was deactivated", Refusal::Unreachable),
    ("bot was kicked", Refusal::Unreachable),
    ("bot is not a member", Refusal::Unreachable),
];

impl Refusal {
    pub(super) fn of(code: i64, description: &str) -> Refusal {
        let description = description.to_lowercase();
        let known = MEANINGS.iter().find(|(words, _)| description.contains(words));
        match (code, known) {
            (401 | 404 | 409 | 429, _) => Refusal::NotOurTurn,
            (_, Some((_, meaning))) => *meaning,
            (403, None) => Refusal::Unreachable,
            (_, None) => Refusal::Other,
        }
    }

    /// Is this what the call met?
    pub(super) fn met<T>(self, result: &Result<T, CallError>) -> bool {
        match result {
            Err(CallError::Refused { code, description, .. }) => {
                (400..500).contains(code) && Refusal::of(*code, description) == self
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_the_bot_api_are_understood() {
        let cases = [
            (403, "Forbidden: bot was blocked by the user", Refusal::Unreachable),
            (403, "Forbidden: user is deactivated", Refusal::Unreachable),
            (403, "Forbidden: bot was kicked from the supergroup chat", Refusal::Unreachable),
            (403, "Forbidden: the group chat was deactivated", Refusal::Unreachable),
            (400, "Bad Request: chat not found", Refusal::Unreachable),
            (
                400,
                "Bad Request: not enough rights to send text messages to the chat",
                Refusal::Unreachable,
            ),
            (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Refusal::Unreachable),
            (
                400,
                "Bad Request: not enough rights to manage pinned messages in the chat",
                Refusal::Unreachable,
            ),
            (400, "Bad Request: message thread not found", Refusal::ThreadGone),
            (400, "Bad Request: TOPIC_CLOSED", Refusal::ThreadGone),
            (400, "Bad Request: message is too long", Refusal::TooLong),
            (
                400,
                "Bad Request: query is too old and response timeout expired or query ID is invalid",
                Refusal::TapTooOld,
            ),
            (400, "Bad Request: can't parse entities: unmatched end tag", Refusal::Markup),
            (400, "Bad Request: there is no text in the message to edit", Refusal::NoText),
            (400, "Bad Request: message to edit not found", Refusal::Other),
            (401, "Unauthorized", Refusal::NotOurTurn),
        ];
        for (code, description, meaning) in cases {
            assert_eq!(Refusal::of(code, description), meaning, "{description}");
        }
    }
}
