-- Documents are of type json and not jsonb: what peers sent may hold \u0000, which jsonb refuses, and the audit log's detail must stay byte for byte.
CREATE TABLE records (
    schema text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    json json NOT NULL,
    expires timestamptz,
    PRIMARY KEY (schema, key)
);
CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL;

CREATE TABLE record_indexes (
    schema text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (schema, name, value, key),
    FOREIGN KEY (schema, key) REFERENCES records ON DELETE CASCADE
);
CREATE INDEX record_indexes_key ON record_indexes (schema, key);

CREATE TABLE devices (
    id uuid PRIMARY KEY,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    last_protocol text NOT NULL,
    owner text,
    profile text,
    state text NOT NULL
);

-- standing: 0 claimed, 1 goes by it and has proven nothing, 2 proven
CREATE TABLE device_identifiers (
    device uuid NOT NULL REFERENCES devices,
    kind text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    standing smallint NOT NULL,
    PRIMARY KEY (device, kind, value)
);
CREATE UNIQUE INDEX device_identifiers_name ON device_identifiers (kind, value, standing) WHERE standing > 0;

CREATE TABLE audit (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    device uuid,
    subject text NOT NULL,
    listener text NOT NULL,
    remote text,
    detail json NOT NULL,
    chain text NOT NULL
);
CREATE INDEX audit_device ON audit (device, number) WHERE device IS NOT NULL;

-- One row. Who writes facts locks it: numbers have no gaps and the chain has no forks.
CREATE TABLE audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    number bigint NOT NULL,
    chain text NOT NULL
);
INSERT INTO audit_head (number, chain) VALUES (0, repeat('0', 64));

-- May be lost with the server; state is sealed.
CREATE UNLOGGED TABLE sessions (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    expires timestamptz NOT NULL,
    taken boolean NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX sessions_expires ON sessions (expires);

CREATE TABLE leases (
    job text PRIMARY KEY,
    holder text NOT NULL,
    until timestamptz NOT NULL,
    number bigint NOT NULL
);
