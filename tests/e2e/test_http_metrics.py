"""GET /metrics: promtool accepts it, and its counters count."""

import re
import shutil
import subprocess
import time

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")


def metrics(client):
    """(name, labels) -> value, after promtool has checked the text."""
    reply = client.get("/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = {}
    for line in reply.text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            assert (name, labels) not in values, line
            values[name, labels] = float(value)
    return values, reply.text


def settled(client, name, labels, expected):
    """A request is counted when its reply has been sent, which its client may see first."""
    deadline = time.monotonic() + 10
    while (got := metrics(client)[0].get((name, labels), 0)) != expected:
        assert time.monotonic() < deadline, (name, labels, got, expected)
        time.sleep(0.01)


def test_promtool(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer)["key"]
    anonymous.verify(key, weather)
    anonymous.get("/nowhere")
    _, text = metrics(anonymous)
    promtool = shutil.which("promtool")
    assert promtool, "promtool is needed: apt-get install prometheus"
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_types_and_help(anonymous):
    _, text = metrics(anonymous)
    families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    helped = re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE)
    assert [name for name, _ in families] == helped and len(set(helped)) == len(helped)
    for name, kind in families:
        assert name.endswith("_total") == (kind == "counter"), name


def test_decisions_are_counted_by_code(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 3, "per": "1h"}])["key"]
    before, _ = metrics(anonymous)
    for _ in range(5):
        anonymous.verify(key, weather)
    anonymous.verify("hello", weather)
    anonymous.post("/v1/explain", {"api": weather, "key": key})
    after, _ = metrics(anonymous)
    grown = {labels: after[name, labels] - value for (name, labels), value in before.items()
             if name == "tollkeeper_decisions_total" and 'front="verify"' in labels and after[name, labels] != value}
    assert grown == {'front="verify",code="valid"': 3, 'front="verify",code="rate_limited"': 2,
                     'front="verify",code="malformed"': 1}


def test_admin_decisions_are_counted_apart(anonymous, admin):
    labels = 'front="admin",code="valid"'
    before = metrics(anonymous)[0]["tollkeeper_decisions_total", labels]
    for _ in range(3):
        admin.get("/v1/apis")
    assert metrics(anonymous)[0]["tollkeeper_decisions_total", labels] == before + 3


def test_requests_are_counted_by_route_and_status(anonymous, admin, weather):
    name, labels = "tollkeeper_http_requests_total", 'method="GET",route="/v1/apis/{api}",status="%s"'
    before = metrics(anonymous)[0]
    for path in (weather, weather, "nobody-has-this"):
        admin.get(f"/v1/apis/{path}")
    settled(anonymous, name, labels % "2xx", before.get((name, labels % "2xx"), 0) + 2)
    settled(anonymous, name, labels % "4xx", before.get((name, labels % "4xx"), 0) + 1)


def test_durations_are_a_histogram(anonymous, weather):
    name = "tollkeeper_http_request_duration_seconds"
    before = metrics(anonymous)[0][name + "_count", 'kind="verify"']
    for _ in range(10):
        anonymous.verify(None, weather)
    settled(anonymous, name + "_count", 'kind="verify"', before + 10)
    values, _ = metrics(anonymous)
    buckets = [value for (bucket, labels), value in values.items()
               if bucket == name + "_bucket" and 'kind="verify"' in labels]
    assert buckets == sorted(buckets) and len(buckets) >= 10
    assert values[name + "_bucket", 'kind="verify",le="+Inf"'] == values[name + "_count", 'kind="verify"']
    assert values[name + "_sum", 'kind="verify"'] > 0


def test_the_registry_and_the_gate(anonymous, admin, unique):
    before, _ = metrics(anonymous)
    admin.issue(api=f"api-{unique}", create_missing=True)
    after, _ = metrics(anonymous)
    assert after["tollkeeper_registry_commits_total", None] > before["tollkeeper_registry_commits_total", None]
    assert after["tollkeeper_gate_key_lines", None] == before["tollkeeper_gate_key_lines", None] + 1
    assert after["tollkeeper_gate_available", None] == 1 and after["tollkeeper_registry_degraded", None] == 0
    assert after["tollkeeper_gate_key_lines", None] <= after["tollkeeper_gate_key_capacity_lines", None]


def events(values):
    """What the gate's events told, by code."""
    return {labels[6:-1]: value for (name, labels), value in values.items() if name == "tollkeeper_events_total"}


def test_decisions_arrive_as_events(anonymous, admin, weather, consumer):
    """A decision is told by an event that the daemon takes out of a ring some milliseconds later."""
    key = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 3, "per": "1h"}])["key"]
    before, _ = metrics(anonymous)
    for _ in range(5):
        anonymous.verify(key, weather)
    anonymous.verify("hello", weather)
    for code, more in (("valid", 3), ("rate_limited", 2), ("malformed", 1)):
        labels = f'code="{code}"'
        settled(anonymous, "tollkeeper_events_total", labels, before["tollkeeper_events_total", labels] + more)
    after, _ = metrics(anonymous)
    assert sum(events(after).values()) == sum(events(before).values()) + 6
    for name in ("lost", "malformed"):
        assert after[f"tollkeeper_events_{name}_total", None] == 0, name
    assert after["tollkeeper_event_rings_orphaned_total", None] == 0


def test_rings_of_events(anonymous, weather):
    anonymous.verify("hello", weather)
    deadline = time.monotonic() + 10
    while True:  # they are counted once a second
        values, _ = metrics(anonymous)
        if values["tollkeeper_event_rings_used", None] > 0:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert values["tollkeeper_event_rings_used", None] < values["tollkeeper_event_rings", None]
    assert 0 <= values["tollkeeper_event_ring_fullest_ratio", None] <= 1
    for step in ("made", "settled", "released"):
        assert ("tollkeeper_reservations_total", f'step="{step}"') in values
    for name in ("tollkeeper_shadow_refusals_total", "tollkeeper_named_limit_overflows_total"):
        assert values[name, None] == 0


def test_no_names_of_users_in_labels(anonymous, admin, weather, consumer):
    """Labels are bounded: a hostile client cannot make new series."""
    key = admin.issue(api=weather, consumer=consumer)
    anonymous.get(f"/{weather}/{consumer}")
    admin.get(f"/v1/keys/{key['id']}")
    anonymous.verify(key["key"], weather)
    _, text = metrics(anonymous)
    for word in (weather, consumer, key["id"], key["key"]):
        assert word not in text
