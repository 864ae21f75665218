-- The shell's own tables. Times (`_at`, `_ms`) are milliseconds since the Unix epoch, UTC.
-- Facts cannot be rebuilt from the log and are never touched by a rebuild; `position` and
-- `pipeline` belong to the views.

-- Facts: what arrived from Telegram. The body goes when the update is handled; the id stays a
-- while, so that a repeated delivery is known.
create table inbox (
    update_id integer primary key,
    received_at integer not null,
    chat_id integer not null,
    body text,
    state text not null default 'waiting' check (state in ('waiting', 'done', 'parked')),
    attempts integer not null default 0
) strict;
create index inbox_received on inbox (received_at, update_id);
create index inbox_waiting on inbox (chat_id, update_id) where state = 'waiting';

-- Facts: conversations, by chat, person and forum topic (0: none).
create table conversation (
    chat_id integer not null,
    user_id integer not null,
    thread_id integer not null,
    room text not null,
    version integer not null,
    state text not null,
    deadline_at integer not null,
    primary key (chat_id, user_id, thread_id)
) strict, without rowid;
create index conversation_deadline on conversation (deadline_at);

-- Facts: what is to be sent to Telegram, in order for each chat.
create table outbox (
    id integer primary key autoincrement,
    chat_id integer not null,
    thread_id integer,
    class text not null check (class in ('alert', 'reply', 'tap', 'menu')),
    action text not null check (action in ('say', 'edit', 'call')),
    body text not null,
    edits_message integer,
    edits_row integer,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'dropped')),
    attempts integer not null default 0,
    next_at integer not null default 0,
    created_at integer not null,
    expires_at integer,
    settled_at integer,
    message_id integer,
    note text
) strict;
create index outbox_waiting on outbox (chat_id, id) where state = 'waiting';
create index outbox_settled on outbox (settled_at) where state <> 'waiting';

-- Facts: records on their way to the log, and what their author is told.
create table publication (
    id integer primary key autoincrement,
    topic text not null,
    record_key text not null,
    value text,
    chat_id integer not null,
    thread_id integer,
    saved text not null,
    queued text not null,
    created_at integer not null,
    queued_at integer not null,
    queued_row integer,
    placed_partition integer,
    placed_offset integer
) strict;

-- Facts: alerts by identity.
create table alert (
    rule text not null,
    subject text not null,
    event_ms integer not null,
    source text not null default '',
    fired_at integer not null,
    urgent integer not null,
    told text not null check (told in ('sent', 'gathered', 'nobody')),
    text text not null,
    brief text not null,
    primary key (rule, subject, event_ms, source)
) strict;
create index alert_event on alert (event_ms);
create index alert_gathered on alert (event_ms) where told = 'gathered';

-- Facts: who may do what, and where alerts go.
create table member (
    user_id integer primary key,
    name text not null,
    standing text not null check (standing in ('owner', 'member')),
    since_at integer not null
) strict;
create table subscription (
    chat_id integer not null,
    thread_id integer not null default 0,
    since_at integer not null,
    ended_at integer,
    end_reason text,
    primary key (chat_id, thread_id)
) strict, without rowid;
create table stranger (
    user_id integer primary key,
    updates integer not null default 0,
    refused_at integer
) strict;
create table claim (
    id integer primary key check (id = 1),
    code text not null,
    expires_at integer not null
) strict;
create table claim_try (
    user_id integer primary key,
    tries integer not null
) strict;

-- Facts: records that could not be folded.
create table dead_letter (
    id integer primary key autoincrement,
    log_id text not null,
    topic text not null,
    partition integer not null,
    offset integer not null,
    ts_ms integer not null,
    record_key blob,
    value blob,
    headers blob not null,
    reason text not null,
    buried_at integer not null,
    unique (log_id, topic, partition, offset)
) strict;

-- Views: how far each pipeline has folded.
create table position (
    pipeline text not null,
    topic text not null,
    partition integer not null,
    log_id text not null,
    next_offset integer not null,
    last_ts_ms integer,
    greatest_event_ms integer,
    records integer not null default 0,
    late integer not null default 0,
    primary key (pipeline, topic, partition)
) strict, without rowid;
create table pipeline (
    name text primary key,
    watermark_ms integer,
    windows_closed integer not null default 0,
    caught_up_at integer
) strict, without rowid;
