//! The command menus: what strangers, members, owners and groups are offered.
//!
//! Each is an outbox row, so it is tried until Telegram takes it.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::household;
use crate::kernel::chat::{Place, Standing};
use crate::kernel::conversation::{CommandSpec, Site};
use crate::kernel::effect::Audience;
use crate::store::StoreError;
use crate::store::outbox::{self, Call, Class};

/// Rows that belong to no chat are in order among themselves under this id.
const NO_CHAT: i64 = 0;

/// Offers a chat its menu.
pub async fn show(
    db: &mut SqliteConnection,
    chat_id: i64,
    audience: Audience,
    now_ms: i64,
) -> Result<(), StoreError> {
    let scope = json!({ "type": "chat", "chat_id": chat_id });
    let (method, params) = match audience {
        // Without a menu of its own a chat shows what every stranger sees.
        Audience::Strangers => ("deleteMyCommands", json!({ "scope": scope })),
        _ => ("setMyCommands", json!({ "scope": scope, "commands": commands(audience) })),
    };
    put(db, chat_id, method, params, now_ms).await
}

/// What everybody is offered who has no menu of their own.
pub async fn show_strangers(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    let commands = commands(Audience::Strangers);
    let params = json!({ "scope": { "type": "default" }, "commands": commands });
    put(db, NO_CHAT, "setMyCommands", params, now_ms).await
}

async fn put(
    db: &mut SqliteConnection,
    chat_id: i64,
    method: &str,
    params: Value,
    now_ms: i64,
) -> Result<(), StoreError> {
    let call = Call { method: method.to_owned(), params };
    outbox::call(db, Place::private(chat_id), Class::Menu, call, now_ms, None).await?;
    Ok(())
}

fn commands(audience: Audience) -> Vec<Value> {
    let offered = household::menu().into_iter().filter(|command| is_for(command, audience));
    let entry = |command: CommandSpec| json!({ "command": command.name, "description": command.description });
    offered.map(entry).collect()
}

fn is_for(command: &CommandSpec, audience: Audience) -> bool {
    match audience {
        Audience::Owner => command.site != Site::Group,
        Audience::Member => command.site != Site::Group && command.least <= Standing::Member,
        // Whoever is in a group sees its menu: it offers what everybody there may do.
        Audience::Group => command.site != Site::Private && command.least <= Standing::Viewer,
        Audience::Strangers => command.least == Standing::Stranger,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(audience: Audience) -> Vec<String> {
        let name = |entry: &Value| entry["command"].as_str().unwrap().to_owned();
        commands(audience).iter().map(name).collect()
    }

    #[test]
    fn everybody_is_offered_what_they_may_use() {
        assert_eq!(offered(Audience::Strangers), ["start"]);
        let group = offered(Audience::Group);
        assert!(group.contains(&"plants".to_owned()), "{group:?}");
        for hidden in ["update_plant", "invite", "members", "revoke", "admit"] {
            assert!(!group.contains(&hidden.to_owned()), "{hidden} in {group:?}");
        }
        let member = offered(Audience::Member);
        assert!(member.contains(&"update_plant".to_owned()), "{member:?}");
        assert!(!member.contains(&"invite".to_owned()), "{member:?}");
        let owner = offered(Audience::Owner);
        assert!(owner.contains(&"invite".to_owned()) && !owner.contains(&"admit".to_owned()));
    }
}
