-- Facts: schemas that a registry told us. Its ids mean nothing to another one.
create table registry_schema (
    registry text not null,
    id integer not null,
    schema text not null,
    learnt_at integer not null,
    primary key (registry, id)
) strict;
