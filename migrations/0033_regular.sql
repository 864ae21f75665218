-- Facts: what chats asked to be told regularly.

-- The daily digest of a chat.
create table daily (
    chat_id integer primary key,
    thread_id integer,
    -- The minute of the chat's day.
    minute integer not null check (minute between 0 and 1439),
    -- Since when it comes at that minute (people's clock).
    since_at integer not null,
    -- The newest day that was told of, by the chat's calendar: 2026-12-01.
    told_on text,
    -- The chat is out of reach; nothing is told before it is back.
    is_away integer not null default 0
) strict;

-- The board of a chat: one message that is kept up to date.
create table board (
    chat_id integer primary key,
    thread_id integer,
    -- The newest row of the outbox that shows it; null before the first.
    outbox_row integer,
    -- The message that it is; null until one was sent.
    message_id integer,
    -- What that row says below its heading; the same is not told again.
    content text,
    -- When it is looked at again (people's clock).
    next_at integer not null,
    -- wanted: the message is to be pinned once it is sent; asked: Telegram was asked to;
    -- refused: we may not, and the chat knows.
    pin text not null check (pin in ('wanted', 'asked', 'refused')),
    is_away integer not null default 0
) strict;
create index board_row on board (outbox_row);
