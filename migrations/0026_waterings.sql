-- When plants were watered: by people's word, and as their readings show it.

-- A view of `houseplant-waterings`.
create table plant_watering_said (
    record_key text primary key,
    plant_id integer not null,
    at_ms integer not null,
    record_partition integer not null,
    record_offset integer not null,
    record_ts_ms integer not null
) strict, without rowid;
create index plant_watering_said_plant on plant_watering_said (plant_id, at_ms);

-- A view of quarter hours: those that show a watering first, and when it began.
create table plant_watering_found (
    start_ms integer not null,
    plant_id integer not null,
    at_ms integer not null,
    primary key (start_ms, plant_id)
) strict, without rowid;
create index plant_watering_found_plant on plant_watering_found (plant_id, at_ms);

-- One row at most: quarter hours that begin before this have been looked at.
create table plant_watering_judged (
    id integer primary key check (id = 1),
    until_ms integer not null
) strict;

-- Every watering of a plant. One that was said and is found, too, is two rows.
create view plant_watering as
    select plant_id, at_ms, 1 as is_said from plant_watering_said
    union all
    select plant_id, at_ms, 0 as is_said from plant_watering_found;
