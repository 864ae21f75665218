-- Facts: which version of the program brought the schema where it is, so that an older one can say
-- what is needed.
create table migrated (
    schema_version integer primary key,
    program text not null,
    at_ms integer not null
) strict;
