-- What meters held when they were last flushed (docs/formats/meter-journal.md). Never edited once released.

-- kind: 1 key, 2 subscription, 3 route. Values are absolute; refused is a running total. `limits` holds limit_count limits as a
-- record of the journal does, with debts as of gate_ns. A later owner of a key's number has another generation, and its own row.
CREATE TABLE usage_totals (
        kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
        owner_id    INTEGER NOT NULL,
        generation  INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 65535),
        admitted    INTEGER NOT NULL CHECK (admitted >= 0),
        refused     INTEGER NOT NULL CHECK (refused >= 0),
        last_used_s INTEGER NOT NULL,
        gate_ns     INTEGER NOT NULL,
        limit_count INTEGER NOT NULL,
        limits      BLOB NOT NULL,
        PRIMARY KEY (kind, owner_id, generation)
) STRICT, WITHOUT ROWID;

-- Of each incarnation of the gate, the last chunk that was applied, and the gate time up to which all use was flushed: one row a
-- boot, kept.
CREATE TABLE usage_flushes (
        incarnation INTEGER PRIMARY KEY,
        sequence    INTEGER NOT NULL,
        complete_s  INTEGER NOT NULL
) STRICT;
