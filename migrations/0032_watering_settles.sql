-- Waterings that were told and not looked at by the lives of alerts: these wait for the watermark.
create table plant_watering_fresh (
    at_ms integer not null,
    plant_id integer not null,
    primary key (at_ms, plant_id)
) strict, without rowid;
