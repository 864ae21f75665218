-- A state.db as windowsill 0.1.0 (schema 2) left it on 21 Nov 2026 at 09:00 UTC: an edit in the
-- middle, an open window with 100 low readings, a closed one whose alert was told, two answers that
-- wait; and two conversations that no later version can go on with. LOG_ID stands for the log's.
insert into inbox values (1795000032,1795251600097,11,NULL,'done',1);
insert into inbox values (1795000033,1795251600114,11,NULL,'done',1);
insert into inbox values (1795000034,1795251600137,11,NULL,'done',1);
insert into inbox values (1795000035,1795251600153,11,NULL,'done',1);
insert into conversation values (11,11,0,'plants',1795000034,'{"discard_for":null,"existing":{"offset":0,"partition":0,"values":{"CommonName":"Some Fern","GivenName":"Old fern","MoistureHigh":90.0,"MoistureLow":30.0,"ScientificName":"Filix quaedam","TemperatureHigh":30.0,"TemperatureLow":15.0}},"free_id":0,"offers":[[7,"Old fern"]],"plant_id":7,"step":{"Field":"ScientificName"},"values":{"GivenName":"Middle fern"}}',1795253400143);
insert into outbox values (2,11,NULL,'alert','say','{"text":{"lines":[[{"style":"Plain","text":"🥀 "},{"style":"Bold","text":"Old fern"},{"style":"Plain","text":" the "},{"style":"Plain","text":"Some Fern"},{"style":"Plain","text":" ("},{"style":"Italic","text":"Filix quaedam"},{"style":"Plain","text":") is looking pretty dry..."}],[{"style":"Plain","text":"130 low readings, Sat 21 Nov 00:00–06:00: below 30 % moisture."}]]},"keyboard":[],"silent":false,"brief":{"line":{"lines":[[{"style":"Plain","text":"🥀 "},{"style":"Bold","text":"Old fern"},{"style":"Plain","text":" was dry, Sat 21 Nov 00:00–06:00 (130 low readings)"}]]},"urgent":false}}',NULL,NULL,'sent',1,0,1795251600106,NULL,1795251600115,2,NULL);
insert into outbox values (3,11,NULL,'reply','say','{"text":{"lines":[[{"style":"Plain","text":"Hello! /help lists what I can do."}]]},"keyboard":[],"silent":false}',NULL,NULL,'sent',1,0,1795251600109,NULL,1795251600123,4,NULL);
insert into outbox values (5,11,NULL,'reply','say','{"text":{"lines":[[{"style":"Plain","text":"Please enter plant''s given name or /skip to keep the present one."}],[{"style":"Italic","text":"Now: "},{"style":"Plain","text":"Old fern"}]]},"keyboard":[[{"label":"Keep Old fern","data":"d:1795000033:keep"}],[{"label":"« Back","data":"d:1795000033:back"},{"label":"Cancel","data":"d:1795000033:cancel"}]],"silent":false}',NULL,NULL,'sent',1,0,1795251600130,NULL,1795251600132,5,NULL);
insert into outbox values (6,11,NULL,'reply','say','{"text":{"lines":[[{"style":"Plain","text":"Please enter plant''s scientific name or /skip to keep the present one."}],[{"style":"Italic","text":"Now: "},{"style":"Plain","text":"Filix quaedam"}]]},"keyboard":[[{"label":"Keep Filix quaedam","data":"d:1795000034:keep"}],[{"label":"« Back","data":"d:1795000034:back"},{"label":"Cancel","data":"d:1795000034:cancel"}]],"silent":false}',NULL,NULL,'sent',1,0,1795251600143,NULL,1795251600151,7,NULL);
insert into outbox values (7,11,NULL,'reply','say','{"text":{"lines":[[{"style":"Plain","text":"I know no plant called "},{"style":"Plain","text":"“nobody”"},{"style":"Plain","text":"."},{"style":"Plain","text":" /plants lists them all."}]]},"keyboard":[],"silent":false}',NULL,NULL,'waiting',1,1795251600888,1795251600160,NULL,NULL,NULL,'telegram refused (500): no');
insert into outbox values (8,11,NULL,'reply','say','{"text":{"lines":[[{"style":"Plain","text":"Please enter plant''s scientific name or /skip to keep the present one."}],[{"style":"Italic","text":"Now: "},{"style":"Plain","text":"Filix quaedam"}]]},"keyboard":[[{"label":"Keep Filix quaedam","data":"d:1795000034:keep"}],[{"label":"« Back","data":"d:1795000034:back"},{"label":"Cancel","data":"d:1795000034:cancel"}]],"silent":false}',NULL,NULL,'waiting',0,0,1795251600160,NULL,NULL,NULL,NULL);
insert into alert values ('plants.dry','7',1795240800000,'',1795251600106,0,'sent','{"lines":[[{"style":"Plain","text":"🥀 "},{"style":"Bold","text":"Old fern"},{"style":"Plain","text":" the "},{"style":"Plain","text":"Some Fern"},{"style":"Plain","text":" ("},{"style":"Italic","text":"Filix quaedam"},{"style":"Plain","text":") is looking pretty dry..."}],[{"style":"Plain","text":"130 low readings, Sat 21 Nov 00:00–06:00: below 30 % moisture."}]]}','{"lines":[[{"style":"Plain","text":"🥀 "},{"style":"Bold","text":"Old fern"},{"style":"Plain","text":" was dry, Sat 21 Nov 00:00–06:00 (130 low readings)"}]]}');
insert into subscription values (11,0,1795251600073,NULL,NULL);
insert into position values ('plants','houseplant-metadata',0,'LOG_ID',1,1795000032842,NULL,0,0);
insert into position values ('plants','houseplant-readings',0,'LOG_ID',230,1795247370000,1795247370000,230,0);
insert into pipeline values ('plants',1795251598103,1,1795251600106);
insert into plant values (7,'Old fern','old fern','Some Fern','Filix quaedam',15.0,30.0,30.0,90.0,0,0,1795000032842);
insert into plant_window values (1795219200000,7,130);
insert into plant_window values (1795240800000,7,100);
insert into plant_bucket values (1795222800000,7,30,300000,10000,10000,600000,20000,20000);
insert into plant_bucket values (1795223700000,7,30,300000,10000,10000,600000,20000,20000);
insert into plant_bucket values (1795224600000,7,30,300000,10000,10000,600000,20000,20000);
insert into plant_bucket values (1795225500000,7,30,300000,10000,10000,600000,20000,20000);
insert into plant_bucket values (1795226400000,7,10,100000,10000,10000,200000,20000,20000);
insert into plant_bucket values (1795244400000,7,30,300000,10000,10000,600000,20000,20000);
insert into plant_bucket values (1795245300000,7,30,300000,10000,10000,600000,20000,20000);
insert into plant_bucket values (1795246200000,7,30,300000,10000,10000,600000,20000,20000);
insert into plant_bucket values (1795247100000,7,10,100000,10000,10000,200000,20000,20000);
insert into plant_latest values (7,1795247370000,0,229,10000,20000);
insert into conversation values (12,12,0,'plants',1795000030,'{"step":{"Colour":"red"}}',1795253400143);
insert into conversation values (13,13,0,'greenhouse',1795000031,'{"bed":4}',1795253400143);
