-- Facts: what is pending in a plant's life, and until when it was found bad last: a pause after that
-- makes it begin anew.
alter table plant_life add column bad_ms integer;
