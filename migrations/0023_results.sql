-- Facts: result tables that are published, and their rows on the way to the log.

create table result_table (
    topic text primary key,
    -- Whose views its rows are read from.
    pipeline text not null
) strict, without rowid;

create table result_row (
    topic text not null,
    record_key text not null,
    -- The number of the change that waits to be published; null where none does.
    changed integer,
    -- The row as JSON, where the views do not keep it until then.
    value text,
    -- SHA-256 of what stands in the log under this key; null where nothing does.
    published blob,
    primary key (topic, record_key)
) strict, without rowid;
create index result_row_waiting on result_row (topic, changed) where changed is not null;
