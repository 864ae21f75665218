//! Lists that are shown a page after the other.
//!
//! Invariant: every entry is on a page that buttons lead to.

use serde::{Deserialize, Serialize};

use super::chat::Button;

/// A page of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The first is 0.
    pub number: i64,
    /// How many there are. One has nothing to turn.
    pub pages: i64,
}

impl Page {
    /// The page that somebody wants of so many entries, `size` on each. One that is not there any
    /// more becomes the last.
    pub fn of(wanted: i64, total: i64, size: i64) -> Page {
        let pages = ((total.max(1) - 1) / size.max(1)) + 1;
        Page { number: wanted.clamp(0, pages - 1), pages }
    }

    /// How many entries stand before it.
    pub fn skipped(self, size: i64) -> i64 {
        self.number.saturating_mul(size)
    }

    /// `, page 2 of 3`; nothing where there is one alone.
    pub fn words(self) -> String {
        match self.pages {
            ..=1 => String::new(),
            pages => format!(", page {} of {pages}", self.number + 1),
        }
    }

    /// The buttons to its neighbours, each made of a label and a page's number.
    pub fn turns(self, button: impl Fn(&str, i64) -> Button) -> Vec<Button> {
        let back = (self.number > 0).then(|| button("◀", self.number - 1));
        let on = (self.number + 1 < self.pages).then(|| button("▶", self.number + 1));
        back.into_iter().chain(on).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(page: Page) -> Vec<String> {
        let button = |label: &str, number| Button::new(format!("{label} {number}"), "x");
        page.turns(button).into_iter().map(|button| button.label).collect()
    }

    #[test]
    fn buttons_lead_from_each_page_to_its_neighbours() {
        let page = |wanted| Page::of(wanted, 21, 10);
        assert_eq!(turned(page(0)), ["▶ 1"]);
        assert_eq!(turned(page(1)), ["◀ 0", "▶ 2"]);
        assert_eq!(turned(page(2)), ["◀ 1"]);
        assert_eq!((page(2).skipped(10), page(2).words().as_str()), (20, ", page 3 of 3"));
    }

    #[test]
    fn a_page_that_is_no_more_is_the_last_and_one_page_has_nothing_to_turn() {
        assert_eq!(Page::of(7, 21, 10).number, 2);
        assert_eq!(Page::of(-1, 21, 10).number, 0);
        for total in [0, 1, 10] {
            let page = Page::of(3, total, 10);
            assert_eq!((page.number, page.words().as_str()), (0, ""));
            assert!(turned(page).is_empty());
        }
    }
}
