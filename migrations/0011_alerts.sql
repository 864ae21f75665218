-- Alerts of a single record, alerts that somebody snoozed, and edits whose keys are bytes.

-- Facts: alerts by identity, as before; `told` knows one more word.
create table alert_with_snoozed (
    rule text not null,
    subject text not null,
    event_ms integer not null,
    -- topic/partition/offset, where one record matters by itself.
    source text not null default '',
    fired_at integer not null,
    urgent integer not null,
    told text not null check (told in ('sent', 'gathered', 'nobody', 'snoozed')),
    text text not null,
    brief text not null,
    primary key (rule, subject, event_ms, source)
) strict;
insert into alert_with_snoozed
    select rule, subject, event_ms, source, fired_at, urgent, told, text, brief from alert;
drop table alert;
alter table alert_with_snoozed rename to alert;
create index alert_event on alert (event_ms);
create index alert_gathered on alert (event_ms) where told = 'gathered';

-- Facts: what nobody wants to hear of until then (people's clock).
create table snooze (
    about text primary key,
    until_at integer not null
) strict, without rowid;

-- Facts: the records of edits on their way to the log. An SSID is a key that is no text.
create table publication_of_bytes (
    id integer primary key autoincrement,
    edit_id integer not null references edit (id) on delete cascade,
    topic text not null,
    record_key blob not null,
    value text,
    placed_partition integer,
    placed_offset integer
) strict;
insert into publication_of_bytes
    select id, edit_id, topic, cast(record_key as blob), value, placed_partition, placed_offset
      from publication;
drop table publication;
alter table publication_of_bytes rename to publication;
create index publication_edit on publication (edit_id);
