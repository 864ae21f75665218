-- Views of the plants room: rebuilt from `houseplant-metadata` and `houseplant-readings`.

create table plant (
    plant_id integer primary key,
    given_name text not null,
    name_key text not null,
    common_name text not null,
    scientific_name text not null,
    temperature_low real not null,
    temperature_high real not null,
    moisture_low real not null,
    moisture_high real not null,
    record_partition integer not null,
    record_offset integer not null,
    record_ts_ms integer not null
) strict;
-- Names are looked up without case: `name_key` is the lower-case name.
create index plant_name on plant (name_key);

-- Low readings by 6 h window. Time comes first in the key: closing and pruning are ranges.
create table plant_window (
    start_ms integer not null,
    plant_id integer not null,
    low_count integer not null,
    primary key (start_ms, plant_id)
) strict, without rowid;

-- Quarter hours, for charts. Values are thousandths; sums are whole, so they do not depend on
-- order.
create table plant_bucket (
    start_ms integer not null,
    plant_id integer not null,
    reading_count integer not null,
    moisture_sum integer not null,
    moisture_min integer not null,
    moisture_max integer not null,
    temperature_sum integer not null,
    temperature_min integer not null,
    temperature_max integer not null,
    primary key (start_ms, plant_id)
) strict, without rowid;

create table plant_latest (
    plant_id integer primary key,
    event_ms integer not null,
    record_partition integer not null,
    record_offset integer not null,
    moisture integer not null,
    temperature integer not null
) strict;
