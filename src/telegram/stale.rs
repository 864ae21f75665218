//! What a look-up says of its age while its pipeline does not come along.
//!
//! Invariant: only an answer that changes nothing carries the line, and only while the pipeline of
//! its room is held up: what is folded as it comes needs no word.

use sqlx::SqliteConnection;

use crate::clock;
use crate::engine::{Phase, Phases};
use crate::kernel::effect::Effect;
use crate::kernel::text::Text;
use crate::kernel::time::MINUTE_MS;
use crate::kernel::when;
use crate::store::{StoreError, positions};

/// A start reads the tables first; so long after the last life that is nothing to speak of.
const START_MS: i64 = MINUTE_MS;

/// What look-ups of a room say of their age, where there is something to say. Its pipeline is called
/// like the room.
pub(super) async fn of_room(
    db: &mut SqliteConnection,
    phases: &Phases,
    room: &str,
) -> Result<Option<Text>, StoreError> {
    let phase = phases.get(room).filter(may_be);
    let Some(phase) = phase else { return Ok(None) };
    let (row, _) = positions::load(db, room).await?;
    Ok(line(&phase, row.caught_up_at, clock::now_ms()))
}

/// May there be something to say? Nothing has to be read for most answers.
fn may_be(phase: &Phase) -> bool {
    !matches!(phase, Phase::Folding | Phase::Rebuilding)
}

/// The line for a pipeline in this phase that was at the log's end then (the machine's clock).
fn line(phase: &Phase, caught_up_at: Option<i64>, now_ms: i64) -> Option<Text> {
    let is_start = *phase == Phase::ReadingTables;
    if !may_be(phase) || is_start && caught_up_at.is_none_or(|at| now_ms - at < START_MS) {
        return None;
    }
    let words = match caught_up_at {
        Some(at) => format!("I last caught up with the log {}", when::ago(at, now_ms)),
        None => "I have not caught up with the log yet".to_owned(),
    };
    Some(Text::of(format!("⏳ Not up to date: {words} (see /status).")))
}

/// Puts the line below the answer, if these effects are one.
pub(super) fn add(line: Text, effects: &mut [Effect]) {
    let is_answer = |effect: &Effect| {
        matches!(effect, Effect::Say(_) | Effect::Edit { .. } | Effect::Acknowledge { .. })
    };
    if !effects.iter().all(is_answer) {
        return;
    }
    let said = effects.iter_mut().rev().find_map(|effect| match effect {
        Effect::Say(say) | Effect::Edit { say, .. } => Some(say),
        _ => None,
    });
    if let Some(say) = said {
        say.text = std::mem::take(&mut say.text).below(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::effect::Say;

    const NOW_MS: i64 = 100 * MINUTE_MS;

    fn told(phase: &Phase, caught_up_at: Option<i64>) -> Option<String> {
        line(phase, caught_up_at, NOW_MS).map(|line| line.to_plain())
    }

    #[test]
    fn what_is_held_up_says_since_when() {
        let away = Phase::Pausing("kafka is away".to_owned());
        let at = Some(NOW_MS - 7 * MINUTE_MS);
        let words = "⏳ Not up to date: I last caught up with the log 7 min ago (see /status).";
        assert_eq!(told(&away, at).as_deref(), Some(words));
        assert_eq!(told(&Phase::ReadingTables, at).as_deref(), Some(words));
        assert!(told(&away, None).is_some_and(|words| words.contains("not caught up")));
        for current in [Phase::Folding, Phase::Rebuilding] {
            assert_eq!(told(&current, at), None);
        }
        assert_eq!(told(&Phase::ReadingTables, Some(NOW_MS - 1)), None);
        assert_eq!(told(&Phase::ReadingTables, None), None);
    }

    #[test]
    fn the_line_stands_below_answers_and_nowhere_else() {
        let say = || Effect::Say(Say::new(Text::of("Bradley")));
        let mut answer = vec![say()];
        add(Text::of("old"), &mut answer);
        assert_eq!(answer, [Effect::Say(Say::new(Text::of("Bradley").below(Text::of("old"))))]);
        let mut edit = vec![say(), Effect::EndConversation];
        add(Text::of("old"), &mut edit);
        assert_eq!(edit, [say(), Effect::EndConversation]);
    }
}
