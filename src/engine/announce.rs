//! Recording alerts and putting them into the outbox, each once.

use sqlx::SqliteConnection;

use super::News;
use crate::kernel::alert::Alert;
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::time::Now;
use crate::store::alerts::Told;
use crate::store::outbox::{self, Class, Target};
use crate::store::{StoreError, access, alerts, cards};

/// Old alerts listed by name in the message that gathers them.
const GATHERED_SHOWN: i64 = 15;

/// Tells the news of a step in their order; alerts of events before `old_before_ms` are old news.
pub(super) async fn tell_news(
    db: &mut SqliteConnection,
    news: &[News],
    old_before_ms: i64,
    now: Now,
) -> Result<(), StoreError> {
    if news.is_empty() {
        return Ok(());
    }
    let places = access::subscriptions(db).await?;
    let mut overs = Vec::new();
    for one in news {
        match one {
            News::Raised(alert) => {
                let told = match (places.is_empty(), alert.event_ms < old_before_ms) {
                    (true, _) => Told::Nobody,
                    (false, true) => Told::Gathered,
                    (false, false) => Told::Sent,
                };
                raise(db, alert, &places, told, now).await?;
            }
            News::Passed(alert) => {
                alerts::record(db, alert, Told::Over, now.machine_ms).await?;
            }
            News::Over(ending) => overs.extend(cards::end(db, ending, now).await?),
        }
    }
    cards::tell_over(db, overs, now).await
}

/// Records an alert by its identity. A new one goes to every place that is subscribed now, or
/// becomes a card; or it waits with other old news, or is told to nobody.
async fn raise(
    db: &mut SqliteConnection,
    alert: &Alert,
    places: &[Place],
    unless_quiet: Told,
    now: Now,
) -> Result<(), StoreError> {
    let known = match &alert.about {
        Some(about) => Some(cards::Known::of(db, about, now.house_ms).await?),
        None => None,
    };
    let is_quiet = known.as_ref().is_some_and(cards::Known::is_quiet);
    let told = if is_quiet { Told::Snoozed } else { unless_quiet };
    let is_new = alerts::record(db, alert, told, now.machine_ms).await?;
    if !is_new {
        return Ok(());
    }
    if let (Some(card), Some(known)) = (&alert.card, known) {
        return cards::raise(db, alert, card, known, told, now).await;
    }
    if told == Told::Sent {
        for place in places {
            outbox::alert(db, *place, alert, now.machine_ms).await?;
        }
    }
    Ok(())
}

/// Old news becomes one message, once the pipelines have caught up.
pub(super) async fn tell_gathered(
    db: &mut SqliteConnection,
    now_ms: i64,
) -> Result<(), StoreError> {
    let (count, newest) = alerts::gathered(db, GATHERED_SHOWN).await?;
    if count == 0 {
        return Ok(());
    }
    let mut text = Text::new()
        .bold(format!("{count} older {}", if count == 1 { "alert" } else { "alerts" }))
        .plain(" came up while I was catching up:");
    for alert in &newest {
        text = text.below(alert.brief());
    }
    let unnamed = count - i64::try_from(newest.len()).unwrap_or(0);
    if unnamed > 0 {
        text = text.below(Text::of(format!("… and {unnamed} more. /alerts lists the newest.")));
    }
    // Whoever subscribes later was not there when it happened; `/alerts` lists it all the same.
    let told = match tell(db, text, now_ms).await? {
        0 => Told::Nobody,
        _ => Told::Sent,
    };
    alerts::settle_gathered(db, told).await
}

/// Tells every place that gets alerts; says how many those are.
pub(super) async fn tell(
    db: &mut SqliteConnection,
    text: Text,
    now_ms: i64,
) -> Result<usize, StoreError> {
    let places = access::subscriptions(db).await?;
    let say = Say::new(text);
    for place in &places {
        outbox::say(db, *place, Class::Alert, Target::New, &say, now_ms).await?;
    }
    Ok(places.len())
}
