-- The first schema of the registry, for SQLite 3.40 and newer. Never edited once released: changes are new files.
-- Names and meanings: registry/model.h. Times are seconds since 1970, 0 = none.

-- One row: what this installation is called, for ever.
CREATE TABLE installation (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id  BLOB NOT NULL CHECK (length(id) = 16)
) STRICT;

-- Numbers that must have no gaps and are never given out twice. `settle` is written over a commit that failed.
CREATE TABLE counters (
        name  TEXT PRIMARY KEY,
        value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('audit', 0), ('feed', 0), ('key', 0), ('settle', 0);

CREATE TABLE apis (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        version     INTEGER NOT NULL DEFAULT 1,
        state       INTEGER NOT NULL CHECK (state IN (1, 2)),
        name        TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
        description TEXT NOT NULL,
        prefix      TEXT NOT NULL,
        created_s   INTEGER NOT NULL,
        updated_s   INTEGER NOT NULL
) STRICT;

CREATE TABLE environments (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        version     INTEGER NOT NULL DEFAULT 1,
        api_id      INTEGER NOT NULL REFERENCES apis (id),
        state       INTEGER NOT NULL CHECK (state IN (1, 2)),
        name        TEXT NOT NULL CHECK (length(name) > 0),
        tag         TEXT NOT NULL CHECK (length(tag) > 0),
        description TEXT NOT NULL,
        created_s   INTEGER NOT NULL,
        updated_s   INTEGER NOT NULL,
        UNIQUE (api_id, name),
        UNIQUE (api_id, tag)
) STRICT;

CREATE TABLE scopes (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        version     INTEGER NOT NULL DEFAULT 1,
        api_id      INTEGER NOT NULL REFERENCES apis (id),
        name        TEXT NOT NULL CHECK (length(name) > 0),
        description TEXT NOT NULL,
        created_s   INTEGER NOT NULL,
        updated_s   INTEGER NOT NULL,
        UNIQUE (api_id, name)
) STRICT;

-- The newest definition of each plan, and in plan_versions every one that it has had.
CREATE TABLE plans (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        version     INTEGER NOT NULL DEFAULT 1,
        api_id      INTEGER NOT NULL REFERENCES apis (id),
        name        TEXT NOT NULL CHECK (length(name) > 0),
        description TEXT NOT NULL,
        limits      TEXT NOT NULL,
        created_s   INTEGER NOT NULL,
        updated_s   INTEGER NOT NULL,
        UNIQUE (api_id, name)
) STRICT;

CREATE TABLE plan_versions (
        plan_id     INTEGER NOT NULL REFERENCES plans (id),
        version     INTEGER NOT NULL,
        name        TEXT NOT NULL,
        description TEXT NOT NULL,
        limits      TEXT NOT NULL,
        created_s   INTEGER NOT NULL,
        PRIMARY KEY (plan_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE consumers (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        version     INTEGER NOT NULL DEFAULT 1,
        state       INTEGER NOT NULL CHECK (state IN (1, 2)),
        name        TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
        description TEXT NOT NULL,
        metadata    TEXT NOT NULL,
        created_s   INTEGER NOT NULL,
        updated_s   INTEGER NOT NULL
) STRICT;

CREATE TABLE subscriptions (
        id             INTEGER PRIMARY KEY AUTOINCREMENT,
        version        INTEGER NOT NULL DEFAULT 1,
        consumer_id    INTEGER NOT NULL REFERENCES consumers (id),
        environment_id INTEGER NOT NULL REFERENCES environments (id),
        plan_id        INTEGER NOT NULL REFERENCES plans (id),
        state          INTEGER NOT NULL CHECK (state IN (1, 2, 4)),
        started_s      INTEGER NOT NULL,
        created_s      INTEGER NOT NULL,
        updated_s      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX subscriptions_current ON subscriptions (consumer_id, environment_id) WHERE state <> 4;
CREATE INDEX subscriptions_consumer ON subscriptions (consumer_id);
CREATE INDEX subscriptions_environment ON subscriptions (environment_id);
CREATE INDEX subscriptions_plan ON subscriptions (plan_id);

-- `id` is the key's number, from the counter `key`. Issued keys are found by it: an index over all digests, which are
-- random, would halve the rate of inserts. Only imported keys are found by digest.
CREATE TABLE keys (
        id             INTEGER PRIMARY KEY,
        version        INTEGER NOT NULL DEFAULT 1,
        environment_id INTEGER NOT NULL REFERENCES environments (id),
        consumer_id    INTEGER NOT NULL REFERENCES consumers (id),
        state          INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
        generation     INTEGER NOT NULL,
        pepper_version INTEGER NOT NULL CHECK (pepper_version BETWEEN 0 AND 15),
        imported       INTEGER NOT NULL CHECK (imported IN (0, 1)),
        digest         BLOB NOT NULL CHECK (length(digest) = 32),
        name           TEXT NOT NULL,
        hint           TEXT NOT NULL,
        scopes         TEXT NOT NULL,
        limits         TEXT NOT NULL,
        restrictions   TEXT NOT NULL,
        metadata       TEXT NOT NULL,
        not_before_s   INTEGER NOT NULL,
        expires_s      INTEGER NOT NULL,
        created_s      INTEGER NOT NULL,
        updated_s      INTEGER NOT NULL,
        revoked_s      INTEGER NOT NULL,
        created_by     TEXT NOT NULL,
        revoke_reason  TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX keys_imported_digest ON keys (digest) WHERE imported = 1;
CREATE INDEX keys_environment ON keys (environment_id);
CREATE INDEX keys_consumer ON keys (consumer_id);
-- Nearly all keys are active: the index is for the others, and inserts do not pay for it.
CREATE INDEX keys_not_active ON keys (state) WHERE state <> 1;

CREATE TABLE peppers (
        version     INTEGER PRIMARY KEY CHECK (version BETWEEN 0 AND 15),
        check_bytes BLOB NOT NULL CHECK (length(check_bytes) = 8),
        created_s   INTEGER NOT NULL
) STRICT;

-- docs/formats/audit.md.
CREATE TABLE audit_entries (
        seq       INTEGER PRIMARY KEY,
        at_s      INTEGER NOT NULL,
        actor     TEXT NOT NULL,
        source    TEXT NOT NULL,
        action    TEXT NOT NULL,
        object    INTEGER NOT NULL CHECK (object BETWEEN 1 AND 8),
        object_id INTEGER NOT NULL,
        canonical BLOB NOT NULL,
        log_index INTEGER
) STRICT;

CREATE TABLE feed (
        seq       INTEGER PRIMARY KEY,
        object    INTEGER NOT NULL CHECK (object BETWEEN 1 AND 8),
        object_id INTEGER NOT NULL,
        version   INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
        actor        TEXT NOT NULL,
        request_key  TEXT NOT NULL,
        request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
        object       INTEGER NOT NULL CHECK (object BETWEEN 1 AND 8),
        object_id    INTEGER NOT NULL,
        created_s    INTEGER NOT NULL,
        PRIMARY KEY (actor, request_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_created ON idempotency (created_s);
