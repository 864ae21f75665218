-- Which sensor feeds which plant, when each was heard, and edits of more than one record.

-- A view of `houseplant-sensor-mapping`.
create table plant_sensor_mapping (
    sensor_id text primary key,
    plant_id integer not null,
    record_partition integer not null,
    record_offset integer not null,
    record_ts_ms integer not null
) strict, without rowid;
create index plant_sensor_mapping_plant on plant_sensor_mapping (plant_id);

-- A view of the `sensor-id` headers of readings: the newest event time of each sensor.
create table plant_sensor (
    sensor_id text primary key,
    heard_ms integer not null
) strict, without rowid;

-- Facts: what one decision changes, and what its author is told about it. Its records are told as
-- one: "saved" is said when all of them are.
create table edit (
    id integer primary key autoincrement,
    chat_id integer not null,
    thread_id integer,
    saved text not null,
    queued text not null,
    created_at integer not null,
    queued_at integer not null,
    queued_row integer
) strict;
insert into edit (id, chat_id, thread_id, saved, queued, created_at, queued_at, queued_row)
    select id, chat_id, thread_id, saved, queued, created_at, queued_at, queued_row
      from publication;

-- Facts: the records of edits on their way to the log, in order.
create table edit_record (
    id integer primary key autoincrement,
    edit_id integer not null references edit (id) on delete cascade,
    topic text not null,
    record_key text not null,
    value text,
    placed_partition integer,
    placed_offset integer
) strict;
insert into edit_record
        (id, edit_id, topic, record_key, value, placed_partition, placed_offset)
    select id, id, topic, record_key, value, placed_partition, placed_offset from publication;
drop table publication;
alter table edit_record rename to publication;
create index publication_edit on publication (edit_id);

-- Facts: edits that can never enter the log, kept with the reason for whoever looks into it.
create table failed_edit (
    id integer primary key,
    chat_id integer not null,
    thread_id integer,
    records text not null,
    reason text not null,
    created_at integer not null,
    failed_at integer not null
) strict;
