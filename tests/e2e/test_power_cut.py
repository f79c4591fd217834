"""What was used stays used after a power cut: the daemon is killed and the gate's shared memory is gone.

Only what the data directory holds is left. The journal is waited for by its metric, never by the clock.
"""

import re
import shutil
import sqlite3
import time

import pytest

from daemon import Daemon

API = "weather"
WAIT_S = 30


def metric(client, name):
    found = re.search(rf"^{name} (\d+)$", client.get("/metrics").text, re.MULTILINE)
    assert found, name
    return int(found[1])


def wait_for_journal(client):
    """Until two seconds' work has begun and ended after now: all that was counted is durable."""
    wanted = metric(client, "tollkeeper_meter_journal_ticks_total") + 2
    deadline = time.monotonic() + WAIT_S
    while metric(client, "tollkeeper_meter_journal_ticks_total") < wanted:
        assert time.monotonic() < deadline, "the journal does not go on"
        time.sleep(0.02)
    assert metric(client, "tollkeeper_meter_journal_failures_total") == 0


def power_cut(daemon):
    daemon.kill()
    shutil.rmtree(daemon.gate)


def issue(client):
    limits = [{"name": "quota", "kind": "window", "limit": 5, "per": "month"},
              {"name": "burst", "kind": "rate", "limit": 100, "per": "day"}]
    return client.issue(api=API, create_missing=True, limits=limits)


def usage(client, key):
    return client.done(client.get(f"/v1/keys/{key['id']}/usage"))["key"]


def remaining(used):
    return {limit["name"]: limit["remaining"] for limit in used["limits"]}


def test_used_up_stays_used_up(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.start()
        with daemon.client() as client:
            key, other = issue(client), issue(client)
            assert [client.verify(key["key"], API) for _ in range(7)] == ["valid"] * 5 + ["quota_exceeded"] * 2
            assert client.verify(other["key"], API) == "valid"
            wait_for_journal(client)
            before = usage(client, key)
        power_cut(daemon)

        daemon.start()
        with daemon.client() as client:
            assert metric(client, "tollkeeper_meter_restore_records") > 0
            after = usage(client, key)
            assert (after["admitted"], after["refused"]) == (5, 2)
            assert after["last_used_at"] == before["last_used_at"]
            assert remaining(after) == remaining(before) == {"quota": 0, "burst": 95}
            assert client.verify(key["key"], API) == "quota_exceeded"
            assert client.verify(other["key"], API) == "valid"
            assert usage(client, other)["admitted"] == 2
            wait_for_journal(client)
        power_cut(daemon)

        daemon.start()
        with daemon.client() as client:
            assert usage(client, key)["refused"] == 3
            assert usage(client, other)["admitted"] == 2
            assert client.verify(key["key"], API) == "quota_exceeded"
        assert daemon.stop() == 0


def test_a_route_stays_used_up(tmp_path):
    """Limits that all who use a route share: from the journal after a power cut, from the registry where the journal is gone, too."""
    with Daemon(tmp_path) as daemon:
        daemon.start()
        with daemon.client() as client:
            keys = [issue(client)["key"] for _ in range(2)]
            client.done(client.post(f"/v1/apis/{API}/environments/production/routes", {
                "method": "GET", "path": "/v1/{city}", "limits": [{"name": "all", "kind": "window", "limit": 3, "per": "month"}]}))
            asked = {"method": "GET", "path": "/v1/oslo", "match_route": True}
            assert [client.verify(keys[i % 2], API, **asked) for i in range(4)] == ["valid"] * 3 + ["quota_exceeded"]
            wait_for_journal(client)
        for gone in ("", "meters.journal"):
            power_cut(daemon)
            if gone:
                (daemon.data / gone).unlink()
            daemon.start()
            with daemon.client() as client:
                assert client.verify(keys[1], API, **asked) == "quota_exceeded"
                assert client.verify(keys[1], API) == "valid"
                wait_for_journal(client)
            if not gone:  # what was used goes to the registry when the daemon stops
                assert daemon.stop() == 0
                daemon.start()


@pytest.mark.parametrize("gone", ["meters.journal", None])
def test_an_orderly_stop_leaves_it_twice(tmp_path, gone):
    """In the journal and in the registry: each is enough."""
    with Daemon(tmp_path) as daemon:
        daemon.start()
        with daemon.client() as client:
            key = issue(client)
            assert [client.verify(key["key"], API) for _ in range(5)] == ["valid"] * 5
        assert daemon.stop() == 0
        shutil.rmtree(daemon.gate)
        if gone:
            (daemon.data / gone).unlink()
        daemon.start()
        with daemon.client() as client:
            assert usage(client, key)["admitted"] == 5
            assert client.verify(key["key"], API) == "quota_exceeded"
        assert daemon.stop() == 0


def test_killed_without_a_power_cut(tmp_path):
    """Shared memory stays: nothing at all is lost, whatever the journal had."""
    with Daemon(tmp_path) as daemon:
        daemon.start()
        with daemon.client() as client:
            key = issue(client)
        for _ in range(5):
            with daemon.client() as client:
                assert client.verify(key["key"], API) == "valid"
            daemon.kill()
            daemon.start()
        with daemon.client() as client:
            assert metric(client, "tollkeeper_meter_restore_records") == 0
            assert client.verify(key["key"], API) == "quota_exceeded"
            assert usage(client, key)["admitted"] == 5
        assert daemon.stop() == 0


def test_refusals_beyond_what_a_meter_counts(tmp_path):
    """A meter counts them modulo 2^32; the registry keeps the total."""
    with Daemon(tmp_path) as daemon:
        daemon.start()
        with daemon.client() as client:
            key = issue(client)
            assert [client.verify(key["key"], API) for _ in range(7)][-2:] == ["quota_exceeded"] * 2
        assert daemon.stop() == 0
        db = sqlite3.connect(daemon.data / "registry.db")
        with db:
            db.execute("UPDATE usage_totals SET refused = refused + 3 * 4294967296 WHERE refused = 2")
        db.close()
        daemon.start()
        with daemon.client() as client:
            assert client.verify(key["key"], API) == "quota_exceeded"
            assert usage(client, key)["refused"] == 3 + 3 * 2**32
        assert daemon.stop() == 0


def test_a_foreign_journal_is_not_believed(tmp_path):
    with Daemon(tmp_path / "one") as one, Daemon(tmp_path / "two") as two:
        for daemon in (one, two):
            daemon.start()
            with daemon.client() as client:
                issue(client)
            assert daemon.stop() == 0
        shutil.copy(one.data / "meters.journal", two.data / "meters.journal")
        two.spawn()
        assert two.process.wait(WAIT_S) > 0
        assert "belongs to another installation" in two.tail()
