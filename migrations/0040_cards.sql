-- Facts: what a silence is about in one line, so that it can be listed.
alter table snooze add column brief text;

-- Facts: the digest that told an alert by its number alone, beyond those that it names.
alter table card_message add column digest_row integer;
create index card_message_digest on card_message (digest_row) where digest_row is not null;
