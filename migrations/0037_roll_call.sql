-- A view: the plant up to which a roll-call of the silent has come that was too much for one step;
-- one row at most.
create table plant_roll_call (
    id integer primary key check (id = 1),
    after_plant_id integer not null
) strict;
