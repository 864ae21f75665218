-- Facts: what a watering that somebody told has settled, for whoever takes that back.
create table plant_watering_settled (
    plant_id integer not null,
    at_ms integer not null,
    -- Since when it had been dry.
    since_ms integer not null,
    primary key (plant_id, at_ms)
) strict, without rowid;

-- A view: spans of plants' pasts that late readings changed, until waterings are looked for in them
-- again.
create table plant_watering_doubt (
    plant_id integer not null,
    from_ms integer not null,
    to_ms integer not null,
    primary key (plant_id, from_ms)
) strict;
