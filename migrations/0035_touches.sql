-- Facts, as all of the outbox: what goes beside the messages of a chat, and never holds one up.
alter table outbox add column lane text not null default 'messages'
    check (lane in ('messages', 'reactions', 'inline'));
drop index outbox_waiting;
create index outbox_waiting on outbox (chat_id, lane, id) where state = 'waiting';

-- Facts: the person's newest message in their conversation.
alter table conversation add column said_in integer;
-- Facts: the person's message that an edit was confirmed by, which shows how far it is.
alter table edit add column confirmed_by integer;
