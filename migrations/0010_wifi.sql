-- Views of the Wi-Fi room: rebuilt from `pcap`. A device's key is its MAC as a whole number.

create table wifi_device (
    mac integer primary key,
    probe_count integer not null,
    wildcard_count integer not null,
    first_ms integer not null,
    last_ms integer not null,
    signal_min_dbm integer,
    signal_max_dbm integer,
    -- Networks in wifi_ssid; whether others were heard beyond the limit.
    ssid_count integer not null default 0,
    ssids_complete integer not null default 1
) strict;
-- No index on last_ms: it would move with every probe. Who was heard in an hour is in wifi_hour.
create index wifi_device_full on wifi_device (mac) where ssid_count > 1000;

-- Every known address in blocks of some thousands, six bytes each, for whoever knows a part of one.
-- New ones arrive one by one and are packed when they fill a block.
create table wifi_arrival (
    mac integer primary key
) strict;
create trigger wifi_device_arrived after insert on wifi_device begin
    insert or ignore into wifi_arrival (mac) values (new.mac);
end;
create table wifi_block (
    id integer primary key,
    macs blob not null
) strict;
-- How many addresses are in blocks, and how many of them were forgotten since.
create table wifi_packed (
    id integer primary key check (id = 1),
    packed_count integer not null,
    forgotten_count integer not null
) strict;

-- The networks that a device looked for: at most 1,000 a device, the first by (first seen, value).
create table wifi_ssid (
    mac integer not null,
    ssid blob not null,
    probe_count integer not null,
    first_ms integer not null,
    last_ms integer not null,
    primary key (mac, ssid)
) strict, without rowid;
create index wifi_ssid_name on wifi_ssid (ssid);
create trigger wifi_ssid_counted after insert on wifi_ssid begin
    update wifi_device set ssid_count = ssid_count + 1 where mac = new.mac;
end;

-- The same while the stream has not shown whether SSIDs are text or hexadecimal; as text.
create table wifi_undecided (
    mac integer not null,
    ssid blob not null,
    probe_count integer not null,
    first_ms integer not null,
    last_ms integer not null,
    primary key (mac, ssid)
) strict, without rowid;

-- What the stream has shown of its encoding.
create table wifi_evidence (
    id integer primary key check (id = 1),
    hex_count integer not null,
    hex_first_ms integer,
    text_count integer not null,
    text_first_ms integer
) strict;
-- Probes that could be either, by minute since the epoch, until it is decided.
create table wifi_undecided_minute (
    minute integer primary key,
    probe_count integer not null
) strict;
-- Facts: what was decided, which may have gone by the clock, so that a rebuild obeys it; or since
-- when, by the pipelines' clock, nothing has come that could be either.
create table wifi_encoding (
    id integer primary key check (id = 1),
    decided text check (decided in ('text', 'hex')),
    reason text,
    heard_at integer
) strict;

-- Probes by hour since the epoch: pictures, and who was heard last. Time comes first in the key:
-- pruning is a range.
create table wifi_hour (
    hour integer not null,
    mac integer not null,
    probe_count integer not null,
    primary key (hour, mac)
) strict, without rowid;

-- Up to which hour randomised addresses that fell silent have been forgotten.
create table wifi_forgotten (
    id integer primary key check (id = 1),
    before_hour integer not null
) strict;

-- Documents of UniFi's change data, and the names they give.
create table wifi_document (
    collection text not null check (collection in ('device', 'user')),
    document_id text not null,
    mac integer,
    document_mac text,
    name text,
    hostname text,
    oui text,
    is_guest integer,
    device_name text,
    name_key text,
    primary key (collection, document_id)
) strict, without rowid;
create index wifi_document_mac on wifi_document (mac) where device_name is not null;
create index wifi_document_name on wifi_document (name_key) where device_name is not null;

-- Copy of `device-names`: names given in chat, and devices that are ignored or watched.
create table wifi_given (
    mac integer primary key,
    record_key text not null unique,
    name text,
    name_key text,
    ignored integer not null,
    watched integer not null,
    record_partition integer not null,
    record_offset integer not null,
    record_ts_ms integer not null
) strict;
create index wifi_given_name on wifi_given (name_key) where name is not null;

-- Copy of `ssid_alert_list_01`: networks that are watched.
create table wifi_watch (
    ssid blob primary key,
    reason text not null,
    record_partition integer not null,
    record_offset integer not null,
    record_ts_ms integer not null
) strict, without rowid;
