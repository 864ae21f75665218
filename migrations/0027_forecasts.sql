-- Facts: what people were told in the evenings of plants that will be dry.

-- One row at most: the evening that is to come, or that is gone through in the order of plants.
create table forecast_evening (
    id integer primary key check (id = 1),
    evening_ms integer not null,
    -- Plants up to this one have been looked at.
    after_plant_id integer not null
) strict;

-- The newest evening at which each plant was told of.
create table forecast_told (
    plant_id integer primary key,
    evening_ms integer not null
) strict;
