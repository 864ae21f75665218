-- Which quarters of an hour left their plants' bands is seen in plant_bucket when they close.
drop table plant_suspect;
