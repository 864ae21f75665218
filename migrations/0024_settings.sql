-- Facts: how a chat wants to be told things. A chat without a row has what the house has.

create table chat_setting (
    chat_id integer primary key,
    -- An IANA name; null is the house's own zone.
    time_zone text,
    unit text not null check (unit in ('celsius', 'fahrenheit')),
    -- Quiet hours in minutes of the chat's day: from the first on, up to the second; null where
    -- there are none.
    quiet_from integer check (quiet_from between 0 and 1439),
    quiet_to integer check (quiet_to between 0 and 1439),
    check ((quiet_from is null) = (quiet_to is null)),
    check (quiet_from <> quiet_to)
) strict;
