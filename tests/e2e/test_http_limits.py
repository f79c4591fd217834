"""Limits under fire: eight connections hammer one key over HTTP, and what is admitted is counted exactly."""

import threading
import time

import pytest

CONNECTIONS = 8
SECONDS = 3


def hammer(server, key, api, seconds):
    """Codes of all answers, and the time between the first question and the last answer."""
    codes, errors = [], []
    barrier = threading.Barrier(CONNECTIONS + 1)
    stop = threading.Event()

    def run():
        verifier = server.daemon.verifier(key, api)
        mine = []
        try:
            barrier.wait()
            while not stop.is_set():
                mine.append(verifier.ask())
        except Exception as error:  # pylint: disable=broad-except  (a thread must not take its finding with it)
            errors.append(error)
        finally:
            verifier.close()
            codes.extend(mine)

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    barrier.wait()
    begun = time.monotonic()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    return codes, time.monotonic() - begun


def test_a_rate_limit(server, admin, weather, consumer):
    """100 per minute, burst 100: within 100 + t * 100 / 60, and no less than the bucket held."""
    key = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 100, "per": "1m", "burst": 100}])["key"]
    codes, took_s = hammer(server, key, weather, SECONDS)
    admitted = codes.count("valid")
    assert set(codes) == {"valid", "rate_limited"}
    assert 100 + int((SECONDS - 0.5) * 100 / 60) <= admitted <= 100 + took_s * 100 / 60, (admitted, took_s, len(codes))


def test_a_window_limit(server, admin, weather, consumer):
    """Exactly 100, whatever comes; a window as long as the test may need and longer."""
    key = admin.issue(api=weather, consumer=consumer, limits=[{"kind": "window", "limit": 100, "per": "366d"}])["key"]
    codes, _ = hammer(server, key, weather, SECONDS)
    assert (codes.count("valid"), set(codes)) == (100, {"valid", "quota_exceeded"}), len(codes)


def test_keys_that_share_a_subscription(server, admin, weather, consumer):
    """Fifty keys do not make fifty quotas."""
    admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": "p", "limits": [
        {"kind": "window", "limit": 100, "per": "366d"}]}))
    admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "p"}))
    keys = [admin.issue(api=weather, consumer=consumer)["key"] for _ in range(CONNECTIONS)]
    verifiers = [server.daemon.verifier(key, weather) for key in keys]
    codes = []

    def run(verifier):
        codes.extend([verifier.ask() for _ in range(50)])
        verifier.close()

    threads = [threading.Thread(target=run, args=(verifier,)) for verifier in verifiers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 50 * CONNECTIONS
    assert (codes.count("valid"), codes.count("quota_exceeded")) == (100, 300)


@pytest.mark.parametrize("per", ["1s", "2s"])
def test_a_short_window_begins_anew(server, admin, weather, consumer, per):
    """At most 50 in each window, and each window gives 50 again. Windows are aligned to the epoch: a run of n whole
    seconds touches at most n / length + 2 of them."""
    length_s = int(per[:-1])
    key = admin.issue(api=weather, consumer=consumer, limits=[{"kind": "window", "limit": 50, "per": per}])["key"]
    codes, took_s = hammer(server, key, weather, SECONDS)
    admitted = codes.count("valid")
    assert 50 * int(SECONDS / length_s) <= admitted <= 50 * (int(took_s / length_s) + 2), (admitted, took_s)


def test_a_limit_that_is_not_enforced(server, admin, weather, consumer):
    """It counts what is admitted and shows how it stands; it refuses nothing, and no header tells of it."""
    made = admin.issue(api=weather, consumer=consumer, limits=[
        {"name": "trial", "kind": "window", "limit": 2, "per": "366d", "shadow": True},
        {"name": "real", "kind": "window", "limit": 4, "per": "366d", "shadow": False}])
    assert [limit.get("shadow") for limit in made["limits"]] == [True, None]
    verifier = server.daemon.verifier(made["key"], weather)
    assert [verifier.ask() for _ in range(6)] == ["valid"] * 4 + ["quota_exceeded"] * 2
    verifier.close()
    limits = admin.get(f"/v1/keys/{made['id']}/usage").json["key"]["limits"]
    assert [(limit["name"], limit["remaining"], limit.get("shadow")) for limit in limits] == [
        ("trial", 0, True), ("real", 0, None)]
