//! Inline mode: somebody types our name and some words in any chat, sees what we know of them, and
//! picks what is then said in that chat in their name.

use super::text::Text;

/// What somebody types behind our name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InlineQuery {
    pub id: String,
    /// Up to 256 characters; empty before anything is typed (Bot API, `InlineQuery`).
    pub typed: String,
    /// Where the page begins that is asked for, as an earlier answer had it; empty at first.
    pub offset: String,
}

impl InlineQuery {
    /// How many results were given before. What is no number of ours is none.
    pub fn given(&self) -> u32 {
        self.offset.parse().unwrap_or(0)
    }
}

/// Something to pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineResult {
    /// 1 to 64 bytes, and no other's in the same answer.
    pub id: String,
    /// One line, which is shown without markup; so is the description.
    pub title: Text,
    pub description: Text,
    /// What is said when it is picked.
    pub text: Text,
}

/// Some of the results, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InlinePage {
    pub results: Vec<InlineResult>,
    /// How many are given with this page; `None`: there are no more.
    pub next: Option<u32>,
}
