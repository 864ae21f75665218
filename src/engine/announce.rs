//! Recording alerts and putting them into the outbox, each once.

use sqlx::SqliteConnection;

use crate::kernel::alert::Alert;
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::store::outbox::{self, Class, Target};
use crate::store::{StoreError, access, alerts};

/// Old alerts listed by name in the message that gathers them.
const GATHERED_SHOWN: i64 = 15;

/// Raises the alerts of a step; those of events before `old_before_ms` are old news.
pub(super) async fn raise_all(
    db: &mut SqliteConnection,
    alerts: &[Alert],
    old_before_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    if alerts.is_empty() {
        return Ok(());
    }
    let places = access::subscriptions(db).await?;
    for alert in alerts {
        raise(db, alert, &places, alert.event_ms < old_before_ms, now_ms).await?;
    }
    Ok(())
}

/// Records an alert by its identity; a new one goes to every place that is subscribed now, or
/// waits with other old news.
async fn raise(
    db: &mut SqliteConnection,
    alert: &Alert,
    places: &[Place],
    is_old: bool,
    now_ms: i64,
) -> Result<(), StoreError> {
    let is_snoozed = match &alert.about {
        Some(about) => alerts::is_snoozed(db, about, now_ms).await?,
        None => false,
    };
    let told = match (is_snoozed, places.is_empty(), is_old) {
        (true, ..) => alerts::Told::Snoozed,
        (false, true, _) => alerts::Told::Nobody,
        (false, false, true) => alerts::Told::Gathered,
        (false, false, false) => alerts::Told::Sent,
    };
    let is_new = alerts::record(db, alert, told, now_ms).await?;
    if !is_new || told != alerts::Told::Sent {
        return Ok(());
    }
    for place in places {
        outbox::alert(db, *place, alert, now_ms).await?;
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
        0 => alerts::Told::Nobody,
        _ => alerts::Told::Sent,
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
