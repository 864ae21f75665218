-- Facts: what became of a dead letter.
-- `kind` is the reason without its numbers and names, so that alike ones are told together.
alter table dead_letter add column kind text not null default '';
-- The place of the dead letter that this one repeats (log/topic/partition/offset).
alter table dead_letter add column replay_of text;
-- When a fold met a replay of it.
alter table dead_letter add column replayed_at integer;
-- When it was appended to the topic of dead letters.
alter table dead_letter add column published_at integer;
update dead_letter set kind = substr(reason, 1, 200);
-- Values may be large: what is counted and listed is read from the indexes alone.
create index dead_letter_kind on dead_letter (topic, kind, buried_at, replayed_at);
create index dead_letter_buried on dead_letter (buried_at);
create index dead_letter_unpublished on dead_letter (id) where published_at is null;

-- Facts: up to which dead letter the owners have been told, and when.
create table dead_letter_notice (
    id integer primary key check (id = 1),
    through_id integer not null,
    told_at integer not null
) strict;

-- Facts: chats that Telegram wants left alone for a while (its flood limit). While a process lives
-- it goes by its own monotonic clock; this is for the next one.
create table parked_chat (
    chat_id integer primary key,
    since_at integer not null,
    until_at integer not null
) strict;
-- Waits between attempts are the process's own; a start tries at once.
alter table outbox drop column next_at;
