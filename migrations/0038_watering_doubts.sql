-- A view: spans of plants' pasts that late readings changed, until waterings are looked for in them
-- again.
create table plant_watering_doubt (
    plant_id integer not null,
    from_ms integer not null,
    to_ms integer not null,
    primary key (plant_id, from_ms)
) strict;
