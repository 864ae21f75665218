//! Text with entities: measured in UTF-16 units, as the Bot API counts.
//!
//! Invariant: a [`Content`] has no white space at its ends, and its entities lie
//! inside the text, sorted, the longer before the shorter at one offset.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest command after the slash.
const COMMAND_MAX_CHARS: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    pub kind: String,
    pub offset: usize,
    pub length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_emoji_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Value>,
}

impl Entity {
    pub(super) fn new(kind: &str, offset: usize, length: usize) -> Entity {
        Entity {
            kind: kind.to_owned(),
            offset,
            length,
            url: None,
            language: None,
            custom_emoji_id: None,
            user: None,
        }
    }

    fn end(&self) -> usize {
        self.offset + self.length
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    pub text: String,
    pub entities: Vec<Entity>,
}

impl Content {
    /// Trims the text, brings the entities in order and finds links and commands.
    pub(super) fn new(text: &str, entities: Vec<Entity>) -> Content {
        let end_trimmed = text.trim_end();
        let trimmed = end_trimmed.trim_start();
        let cut = utf16_len(&end_trimmed[..end_trimmed.len() - trimmed.len()]);
        let length = utf16_len(trimmed);
        let mut kept = Vec::new();
        for mut entity in entities {
            let end = entity.end().saturating_sub(cut).min(length);
            entity.offset = entity.offset.saturating_sub(cut);
            if end > entity.offset {
                entity.length = end - entity.offset;
                kept.push(entity);
            }
        }
        find_links_and_commands(trimmed, &mut kept);
        kept.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
        Content { text: trimmed.to_owned(), entities: kept }
    }

    pub(super) fn utf16_len(&self) -> usize {
        utf16_len(&self.text)
    }
}

pub(super) fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn find_links_and_commands(text: &str, entities: &mut Vec<Entity>) {
    let taken: Vec<(usize, usize)> = entities
        .iter()
        .filter(|entity| matches!(entity.kind.as_str(), "code" | "pre" | "text_link" | "url"))
        .map(|entity| (entity.offset, entity.end()))
        .collect();
    let mut offset = 0;
    let mut before = None;
    let mut skip_until = 0;
    for (index, character) in text.char_indices() {
        let rest = &text[index..];
        if offset >= skip_until
            && !before.is_some_and(|char: char| char.is_alphanumeric() || char == '/')
            && let Some((kind, length)) = link_or_command(rest)
        {
            let end = offset + length;
            if !taken.iter().any(|(from, to)| *from < end && offset < *to)
                && !entities.iter().any(|known| known.offset == offset && known.kind == kind)
            {
                entities.push(Entity::new(kind, offset, length));
            }
            skip_until = end;
        }
        before = Some(character);
        offset += character.len_utf16();
    }
}

/// What begins here, and how long it is.
fn link_or_command(rest: &str) -> Option<(&'static str, usize)> {
    if rest.starts_with('/') {
        return command_length(rest).map(|length| ("bot_command", length));
    }
    let after = rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://"))?;
    let host = after.split(char::is_whitespace).next()?;
    let host = host.trim_end_matches(['.', ',', '!', '?', ';', ':', ')', '"', '\'']);
    if host.is_empty() {
        return None;
    }
    let scheme = rest.len() - after.len();
    Some(("url", scheme + utf16_len(host)))
}

fn command_length(rest: &str) -> Option<usize> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let name = rest[1..].chars().take_while(|char| is_word(*char)).count();
    if name == 0 || name > COMMAND_MAX_CHARS {
        return None;
    }
    let mut length = 1 + name;
    if let Some(mention) = rest[length..].strip_prefix('@') {
        let user_name = mention.chars().take_while(|char| is_word(*char)).count();
        if user_name >= 3 {
            length += 1 + user_name;
        }
    }
    let next = rest[length..].chars().next();
    let ends = !next.is_some_and(|char| char.is_alphanumeric() || char == '/' || char == '_');
    ends.then_some(length)
}
