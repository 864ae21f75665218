//! Text and entities, written as the Bot API's HTML.

use super::entities::Entity;

/// Writes text and entities as HTML.
pub(super) fn render(text: &str, entities: &[Entity]) -> String {
    let mut html = String::new();
    let mut open: Vec<&Entity> = Vec::new();
    let mut waiting = entities.iter().peekable();
    let mut offset = 0;
    for character in text.chars() {
        while open.last().is_some_and(|entity| entity.offset + entity.length <= offset) {
            html.push_str(&end_tag(open.pop()));
        }
        while let Some(entity) = waiting.next_if(|entity| entity.offset <= offset) {
            html.push_str(&start_tag(entity));
            open.push(entity);
        }
        push_escaped(&mut html, character);
        offset += character.len_utf16();
    }
    while let Some(entity) = open.pop() {
        html.push_str(&end_tag(Some(entity)));
    }
    html
}

fn push_escaped(html: &mut String, character: char) {
    match character {
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '&' => html.push_str("&amp;"),
        other => html.push(other),
    }
}

fn start_tag(entity: &Entity) -> String {
    match (tag_of(entity), &entity.url) {
        ("", _) => String::new(),
        ("a", Some(url)) => {
            let mut tag = "<a href=\"".to_owned();
            url.chars().for_each(|character| push_escaped(&mut tag, character));
            tag + "\">"
        }
        (tag, _) => format!("<{tag}>"),
    }
}

fn end_tag(entity: Option<&Entity>) -> String {
    match entity.map_or("", tag_of) {
        "" => String::new(),
        tag => format!("</{tag}>"),
    }
}

/// The tag that makes this entity; none for those found in plain text.
fn tag_of(entity: &Entity) -> &'static str {
    match entity.kind.as_str() {
        "bold" => "b",
        "italic" => "i",
        "underline" => "u",
        "strikethrough" => "s",
        "spoiler" => "tg-spoiler",
        "blockquote" | "expandable_blockquote" => "blockquote",
        "code" => "code",
        "pre" => "pre",
        "text_link" => "a",
        _ => "",
    }
}
