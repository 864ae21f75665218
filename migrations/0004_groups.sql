-- Who else is let in: groups, invited people. Facts, like all access.

-- Facts: groups that an owner admitted. Whoever writes there may look.
create table admitted_chat (
    chat_id integer primary key,
    title text not null,
    admitted_by integer not null,
    admitted_at integer not null
) strict;

-- Facts: groups that became supergroups. The old id may still stand in the configuration, and in
-- what Telegram has yet to deliver.
create table chat_migration (
    from_chat_id integer primary key,
    to_chat_id integer not null,
    migrated_at integer not null
) strict;

-- Facts: open invitations. Each goes with the person it brings, or with its time.
create table invite (
    code text primary key,
    invited_by integer not null,
    expires_at integer not null
) strict, without rowid;
create table invite_try (
    user_id integer primary key,
    tries integer not null,
    tried_at integer not null
) strict;

-- Facts: chats behind which somebody hides (channels, anonymous admins) that were told once that
-- we only talk with people.
create table told_nameless (
    chat_id integer primary key,
    told_at integer not null
) strict;

-- A stranger is forgotten some time after the last word from them.
alter table stranger add column seen_at integer not null default 0;
update stranger set seen_at = coalesce(refused_at, 0);

-- Whose question it is, for those who tap somebody else's buttons in a group.
alter table conversation add column holder_name text not null default '';
