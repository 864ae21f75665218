-- Networks that devices looked for for the first time, within one step: they become rows of
-- wifi_seeker at once and in its order, and a network that is looked for again costs no look there.
create table wifi_sought (
    ssid blob not null,
    mac integer not null
) strict;
create trigger wifi_ssid_sought after insert on wifi_ssid begin
    insert into wifi_sought (ssid, mac) values (new.ssid, new.mac);
end;
