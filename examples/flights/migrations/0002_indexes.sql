CREATE INDEX flights_by_delay ON flights (origin, dep_delay);
CREATE INDEX flights_by_carrier ON flights (carrier);
CREATE INDEX flights_by_plane ON flights (tailnum);
