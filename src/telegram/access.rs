//! Who somebody is to us: closed by default.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

pub use crate::kernel::chat::FixedAccess;
use crate::kernel::chat::{ChatKind, Incoming, Standing};
use crate::kernel::effect::Audience;
use crate::store::{StoreError, access, group, migration};

/// Everything that decides who may do what.
#[derive(Debug, Clone)]
pub struct Access {
    fixed: FixedAccess,
    members: Vec<access::Member>,
    /// Chats whose people may look, by every id that they have had.
    chats: BTreeSet<i64>,
}

impl Access {
    pub async fn load(
        db: &mut SqliteConnection,
        fixed: &FixedAccess,
    ) -> Result<Access, StoreError> {
        let mut chats: BTreeSet<i64> = fixed.allowed_chats.iter().copied().collect();
        chats.extend(group::admitted(db).await?.into_iter().map(|group| group.chat_id));
        for (from, to) in migration::all(db).await? {
            // What Telegram has yet to deliver may carry the old id.
            if chats.contains(&from) || chats.contains(&to) {
                chats.extend([from, to]);
            }
        }
        Ok(Access { fixed: fixed.clone(), members: access::members(db).await?, chats })
    }

    /// May anything be seen in this chat? A private one is its person's; a group is admitted.
    pub fn is_admitted(&self, kind: ChatKind, chat_id: i64) -> bool {
        kind == ChatKind::Private || self.chats.contains(&chat_id)
    }

    /// Is this a group that was let in?
    pub fn has_group(&self, chat_id: i64) -> bool {
        self.chats.contains(&chat_id)
    }

    /// May what the household knows be told in this chat by itself?
    pub fn lets_look(&self, chat_id: i64) -> bool {
        // A private chat has its person's number, a group a negative one (Bot API, `Chat.id`).
        self.standing((chat_id > 0).then_some(chat_id), chat_id).may_look()
    }

    /// Has the bot an owner at all?
    pub fn has_owner(&self) -> bool {
        !self.owners().is_empty()
    }

    pub fn standing(&self, user_id: Option<i64>, chat_id: i64) -> Standing {
        let allowed_chat = self.chats.contains(&chat_id);
        let Some(user_id) = user_id else {
            return if allowed_chat { Standing::Viewer } else { Standing::Stranger };
        };
        if self.fixed.owners.contains(&user_id) {
            return Standing::Owner;
        }
        if let Some(member) = self.members.iter().find(|member| member.user_id == user_id) {
            return if member.standing == "owner" { Standing::Owner } else { Standing::Member };
        }
        // A private chat has its person's number.
        match (self.chats.contains(&user_id), allowed_chat) {
            (true, _) => Standing::Member,
            (false, true) => Standing::Viewer,
            (false, false) => Standing::Stranger,
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

    /// The chats that see more than strangers do, and whose menu each gets.
    pub fn menus(&self) -> Vec<(i64, Audience)> {
        let mut chats = self.chats.clone();
        chats.extend(&self.fixed.owners);
        chats.extend(self.members.iter().map(|member| member.user_id));
        let audience = |chat_id: i64| match self.standing(Some(chat_id), chat_id) {
            // Groups have negative ids (Bot API, `Chat.id`).
            _ if chat_id < 0 => Audience::Group,
            Standing::Owner => Audience::Owner,
            _ => Audience::Member,
        };
        chats.into_iter().map(|chat_id| (chat_id, audience(chat_id))).collect()
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
        let chats = BTreeSet::from([2, -5]);
        let access = Access { fixed, members, chats };
        assert_eq!(access.standing(Some(1), 1), Standing::Owner);
        assert_eq!(access.standing(Some(3), -9), Standing::Owner);
        assert_eq!(access.standing(Some(4), 4), Standing::Member);
        assert_eq!(access.standing(Some(2), 2), Standing::Member);
        assert_eq!(access.standing(Some(2), -5), Standing::Member);
        assert_eq!(access.standing(Some(9), -7), Standing::Stranger);
        assert_eq!(access.standing(Some(9), -5), Standing::Viewer);
        assert_eq!(access.standing(Some(9), 9), Standing::Stranger);
        assert_eq!(access.standing(None, -7), Standing::Stranger);
    }
}
