//! How far a pipeline's present session is, for whoever asks whether it works.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// A pipeline's phase. It changes with each session; nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Its tables are read from their beginning; records wait for that.
    ReadingTables,
    /// Its views were emptied; what it had folded is folded again, in silence.
    Rebuilding,
    /// Records are folded as they come.
    Folding,
    /// Some records cannot be read before something outside is back, for this reason; the others
    /// are folded.
    Waiting(String),
    /// A session failed for this reason; another one begins after a pause.
    Pausing(String),
    /// It must not go on for this reason until somebody has seen to it; it looks again by itself.
    Halted(String),
}

/// The phases of all pipelines, for whoever tells people of them.
#[derive(Debug, Clone, Default)]
pub struct Phases(Arc<BTreeMap<&'static str, watch::Receiver<Phase>>>);

impl Phases {
    /// By the pipelines' names.
    pub fn of(pipelines: impl Iterator<Item = (&'static str, watch::Receiver<Phase>)>) -> Phases {
        Phases(Arc::new(pipelines.collect()))
    }

    /// The phase of a pipeline that this process runs.
    pub fn get(&self, name: &str) -> Option<Phase> {
        self.0.get(name).map(|phase| phase.borrow().clone())
    }

    /// The pipelines of which some records wait, with the reason of each.
    pub fn waiting(&self) -> BTreeMap<&'static str, String> {
        let waiting = self.0.iter().filter_map(|(name, phase)| match &*phase.borrow() {
            Phase::Waiting(reason) => Some((*name, reason.clone())),
            _ => None,
        });
        waiting.collect()
    }
}

/// The phase as it is shown: the session's own, unless records of a topic wait.
#[derive(Debug, Clone)]
pub(super) struct Board {
    shown: watch::Sender<Phase>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    own: Phase,
    /// Why records wait, by their topic.
    waits: BTreeMap<&'static str, String>,
}

impl Board {
    pub(super) fn new(own: Phase) -> Board {
        let state = State { own: own.clone(), waits: BTreeMap::new() };
        Board { shown: watch::Sender::new(own), state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Phase> {
        self.shown.subscribe()
    }

    /// A session begins. Why the one before failed is shown until this one works.
    pub(super) fn begin(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let has_failed = matches!(state.own, Phase::Pausing(_) | Phase::Halted(_));
        drop(state);
        if !has_failed {
            self.enter(Phase::ReadingTables);
        }
    }

    /// The session has come to this phase.
    pub(super) fn enter(&self, phase: Phase) {
        self.change(|state| {
            if matches!(phase, Phase::ReadingTables | Phase::Pausing(_) | Phase::Halted(_)) {
                // The readers of the session before are gone.
                state.waits.clear();
            }
            state.own = phase;
        });
    }

    /// Records of this topic wait. Says whether that is news.
    pub(super) fn waits(&self, topic: &'static str, reason: String) -> bool {
        let mut is_news = false;
        self.change(|state| is_news = state.waits.insert(topic, reason).is_none());
        is_news
    }

    /// They wait no longer. Says whether they had.
    pub(super) fn goes_on(&self, topic: &'static str) -> bool {
        let mut had_waited = false;
        self.change(|state| had_waited = state.waits.remove(topic).is_some());
        had_waited
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let shown = match (state.waits.values().next(), &state.own) {
            (Some(reason), Phase::ReadingTables | Phase::Rebuilding | Phase::Folding) => {
                Phase::Waiting(reason.clone())
            }
            (_, own) => own.clone(),
        };
        self.shown.send_if_modified(|present| {
            let is_other = *present != shown;
            *present = shown;
            is_other
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_waits_is_shown_until_none_does() {
        let board = Board::new(Phase::Folding);
        let shown = board.subscribe();
        assert!(board.waits("a", "away".to_owned()));
        assert!(!board.waits("a", "still away".to_owned()));
        board.waits("b", "away, too".to_owned());
        assert_eq!(*shown.borrow(), Phase::Waiting("still away".to_owned()));
        assert!(board.goes_on("a") && !board.goes_on("a"));
        assert_eq!(*shown.borrow(), Phase::Waiting("away, too".to_owned()));
        board.goes_on("b");
        assert_eq!(*shown.borrow(), Phase::Folding);
    }

    #[test]
    fn what_waited_in_a_session_is_forgotten_with_it() {
        let board = Board::new(Phase::Folding);
        board.waits("a", "away".to_owned());
        board.enter(Phase::Pausing("the disk is full".to_owned()));
        assert_eq!(*board.subscribe().borrow(), Phase::Pausing("the disk is full".to_owned()));
        board.begin();
        assert_eq!(*board.subscribe().borrow(), Phase::Pausing("the disk is full".to_owned()));
        board.enter(Phase::Folding);
        assert_eq!(*board.subscribe().borrow(), Phase::Folding);
        board.begin();
        assert_eq!(*board.subscribe().borrow(), Phase::ReadingTables);
    }
}
