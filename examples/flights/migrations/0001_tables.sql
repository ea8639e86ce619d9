-- One file for SQLite and PostgreSQL: it uses what both understand.

CREATE TABLE airlines (
    carrier  TEXT PRIMARY KEY,
    name     TEXT NOT NULL
);

CREATE TABLE airports (
    faa    TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    lat    DOUBLE PRECISION,
    lon    DOUBLE PRECISION,
    alt    INTEGER,
    tzone  TEXT
);

CREATE TABLE planes (
    tailnum       TEXT PRIMARY KEY,
    year          INTEGER,
    manufacturer  TEXT,
    model         TEXT,
    seats         INTEGER
);

CREATE TABLE weather (
    origin      TEXT NOT NULL REFERENCES airports (faa),
    time_hour   TIMESTAMPTZ NOT NULL,
    temp        DOUBLE PRECISION,
    wind_speed  DOUBLE PRECISION,
    visib       DOUBLE PRECISION,
    PRIMARY KEY (origin, time_hour)
);

CREATE TABLE flights (
    id         INTEGER PRIMARY KEY,
    date       DATE NOT NULL,
    month      INTEGER NOT NULL CHECK (month BETWEEN 1 AND 12),
    hour       INTEGER NOT NULL,
    time_hour  TIMESTAMPTZ NOT NULL,
    carrier    TEXT NOT NULL REFERENCES airlines (carrier),
    flight     INTEGER NOT NULL,
    tailnum    TEXT REFERENCES planes (tailnum),
    origin     TEXT NOT NULL REFERENCES airports (faa),
    dest       TEXT NOT NULL REFERENCES airports (faa),
    dep_delay  INTEGER,
    arr_delay  INTEGER,
    air_time   INTEGER,
    distance   INTEGER NOT NULL
);
