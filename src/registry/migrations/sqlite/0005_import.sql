-- Imports of keys that another system issued. Never edited once released.

-- A feed row may stand for a run of objects, object_id and the count - 1 that follow it: a batch of an import. Rows without one
-- here stand for one object.
CREATE TABLE feed_spans (
        seq   INTEGER PRIMARY KEY,
        count INTEGER NOT NULL CHECK (count > 1)
) STRICT;

-- state: registry/import.h. `imported` is exact at any moment: it changes in the transaction that makes the keys.
CREATE TABLE imports (
        id             INTEGER PRIMARY KEY AUTOINCREMENT,
        state          INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),
        all_or_nothing INTEGER NOT NULL CHECK (all_or_nothing IN (0, 1)),
        dry_run        INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
        lines          INTEGER NOT NULL,
        imported       INTEGER NOT NULL,
        rejected       INTEGER NOT NULL,
        warned         INTEGER NOT NULL,
        actor          TEXT NOT NULL,
        source         TEXT NOT NULL,
        report         TEXT NOT NULL,
        created_s      INTEGER NOT NULL,
        updated_s      INTEGER NOT NULL
) STRICT;
CREATE INDEX imports_unfinished ON imports (state) WHERE state < 3;
