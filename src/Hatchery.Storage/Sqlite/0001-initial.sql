-- Times are text, UTC, "2026-01-31T12:00:00.000000Z", and compare as text.
CREATE TABLE records (
    schema TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    json TEXT NOT NULL,
    expires TEXT,
    PRIMARY KEY (schema, key)
) STRICT;
CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL;

CREATE TABLE record_indexes (
    schema TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (schema, name, value, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_indexes_key ON record_indexes (schema, key);
CREATE TRIGGER records_gone AFTER DELETE ON records BEGIN
    DELETE FROM record_indexes WHERE schema = old.schema AND key = old.key;
END;

CREATE TABLE devices (
    id TEXT NOT NULL PRIMARY KEY,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    last_protocol TEXT NOT NULL,
    owner TEXT,
    profile TEXT,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- standing: 0 claimed, 1 goes by it and has proven nothing, 2 proven
CREATE TABLE device_identifiers (
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    standing INTEGER NOT NULL,
    PRIMARY KEY (device, kind, value)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX device_identifiers_name ON device_identifiers (kind, value, standing) WHERE standing > 0;

CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    device TEXT,
    subject TEXT NOT NULL,
    listener TEXT NOT NULL,
    remote TEXT,
    detail TEXT NOT NULL,
    chain TEXT NOT NULL
) STRICT;
CREATE INDEX audit_device ON audit (device, number) WHERE device IS NOT NULL;

CREATE TABLE leases (
    job TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until TEXT NOT NULL,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
