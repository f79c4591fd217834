-- Searching the audit log, and admin keys that are bound to APIs. Never edited once released.

-- The log is read from the newest entry on, narrowed by one of these; seq, which orders entries of one second, is the row's own id and
-- so the end of each index.
CREATE INDEX audit_object ON audit_entries (object, object_id, at_s);
CREATE INDEX audit_kind ON audit_entries (object, at_s);
CREATE INDEX audit_actor ON audit_entries (actor, at_s);
CREATE INDEX audit_action ON audit_entries (action, at_s);
CREATE INDEX audit_time ON audit_entries (at_s);

-- The names of the APIs that an admin key may act on, as a JSON array; empty: on all. Set when it is issued, and never changed.
ALTER TABLE keys ADD COLUMN only_apis TEXT NOT NULL DEFAULT '[]';
-- Few keys are bound: the index is for those, and other inserts do not pay for it.
CREATE INDEX keys_bound ON keys (id) WHERE only_apis <> '[]';
