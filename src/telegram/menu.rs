//! The command menu: strangers see `/start`, members the whole.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::household;
use crate::kernel::chat::Place;
use crate::store::StoreError;
use crate::store::outbox::{self, Call, Class};

/// Puts the whole menu into a member's private chat, or into a group that was admitted.
pub async fn show_in(
    db: &mut SqliteConnection,
    chat_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    let commands: Vec<Value> = household::menu()
        .into_iter()
        .map(|command| json!({ "command": command.name, "description": command.description }))
        .collect();
    let params = json!({
        "commands": commands,
        "scope": { "type": "chat", "chat_id": chat_id },
    });
    let call = Call { method: "setMyCommands".to_owned(), params };
    outbox::call(db, Place::private(chat_id), Class::Menu, call, now_ms, None).await?;
    Ok(())
}

/// What everybody else sees. It belongs to no chat, so it is not an outbox row.
pub fn for_strangers() -> Value {
    json!({
        "commands": [{ "command": "start", "description": "begin, or claim the bot with its code" }],
        "scope": { "type": "default" },
    })
}
