//! Who somebody is to us: closed by default.

use sqlx::SqliteConnection;

use crate::kernel::chat::{ChatKind, Incoming, Standing};
use crate::store::{StoreError, access};

/// Access as the configuration fixes it; it cannot be changed in a chat.
#[derive(Debug, Clone, Default)]
pub struct FixedAccess {
    pub owners: Vec<i64>,
    /// Private chats (members) and groups (whose people look).
    pub allowed_chats: Vec<i64>,
}

/// Everything that decides who may do what.
#[derive(Debug, Clone)]
pub struct Access {
    fixed: FixedAccess,
    members: Vec<access::Member>,
}

impl Access {
    pub async fn load(
        db: &mut SqliteConnection,
        fixed: &FixedAccess,
    ) -> Result<Access, StoreError> {
        Ok(Access { fixed: fixed.clone(), members: access::members(db).await? })
    }

    /// Has the bot an owner at all?
    pub fn has_owner(&self) -> bool {
        !self.owners().is_empty()
    }

    pub fn standing(&self, user_id: Option<i64>, chat_id: i64) -> Standing {
        let allowed_chat = self.fixed.allowed_chats.contains(&chat_id);
        let Some(user_id) = user_id else {
            return if allowed_chat { Standing::Viewer } else { Standing::Stranger };
        };
        if self.fixed.owners.contains(&user_id) {
            return Standing::Owner;
        }
        if let Some(member) = self.members.iter().find(|member| member.user_id == user_id) {
            return if member.standing == "owner" { Standing::Owner } else { Standing::Member };
        }
        match (allowed_chat, chat_id == user_id) {
            (true, true) => Standing::Member,
            (true, false) => Standing::Viewer,
            (false, _) => Standing::Stranger,
        }
    }

    pub fn standing_of(&self, incoming: &Incoming) -> Standing {
        let user_id = incoming.person.as_ref().map(|person| person.user_id);
        if incoming.chat_kind == ChatKind::Channel {
            return self.standing(None, incoming.place.chat_id);
        }
        self.standing(user_id, incoming.place.chat_id)
    }

    /// Everybody who owns the bot; an owner's number is also that of their private chat.
    pub fn owners(&self) -> Vec<i64> {
        let members = self.members.iter().filter(|member| member.standing == "owner");
        let mut owners: Vec<i64> = members.map(|member| member.user_id).collect();
        owners.extend(&self.fixed.owners);
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// The private chats of owners and members: they get the whole menu.
    pub fn menu_chats(&self) -> Vec<i64> {
        let mut chats = self.fixed.owners.clone();
        chats.extend(self.members.iter().map(|member| member.user_id));
        chats.extend(&self.fixed.allowed_chats);
        chats.sort_unstable();
        chats.dedup();
        chats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_a_stranger_until_they_are_listed() {
        let fixed = FixedAccess { owners: vec![1], allowed_chats: vec![2, -5] };
        let member = |user_id, standing: &str| access::Member {
            user_id,
            name: String::new(),
            standing: standing.to_owned(),
        };
        let members = vec![member(3, "owner"), member(4, "member")];
        let access = Access { fixed, members };
        assert_eq!(access.standing(Some(1), 1), Standing::Owner);
        assert_eq!(access.standing(Some(3), -9), Standing::Owner);
        assert_eq!(access.standing(Some(4), 4), Standing::Member);
        assert_eq!(access.standing(Some(2), 2), Standing::Member);
        assert_eq!(access.standing(Some(2), -7), Standing::Stranger);
        assert_eq!(access.standing(Some(9), -5), Standing::Viewer);
        assert_eq!(access.standing(Some(9), 9), Standing::Stranger);
        assert_eq!(access.standing(None, -7), Standing::Stranger);
    }
}
