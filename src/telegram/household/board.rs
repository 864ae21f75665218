//! `/board`: one message of a chat that is kept up to date.

use crate::kernel::chat::Snapshot;
use crate::kernel::effect::{Effect, RegularChange};
use crate::kernel::text::Text;

/// What somebody wants of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    On,
    Off,
    /// A word behind the command that we do not know.
    Unclear,
}

impl Wish {
    pub(super) fn of(typed: &str) -> Wish {
        match typed.trim().to_lowercase().as_str() {
            "" | "on" | "here" => Wish::On,
            "off" | "none" | "no" => Wish::Off,
            _ => Wish::Unclear,
        }
    }
}

/// `is_there`: the chat has a board.
pub(super) fn decide(wish: Wish, is_there: bool, snapshot: &Snapshot) -> Vec<Effect> {
    if wish == Wish::Unclear {
        let words = "I know /board, which puts a board into this chat and keeps it up to date, and \
                     /board off, which ends that.";
        return vec![super::say(Text::of(words))];
    }
    if !snapshot.standing.may_edit() {
        return vec![super::say(Text::of("Only members decide whether this chat has a board."))];
    }
    let (change, words) = match (wish, is_there) {
        (Wish::Off, true) => (
            RegularChange::NoBoard,
            "The board is not kept up to date any more. /board brings a new one.",
        ),
        (Wish::Off, false) => {
            (RegularChange::NoBoard, "This chat has no board anyway. /board brings one.")
        }
        (_, true) => (
            RegularChange::Board,
            "This chat has its board already; I bring it up to date now. /board off ends it.",
        ),
        (_, false) => (
            RegularChange::Board,
            "📌 The board comes to this chat, and is brought up to date every hour. /board off \
             ends it.",
        ),
    };
    vec![Effect::Regular(change), super::say(Text::of(words))]
}
