-- The log in which the records of an edit were placed. What was placed before logs were kept with it
-- goes out again; newer edits follow it.
alter table publication add column placed_log text;
update publication set placed_partition = null, placed_offset = null;

-- Where a result table's topic ended when a row was last published, with its log (`log::once`); null
-- where none was since this is kept.
alter table result_table add column ends text;
