"""A registry of millions of keys for the area `gate`, made in seconds: the daemon makes a few objects, SQLite multiplies their rows.

So rows are what this daemon writes, whatever its schema is, but for what is drawn here: numbers, owners and digests.
Every consumer has KEYS_A_CONSUMER keys, scattered over all numbers, as when customers come back for more. One key in
OWN_ADDRESSES has an address block of its own, one in REVOKED is revoked.
"""

import sqlite3

KEYS_A_CONSUMER = 10
OWN_ADDRESSES = 100
REVOKED = 50

API = "weather"
SCOPE = "forecast:read"
VARIANTS = 8

# Coprime to every number of consumers that a bench is run with: consecutive keys belong to consumers that are far apart.
STRIDE = 2_654_435_761


def limits(variant):
    return [{"name": "requests", "kind": "rate", "limit": 100 * (variant + 1), "per": "1m"},
            {"name": "daily", "kind": "window", "limit": 10_000 * (variant + 1), "per": "day"}]


def make_templates(client, layout):
    """The objects to be multiplied; returns a key, whose decisions tell whether the gate knows it."""
    common = {"api": API, "create_missing": True, "consumer": "template"}
    plaintext = None
    for variant in range(VARIANTS):
        scopes = [SCOPE, *(f"map{number}:read" for number in range(variant % 3))]
        own = {"limits": limits(variant)} if layout == "key" else {}
        plaintext = client.issue(**common, **own, scopes=scopes)["key"]
    if layout == "subscription":
        for variant in range(VARIANTS):
            client.done(client.post(f"/v1/apis/{API}/plans", {"name": f"plan-{variant}", "limits": limits(variant)}))
        if not list(client.every("/v1/subscriptions?consumer=template")):
            client.done(client.post("/v1/subscriptions", {"consumer": "template", "api": API, "plan": "plan-0"}))
    return plaintext


class Filler:
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA foreign_keys = OFF;")

    def one(self, sql, *parameters):
        return self.db.execute(sql, parameters).fetchone()[0]

    def multiply(self, table, count, template, changes):
        """`count` rows like those that the subquery `template` gives (t), with `changes` to columns; n counts from 0."""
        columns = [row[1] for row in self.db.execute(f"PRAGMA table_info({table})")]
        values = [changes.get(column, f"t.{column}") for column in columns]
        self.db.execute(f"INSERT INTO {table} ({', '.join(columns)}) WITH RECURSIVE numbers (n) AS"
                        f" (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})"
                        f" SELECT {', '.join(values)} FROM numbers JOIN {table} t ON t.id = {template}")

    def without_indexes(self, table):
        """Sorting at the end is faster than inserting in no order."""
        made = self.db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
                               (table,)).fetchall()
        for name, _ in made:
            self.db.execute(f"DROP INDEX {name}")
        return [sql for _, sql in made]

    def close(self):
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.close()


def multiply_usage(filler, first_key, first_subscription):
    """Everybody has used what the template has: all of it is brought back when the gate is made anew."""
    for kind, table, first in ((1, "keys", first_key), (2, "subscriptions", first_subscription)):
        if first:
            generation = "o.generation" if table == "keys" else "0"
            filler.db.execute(f"INSERT INTO usage_totals SELECT t.kind, o.id, {generation}, t.admitted, t.refused, t.last_used_s,"
                              f" t.gate_ns, t.limit_count, t.limits FROM {table} o JOIN"
                              f" (SELECT * FROM usage_totals WHERE kind = {kind} ORDER BY admitted DESC LIMIT 1) t WHERE o.id >= {first}")
            if filler.one("SELECT count(*) FROM usage_totals WHERE kind = ?", kind) < 2:
                raise SystemExit(f"no usage of {table} was flushed")


def fill(path, keys, layout):
    """Add so many keys, with their consumers and, in the layout `subscription`, a subscription for each consumer."""
    filler = Filler(path)
    consumers = keys // KEYS_A_CONSUMER
    filler.db.execute("BEGIN")
    template = filler.one("SELECT id FROM consumers WHERE name = 'template'")
    first_consumer = filler.one("SELECT max(id) + 1 FROM consumers")
    filler.multiply("consumers", consumers, template, {"id": f"{first_consumer} + n", "name": "'customer-' || n"})
    if layout == "subscription":
        first = filler.one("SELECT max(id) + 1 FROM subscriptions")
        first_plan = filler.one("SELECT min(id) FROM plans WHERE name LIKE 'plan-%'")
        of_template = filler.one("SELECT max(id) FROM subscriptions WHERE consumer_id = ?", template)
        filler.multiply("subscriptions", consumers, of_template, {
            "id": f"{first} + n", "consumer_id": f"{first_consumer} + n", "plan_id": f"{first_plan} + n % {VARIANTS}"})
    first_key = filler.one("SELECT max(id) + 1 FROM keys")
    indexes = filler.without_indexes("keys")
    filler.multiply("keys", keys, f"{first_key - VARIANTS} + n % {VARIANTS}", {
        "id": f"{first_key} + n", "consumer_id": f"{first_consumer} + n * {STRIDE} % {consumers}", "digest": "randomblob(32)",
        "state": f"iif(n % {REVOKED} = 7, 3, 1)",
        "restrictions": f"iif(n % {OWN_ADDRESSES} = 3, '{{\"cidrs\":[\"10.' || (n >> 16 & 255) || '.' || (n >> 8 & 255) || '.'"
                        f" || (n & 255) || '/32\"]}}', t.restrictions)"})
    for sql in indexes:
        filler.db.execute(sql)
    multiply_usage(filler, first_key, 0 if layout == "key" else first)
    filler.db.execute("UPDATE counters SET value = (SELECT max(id) FROM keys) WHERE name = 'key'")
    filler.db.execute("COMMIT")
    filler.close()
