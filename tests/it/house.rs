//! The house's own rules, read off the sources: who may know whom, how long a file may be, and that
//! the menu file is the menu.

use std::path::{Path, PathBuf};

/// No file of ours is longer.
const LINES_MAX: usize = 600;

/// What the pure parts must not know: no I/O, no clock, no client.
const IMPURE: &[&str] = &[
    "rdkafka",
    "sqlx",
    "tokio",
    "axum",
    "reqwest",
    "rusqlite",
    "std::fs",
    "std::net",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "crate::store",
    "crate::engine",
    "crate::telegram",
    "crate::clock",
    "crate::config",
    "crate::app",
    "crate::demo",
];

/// Files of pure parts that may say `async fn`, with the reason.
const ASYNC_ALLOWED: &[(&str, &str)] = &[
    ("rooms/plants/chat/routes.rs", "dptree's endpoints are async functions"),
    ("rooms/wifi/chat/routes.rs", "dptree's endpoints are async functions"),
];

struct Source {
    /// Below `src/`, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    /// The code without comments and without its tests.
    fn code(&self) -> String {
        let text = self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Every path that the code imports or names, written out: groups in braces are unfolded.
    fn paths(&self) -> Vec<String> {
        let code = self.code();
        let mut paths = Vec::new();
        for statement in code.split(';') {
            let Some(at) = statement.rfind("use ").filter(|at| is_word_start(statement, *at))
            else {
                continue;
            };
            let tree: String = statement[at + 4..].split_whitespace().collect();
            unfold("", &tree, &mut paths);
        }
        // Paths written out where they are used.
        for word in code.split(|symbol: char| !(symbol.is_alphanumeric() || "_:".contains(symbol)))
        {
            if word.contains("::") {
                paths.push(word.trim_matches(':').to_owned());
            }
        }
        paths
    }

    fn is_pure(&self) -> bool {
        let Some((_, inner)) = self.path.split_once('/') else { return false };
        if self.path.starts_with("kernel/") || self.path.starts_with("charts/") {
            return true;
        }
        let part = inner.split_once('/').map_or("", |(_, part)| part);
        let in_room = self.path.starts_with("rooms/");
        in_room && ["fold", "life", "rules", "chat"].iter().any(|name| part.starts_with(name))
    }

    /// The room whose folder it lies in.
    fn room(&self) -> Option<&str> {
        let (room, _) = self.path.strip_prefix("rooms/")?.split_once('/')?;
        Some(room)
    }
}

fn is_word_start(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|symbol: char| symbol.is_alphanumeric() || symbol == '_')
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn unfold(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        paths.push(format!("{prefix}{tree}"));
        return;
    };
    let inner = rest.strip_suffix('}').unwrap_or(rest);
    let mut depth = 0;
    let mut from = 0;
    for (at, symbol) in inner.char_indices() {
        match symbol {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                unfold(&format!("{prefix}{head}"), &inner[from..at], paths);
                from = at + 1;
            }
            _ => {}
        }
    }
    if from < inner.len() {
        unfold(&format!("{prefix}{head}"), &inner[from..], paths);
    }
}

fn names(path: &str, part: &str) -> bool {
    path == part || path.strip_prefix(part).is_some_and(|rest| rest.starts_with("::"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let top = root().join("src");
    let mut found = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&top).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source { path: below, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

#[test]
fn the_pure_parts_know_no_input_no_output_and_no_clock() {
    let sources = sources();
    let pure: Vec<&Source> = sources.iter().filter(|source| source.is_pure()).collect();
    assert!(pure.len() > 15, "the pure parts were not found");
    let mut faults = Vec::new();
    for source in pure {
        for path in source.paths() {
            if IMPURE.iter().any(|part| names(&path, part)) {
                faults.push(format!("{} names {path}", source.path));
            }
        }
        let may_be_async = ASYNC_ALLOWED.iter().any(|(path, _)| *path == source.path);
        let code = source.code();
        if !may_be_async && (code.contains("async ") || code.contains(".await")) {
            faults.push(format!("{} is async", source.path));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn rooms_never_know_each_other_and_others_know_them_by_the_list_alone() {
    let sources = sources();
    let rooms: Vec<&str> = sources.iter().filter_map(Source::room).collect();
    assert!(!rooms.is_empty(), "the rooms were not found");
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.path != "rooms/mod.rs") {
        for path in source.paths() {
            let Some(below) = path.strip_prefix("crate::rooms::") else { continue };
            let named = below.split("::").next().unwrap_or_default();
            if rooms.contains(&named) && source.room() != Some(named) {
                faults.push(format!("{} names {path}", source.path));
            }
        }
        // A relative path out of the room would be a way around.
        let depth = source.path.matches('/').count();
        if source.room().is_some() && source.code().contains(&["super"; 3].join("::")) {
            faults.push(format!("{} climbs out of its room ({depth} deep)", source.path));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_file_is_longer_than_a_reader_can_bear() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", source.path);
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let sources = sources();
    // A module's tests are headed by the module that they test.
    for source in sources.iter().filter(|source| !source.path.ends_with("/tests.rs")) {
        assert!(source.text.starts_with("//!"), "{} begins without a header", source.path);
    }
}

#[test]
fn groups_of_imports_are_unfolded() {
    let mut paths = Vec::new();
    unfold("", "a::{b,c::{d,e},f}", &mut paths);
    assert_eq!(paths, ["a::b", "a::c::d", "a::c::e", "a::f"]);
}

#[test]
fn bot_commands_md_is_the_menu_as_botfather_takes_it() {
    let menu = windowsill::telegram::household::menu();
    let line = |command: windowsill::kernel::conversation::CommandSpec| {
        format!("{} - {}\n", command.name, command.description)
    };
    let expected: String = menu.into_iter().map(line).collect();
    let written = std::fs::read_to_string(root().join("bot-commands.md")).unwrap_or_default();
    assert!(written == expected, "bot-commands.md should be:\n{expected}");
}
