//! F40 for every test that runs the bot: neither its token nor a word of a chat is in its log,
//! at whatever level the test logs.
//!
//! What the program's own sources contain may stand in a log: a person can type "polling", and a
//! statement of SQL names its columns. Everything else that was said may not.

use std::path::Path;
use std::sync::LazyLock;

use windowsill::demo::botapi::Handle;

use crate::botapi_world::TOKEN;

/// Shorter words are found everywhere by chance.
const TELLING_CHARS: usize = 6;

/// Everything that the program can say by itself.
static OWN_WORDS: LazyLock<String> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    let mut folders = vec![root.join("src"), root.join("migrations"), root.join("schemas")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
});

/// What of a token or a chat is in the log; nothing when all is well.
pub(crate) fn leaks(log: &str, handle: &Handle) -> Vec<String> {
    let secret = TOKEN.split_once(':').unwrap().1;
    let mut leaks = Vec::new();
    if log.contains(secret) {
        leaks.push("the token".to_owned());
    }
    for chat_id in handle.chats() {
        for message in handle.messages(chat_id) {
            let said: Vec<&str> = match message.from_bot {
                // A line of the bot's is made of words that it knows.
                // Why a pipeline stands still is told on the console, too: no person is in it.
                true => {
                    let lines = message.text.lines().map(str::trim);
                    lines.filter(|line| !line.starts_with('⛔')).collect()
                }
                false => message.text.split_whitespace().chain([message.text.as_str()]).collect(),
            };
            leaks.extend(said.into_iter().filter(|said| is_leak(said, log)).map(str::to_owned));
        }
    }
    leaks
}

fn is_leak(said: &str, log: &str) -> bool {
    let bare = said.trim_matches(|char: char| !char.is_alphanumeric());
    let is_telling = bare.chars().count() >= TELLING_CHARS
        && bare.chars().any(char::is_alphabetic)
        && log.contains(bare);
    is_telling && !OWN_WORDS.contains(bare)
}
