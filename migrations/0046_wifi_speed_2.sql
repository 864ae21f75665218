-- Networks that devices looked for for the first time, within one step: they become rows of
-- wifi_seeker at once and in its order, and a network that is looked for again costs no look there.
create table wifi_sought (
    ssid blob not null,
    mac integer not null,
    primary key (ssid, mac)
) strict, without rowid;
create trigger wifi_ssid_sought after insert on wifi_ssid begin
    insert into wifi_sought (ssid, mac) values (new.ssid, new.mac);
end;

-- Names are compared by these indexes alone: their condition is about the column that they hold.
drop index wifi_given_name;
create index wifi_given_name on wifi_given (name_key) where name_key is not null;
drop index wifi_document_name;
create index wifi_document_name on wifi_document (name_key) where name_key is not null;
