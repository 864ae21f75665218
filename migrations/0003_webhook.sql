-- Facts: how updates reach the bot, as it last saw it. One row.
create table intake (
    id integer primary key check (id = 1),
    way text not null check (way in ('polling', 'webhook')),
    -- Updates that Telegram holds for us; null where it was not asked.
    pending integer,
    -- Why Telegram's last delivery to the webhook failed, and when.
    last_error text,
    last_error_at integer,
    -- When another program was last seen with the same token.
    rival_at integer
) strict;

-- Facts: what Telegram's calls to the webhook are known by, where the configuration gives nothing.
create table webhook_secret (
    id integer primary key check (id = 1),
    secret text not null
) strict;
