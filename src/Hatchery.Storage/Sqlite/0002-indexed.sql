-- A record names its index rows itself, so that a change touches only the rows that differ, and no second index is kept to find them.
-- indexed: JSON, [["name","value"],…]. Before json, which may run over many pages.
CREATE TABLE records_new (
    schema TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires TEXT,
    indexed TEXT,
    json TEXT NOT NULL,
    PRIMARY KEY (schema, key)
) STRICT;
INSERT INTO records_new (schema, key, version, expires, indexed, json)
    SELECT r.schema, r.key, r.version, r.expires,
        (SELECT json_group_array(json_array(i.name, i.value)) FROM record_indexes i WHERE i.schema = r.schema AND i.key = r.key HAVING count(*) > 0), r.json
    FROM records r;
DROP TRIGGER records_gone;
DROP INDEX record_indexes_key;
DROP TABLE records;
ALTER TABLE records_new RENAME TO records;
CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL;
