//! What another version of the bot has left that this one cannot go on with.
//!
//! Invariant: before the first update is handled, every stored conversation can be asked about
//! again; whoever lost one has been told.

use sqlx::SqliteConnection;

use crate::kernel::effect::Say;
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms;
use crate::store::outbox::{self, Class, Target};
use crate::store::{StoreError, conversation};

/// Ends the conversations whose state or room this version does not know, and tells the people.
pub async fn end_unreadable(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    for (holder, draft) in conversation::all(db).await? {
        if rooms::question(&draft, &Settings::default()).is_some() {
            continue;
        }
        tracing::warn!(room = draft.room, "a conversation of another version was ended");
        conversation::end(db, holder).await?;
        let words = format!(
            "🔧 I was updated and cannot go on with {}, which you had begun. Nothing was changed; \
             please begin again.",
            rooms::unfinished(&draft)
        );
        let say = Say::new(Text::of(words));
        outbox::say(db, holder.place, Class::Reply, Target::New, &say, now_ms).await?;
    }
    Ok(())
}
