-- Pipelines that stand still until somebody sees to something outside.
create table standstill (
    pipeline text primary key,
    reason text not null,
    since_at integer not null,
    -- When the owners were told.
    told_at integer
) strict, without rowid;
