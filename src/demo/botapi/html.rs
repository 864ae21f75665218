//! The Bot API's HTML, parsed into text and entities.
//!
//! Bad markup is refused in the words of the real server, byte offsets included.

use serde_json::json;

use super::entities::{Content, Entity};

/// A link to a person by their number.
const PERSON: &str = "tg://user?id=";

/// Tags and the entity each makes; `span` and `a` have rules of their own.
const TAGS: [(&str, &str); 16] = [
    ("a", "text_link"),
    ("b", "bold"),
    ("strong", "bold"),
    ("i", "italic"),
    ("em", "italic"),
    ("u", "underline"),
    ("ins", "underline"),
    ("s", "strikethrough"),
    ("strike", "strikethrough"),
    ("del", "strikethrough"),
    ("span", "spoiler"),
    ("tg-spoiler", "spoiler"),
    ("tg-emoji", "custom_emoji"),
    ("code", "code"),
    ("pre", "pre"),
    ("blockquote", "blockquote"),
];

/// Parses markup; the error is what follows "can't parse entities: ".
pub(super) fn parse(markup: &str) -> Result<Content, String> {
    let mut parser = Parser { markup, position: 0, text: String::new(), units: 0, done: vec![] };
    let mut open: Vec<Tag> = Vec::new();
    while let Some(character) = parser.peek() {
        match character {
            '<' if parser.rest().starts_with("</") => parser.close(&mut open)?,
            '<' => open.push(parser.open()?),
            '&' => {
                let decoded = parser.character_reference();
                parser.push(decoded);
            }
            other => {
                parser.position += other.len_utf8();
                parser.push(other);
            }
        }
    }
    if let Some(tag) = open.last() {
        return Err(format!("Can't find end tag corresponding to start tag \"{}\"", tag.name));
    }
    Ok(Content::new(&parser.text, parser.done))
}

struct Tag {
    name: String,
    /// The attribute that matters: href, class, emoji-id.
    value: String,
    expandable: bool,
    /// Where its text begins, in UTF-16 units and in bytes.
    offset: usize,
    text_from: usize,
}

struct Parser<'a> {
    markup: &'a str,
    position: usize,
    text: String,
    /// Length of `text` in UTF-16 units.
    units: usize,
    done: Vec<Entity>,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.markup[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, character: char) {
        self.text.push(character);
        self.units += character.len_utf16();
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let taken: String = self.rest().chars().take_while(|char| belongs(*char)).collect();
        self.position += taken.len();
        taken
    }

    fn skip_space(&mut self) {
        self.take_while(|char| char.is_ascii_whitespace());
    }

    fn open(&mut self) -> Result<Tag, String> {
        let begin = self.position;
        self.position += 1;
        let name = self.take_while(|char| !char.is_ascii_whitespace() && char != '>');
        if self.peek().is_none() {
            return Err(format!("Unclosed start tag at byte offset {begin}"));
        }
        let name = name.to_ascii_lowercase();
        if !TAGS.iter().any(|(tag, _)| *tag == name) {
            return Err(format!("Unsupported start tag \"{name}\" at byte offset {begin}"));
        }
        let mut tag = Tag {
            name,
            value: String::new(),
            expandable: false,
            offset: self.units,
            text_from: self.text.len(),
        };
        loop {
            self.skip_space();
            match self.peek() {
                None => return Err(format!("Unclosed start tag at byte offset {begin}")),
                Some('>') => break,
                Some(_) => self.attribute(&mut tag, begin)?,
            }
        }
        self.position += 1;
        if tag.name == "span" && tag.value != "tg-spoiler" {
            let problem = "Tag \"span\" must have class \"tg-spoiler\"";
            return Err(format!("{problem} at byte offset {begin}"));
        }
        Ok(tag)
    }

    fn attribute(&mut self, tag: &mut Tag, begin: usize) -> Result<(), String> {
        let ends_name = |char: char| char.is_ascii_whitespace() || char == '=' || char == '>';
        let name = self.take_while(|char| !ends_name(char)).to_ascii_lowercase();
        if name.is_empty() {
            let problem = format!("Empty attribute name in the tag \"{}\"", tag.name);
            return Err(format!("{problem} at byte offset {begin}"));
        }
        self.skip_space();
        let mut value = String::new();
        if self.peek() == Some('=') {
            self.position += 1;
            self.skip_space();
            value = self.attribute_value(begin)?;
        }
        match (tag.name.as_str(), name.as_str()) {
            ("a", "href") | ("span" | "code", "class") | ("tg-emoji", "emoji-id") => {
                tag.value = value;
            }
            ("blockquote", "expandable") => tag.expandable = true,
            _ => {}
        }
        Ok(())
    }

    fn attribute_value(&mut self, begin: usize) -> Result<String, String> {
        let Some(quote @ ('"' | '\'')) = self.peek() else {
            let belongs = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
            return Ok(self.take_while(belongs));
        };
        self.position += 1;
        let mut value = String::new();
        while let Some(character) = self.peek() {
            if character == quote {
                self.position += 1;
                return Ok(value);
            }
            if character == '&' {
                value.push(self.character_reference());
            } else {
                self.position += character.len_utf8();
                value.push(character);
            }
        }
        Err(format!("Unclosed start tag at byte offset {begin}"))
    }

    fn close(&mut self, open: &mut Vec<Tag>) -> Result<(), String> {
        let begin = self.position;
        let Some(tag) = open.pop() else {
            return Err(format!("Unexpected end tag at byte offset {begin}"));
        };
        self.position += 2;
        let found = self.take_while(|char| !char.is_ascii_whitespace() && char != '>');
        let found = found.to_ascii_lowercase();
        self.skip_space();
        if self.peek() != Some('>') {
            return Err(format!("Unclosed end tag at byte offset {begin}"));
        }
        self.position += 1;
        if !found.is_empty() && found != tag.name {
            let expected = &tag.name;
            return Err(format!(
                "Unmatched end tag at byte offset {begin}, expected \"</{expected}>\", \
                 found \"</{found}>\""
            ));
        }
        self.finish(&tag);
        Ok(())
    }

    fn finish(&mut self, tag: &Tag) {
        let length = self.units - tag.offset;
        let Some((_, kind)) = TAGS.iter().find(|(name, _)| *name == tag.name) else {
            return;
        };
        let mut entity = Entity::new(kind, tag.offset, length);
        match *kind {
            "text_link" => {
                let shown = &self.text[tag.text_from..];
                let target = if tag.value.is_empty() { shown } else { &tag.value };
                let Some(url) = full_url(target) else { return };
                match url.strip_prefix(PERSON).and_then(|id| id.parse::<i64>().ok()) {
                    Some(id) => {
                        entity.kind = "text_mention".to_owned();
                        let user = json!({"id": id, "is_bot": false, "first_name": ""});
                        entity.user = Some(user);
                    }
                    None => entity.url = Some(url),
                }
            }
            "custom_emoji" => entity.custom_emoji_id = Some(tag.value.clone()),
            "code" => entity.language = tag.value.strip_prefix("language-").map(str::to_owned),
            "pre" => {
                // `<pre><code class="language-x">` is one entity.
                let same = |inner: &Entity| inner.kind == "code" && inner.length == length;
                if self.done.last().is_some_and(same) {
                    entity.language = self.done.pop().and_then(|inner| inner.language);
                }
            }
            "blockquote" if tag.expandable => entity.kind = "expandable_blockquote".to_owned(),
            _ => {}
        }
        if length > 0 {
            self.done.push(entity);
        }
    }

    /// Decodes what begins with `&`; an unknown name is just an ampersand.
    fn character_reference(&mut self) -> char {
        const NAMED: [(&str, char); 4] =
            [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')];
        for (name, character) in NAMED {
            if self.rest().starts_with(name) {
                self.position += name.len();
                return character;
            }
        }
        if let Some((character, length)) = numeric_reference(self.rest()) {
            self.position += length;
            return character;
        }
        self.position += 1;
        '&'
    }
}

fn numeric_reference(rest: &str) -> Option<(char, usize)> {
    let digits = rest.strip_prefix("&#")?;
    let (digits, prefix, radix) = match digits.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => (hexadecimal, 3, 16),
        None => (digits, 2, 10),
    };
    let length = digits.find(|char: char| !char.is_digit(radix)).unwrap_or(digits.len());
    let code = u32::from_str_radix(&digits[..length], radix).ok().filter(|code| *code != 0)?;
    let character = char::from_u32(code)?;
    let semicolon = usize::from(digits[length..].starts_with(';'));
    Some((character, prefix + length + semicolon))
}

fn full_url(target: &str) -> Option<String> {
    if let Ok(url) = reqwest::Url::parse(target) {
        return ["http", "https", "tg", "tel", "mailto"]
            .contains(&url.scheme())
            .then(|| url.into());
    }
    let with_scheme = format!("http://{target}");
    let url = reqwest::Url::parse(&with_scheme).ok()?;
    url.host_str()?.contains('.').then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::super::render::render;
    use super::parse;
    use proptest::prelude::*;

    /// Pieces of markup in any order, well formed or not.
    const PIECES: &str = concat!(
        r#"([a-z🌵 "=]|</?(b|i|a|pre|code|x)( href="[a-z.]*")?>|"#,
        "&[a-z]*;?|&#[0-9]{1,5};|[<>/])*"
    );

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(markup in PIECES) {
            if let Ok(content) = parse(&markup) {
                let length = content.utf16_len();
                prop_assert!(content.entities.iter().all(|it| it.length > 0));
                prop_assert!(content.entities.iter().all(|it| it.offset + it.length <= length));
            }
        }

        #[test]
        fn what_is_rendered_is_parsed_to_the_same(text in "[a-z<&>🌵 ]{1,20}", bold in "[a-z<🌵]{1,9}") {
            let markup = format!("{}<b>{}</b>", render(&text, &[]), render(&bold, &[]));
            let content = parse(&markup).unwrap();
            let again = parse(&render(&content.text, &content.entities)).unwrap();
            prop_assert_eq!(again, content);
        }
    }
}
