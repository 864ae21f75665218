-- Plants that somebody said to have watered since the last step: their alerts are looked at again.
create table plant_watering_fresh (
    plant_id integer primary key
) strict;
