-- What made folding many devices slow: rows that went in against the order of their keys.

-- Who looked for a network: a table of its own, filled in its own order.
drop index wifi_ssid_name;
create table wifi_seeker (
    ssid blob not null,
    mac integer not null,
    primary key (ssid, mac)
) strict, without rowid;
insert into wifi_seeker (ssid, mac) select ssid, mac from wifi_ssid order by ssid, mac;

-- At least as many as a device has networks in wifi_ssid: each step adds those that it brings, and
-- they are counted where that passes the limit.
drop trigger wifi_ssid_counted;
alter table wifi_device rename column ssid_count to ssid_bound;
