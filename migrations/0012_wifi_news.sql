-- What is news about Wi-Fi devices.

-- Facts: probes that matter by themselves, held until their true order is known, or until it is
-- known what their SSIDs are written in (`reading`).
create table wifi_candidate (
    event_ms integer not null,
    partition integer not null,
    offset integer not null,
    reading text not null check (reading in ('sure', 'text', 'hex')),
    mac integer not null,
    ssid blob not null,
    interest text not null check (interest in ('watched', 'resembles', 'hides_bytes')),
    -- The watched network that it looks like.
    watched blob,
    -- Its turn had come, and there were too many for one step.
    is_ready integer not null,
    primary key (event_ms, partition, offset, reading)
) strict, without rowid;
create index wifi_candidate_ready on wifi_candidate (event_ms) where is_ready = 1;

-- Facts: what the cool-down held back, by the end of the day, until the day is told.
create table wifi_held (
    ends_ms integer not null,
    mac integer not null,
    ssid blob not null,
    probe_count integer not null,
    primary key (ends_ms, mac, ssid)
) strict, without rowid;

-- A view: devices under their maker's address that were heard for the first time, until it is known
-- when that was. (mac >> 41) & 1 is the mark of a made-up address.
create table wifi_new (
    mac integer primary key,
    -- It is known, and not told yet because there are many.
    is_ready integer not null default 0
) strict;
create index wifi_new_ready on wifi_new (mac) where is_ready = 1;
create trigger wifi_device_new after insert on wifi_device when (new.mac >> 41) & 1 = 0 begin
    insert or ignore into wifi_new (mac) values (new.mac);
end;

-- A view: when the first and the newest frame of any kind was captured.
create table wifi_span (
    id integer primary key check (id = 1),
    first_ms integer not null,
    last_ms integer not null
) strict;
