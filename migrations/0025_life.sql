-- Alerts that last: their lives, their cards, and what plants' lives are judged by.

-- Facts: alerts by identity, as before; `told` knows one more word.
create table alert_with_over (
    rule text not null,
    subject text not null,
    event_ms integer not null,
    source text not null default '',
    fired_at integer not null,
    urgent integer not null,
    -- over: it was over before anybody could be told.
    told text not null check (told in ('sent', 'gathered', 'nobody', 'snoozed', 'over')),
    text text not null,
    brief text not null,
    primary key (rule, subject, event_ms, source)
) strict;
insert into alert_with_over
    select rule, subject, event_ms, source, fired_at, urgent, told, text, brief from alert;
drop table alert;
alter table alert_with_over rename to alert;
create index alert_event on alert (event_ms);
create index alert_gathered on alert (event_ms) where told = 'gathered';

-- Facts: alerts that last, while they do.
create table card (
    about text primary key,
    -- Since when, by event time: it tells one episode from the next.
    since_ms integer not null,
    -- The identity of the newest alert about it.
    rule text not null,
    subject text not null,
    event_ms integer not null,
    urgent integer not null,
    text text not null,
    brief text not null,
    keyboard text not null,
    repeat_ms integer,
    stance text not null,
    -- Since when it waits to be told (again); null where it does not.
    waits_since integer,
    -- When it is told again, or its snooze ends (people's clock).
    next_at integer
) strict, without rowid;
create index card_waiting on card (waits_since) where waits_since is not null;
create index card_next on card (next_at) where next_at is not null;

-- Facts: where a card is shown. Several of one row are one message. They go when the message says
-- its last word.
create table card_message (
    id integer primary key,
    about text not null,
    since_ms integer not null,
    chat_id integer not null,
    thread_id integer,
    -- The row that the message is; null where a digest told it.
    outbox_row integer,
    message_id integer,
    state text not null check (state in ('live', 'over', 'moved')),
    face text not null
) strict;
create index card_message_about on card_message (about);
create index card_message_row on card_message (outbox_row);
create index card_message_message on card_message (chat_id, message_id);

-- Facts: what is not well with plants, by kind; that all is well has no row.
create table plant_life (
    plant_id integer not null,
    kind text not null check (
        kind in ('dry', 'drying', 'wet', 'hot', 'cold', 'silent', 'stuck')),
    phase text not null check (phase in ('pending', 'firing')),
    since_ms integer not null,
    -- Firing, and well again since then.
    better_ms integer,
    primary key (plant_id, kind)
) strict, without rowid;
create index plant_life_silent on plant_life (plant_id) where kind = 'silent';

-- A view: quarters of an hour in which a reading left its plant's bands, until they are judged.
create table plant_suspect (
    start_ms integer not null,
    plant_id integer not null,
    primary key (start_ms, plant_id)
) strict, without rowid;

-- A view: what of a bucket came too late to be judged.
create table plant_late (
    start_ms integer not null,
    plant_id integer not null,
    reading_count integer not null,
    moisture_sum integer not null,
    temperature_sum integer not null,
    primary key (start_ms, plant_id)
) strict, without rowid;

-- The means of the quarters, of the readings that came in time.
create view plant_quarter as
    select start_ms, plant_id,
           (moisture_sum - late_moisture) / (reading_count - late_count) as moisture,
           (temperature_sum - late_temperature) / (reading_count - late_count) as temperature
      from (select b.*,
                   coalesce((select l.reading_count from plant_late l
                              where l.start_ms = b.start_ms and l.plant_id = b.plant_id), 0)
                       as late_count,
                   coalesce((select l.moisture_sum from plant_late l
                              where l.start_ms = b.start_ms and l.plant_id = b.plant_id), 0)
                       as late_moisture,
                   coalesce((select l.temperature_sum from plant_late l
                              where l.start_ms = b.start_ms and l.plant_id = b.plant_id), 0)
                       as late_temperature
              from plant_bucket b)
     where reading_count > late_count;

-- Facts, as all of the outbox: until when a row is put off, because its chat has quiet hours.
alter table outbox add column deferred_until integer not null default 0;
