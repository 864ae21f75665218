-- Facts of a rebuild that is under way: how far a pipeline had folded before its views were
-- emptied. Below these offsets it folds in silence; the rows go when it has come that far again.
create table past (
    pipeline text not null,
    topic text not null,
    partition integer not null,
    log_id text not null,
    next_offset integer not null,
    primary key (pipeline, topic, partition)
) strict, without rowid;

-- Facts: what the pipelines make of the machine's clock.
create table clock (
    id integer primary key check (id = 1),
    -- The latest time at which a step was stored.
    committed_at integer not null,
    -- Since when, by that clock, the pipelines stand still because it is far below that.
    paused_at integer,
    -- A jump that is not believed yet, and when it will be.
    jump_ms integer,
    believed_at integer
) strict;
-- 1 January 2026: a clock that is below this was never set.
insert into clock (id, committed_at) values (1, 1767225600000);
