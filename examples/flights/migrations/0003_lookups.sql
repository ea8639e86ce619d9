-- How often somebody asked for an airport: counted by an upsert.
CREATE TABLE lookups (
    airport  TEXT PRIMARY KEY REFERENCES airports (faa),
    times    INTEGER NOT NULL,
    last_at  TIMESTAMPTZ NOT NULL
);
