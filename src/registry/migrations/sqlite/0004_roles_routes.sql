-- Roles and routes. Never edited once released.

-- More kinds of object than the first schema knew: roles (10), routes (11). The tables may hold a hundred million rows, and what they
-- hold satisfies the wider check, so only the text of the check is changed (https://www.sqlite.org/lang_altertable.html, section 7,
-- the shorter procedure). What is created below changes the schema's cookie, so that nobody goes on with the old text.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'object BETWEEN 1 AND 8', 'object BETWEEN 1 AND 255')
        WHERE type = 'table' AND name IN ('audit_entries', 'feed', 'idempotency');
PRAGMA writable_schema = RESET;

-- deleted_s: 0, or when it was deleted. The row stays: audit entries, feed rows and revoked keys name it. Its name is free again.
CREATE TABLE roles (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        version     INTEGER NOT NULL DEFAULT 1,
        api_id      INTEGER NOT NULL REFERENCES apis (id),
        name        TEXT NOT NULL CHECK (length(name) > 0),
        description TEXT NOT NULL,
        scopes      TEXT NOT NULL,
        created_s   INTEGER NOT NULL,
        updated_s   INTEGER NOT NULL,
        deleted_s   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX roles_current ON roles (api_id, name) WHERE deleted_s = 0;

-- The roles of a key, as a JSON object of names and ids; and the same by role, to find the keys of one.
ALTER TABLE keys ADD COLUMN roles TEXT NOT NULL DEFAULT '{}';
CREATE TABLE key_roles (
        role_id INTEGER NOT NULL REFERENCES roles (id),
        key_id  INTEGER NOT NULL REFERENCES keys (id),
        PRIMARY KEY (role_id, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_roles_key ON key_roles (key_id);

-- `shape` is the path without the names of its parameters: two routes of one method and shape would match the same requests.
CREATE TABLE routes (
        id             INTEGER PRIMARY KEY AUTOINCREMENT,
        version        INTEGER NOT NULL DEFAULT 1,
        environment_id INTEGER NOT NULL REFERENCES environments (id),
        method         TEXT NOT NULL CHECK (length(method) > 0),
        path           TEXT NOT NULL CHECK (length(path) > 0),
        shape          TEXT NOT NULL,
        scope          TEXT NOT NULL,
        cost           INTEGER NOT NULL CHECK (cost >= 0),
        limits         TEXT NOT NULL,
        description    TEXT NOT NULL,
        created_s      INTEGER NOT NULL,
        updated_s      INTEGER NOT NULL,
        deleted_s      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX routes_current ON routes (environment_id, method, shape) WHERE deleted_s = 0;
