"""If-Match and Idempotency-Key: changes that see each other, and requests that can be sent again."""

import threading

import pytest


# ---- If-Match ----

def test_if_match(admin, consumer):
    path = f"/v1/consumers/{consumer}"
    first = admin.get(path)
    tag = first.headers["ETag"]
    second = admin.call("PATCH", path, {"description": "a"}, {"If-Match": tag})
    assert second.status == 200 and second.headers["ETag"] == '"2"'
    admin.refused(admin.call("PATCH", path, {"description": "b"}, {"If-Match": tag}), 412, "stale", "If-Match")
    assert admin.get(path).json["description"] == "a"
    assert admin.call("PATCH", path, {"description": "c"}, {"If-Match": "*"}).status == 200
    assert admin.patch(path, {"description": "d"}).status == 200


def test_if_match_of_state_changes(admin, weather, consumer):
    made = admin.issue(api=weather, consumer=consumer)
    path = f"/v1/keys/{made['id']}"
    admin.refused(admin.call("POST", path + "/revoke", {}, {"If-Match": '"2"'}), 412, "stale")
    assert admin.verify(made["key"], weather) == "valid"
    assert admin.call("POST", path + "/revoke", {}, {"If-Match": '"1"'}).status == 200
    assert admin.verify(made["key"], weather) == "revoked"


def test_of_concurrent_changes_one_wins(server, admin, consumer):
    """Eight write against the same version at once: exactly one is taken."""
    path, statuses = f"/v1/consumers/{consumer}", []
    barrier = threading.Barrier(8)

    def change(number):
        with server.admin() as client:
            barrier.wait()
            statuses.append(client.call("PATCH", path, {"description": str(number)}, {"If-Match": '"1"'}).status)

    run_all([threading.Thread(target=change, args=(number,)) for number in range(8)])
    assert sorted(statuses) == [200] + [412] * 7
    assert admin.get(path).json["version"] == 2


def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- Idempotency-Key ----

def paths_and_bodies(weather, consumer, unique):
    return {
        "/v1/apis": {"name": f"twice-{unique}"},
        f"/v1/apis/{weather}/environments": {"name": "twice"},
        f"/v1/apis/{weather}/scopes": {"name": "twice:do"},
        f"/v1/apis/{weather}/plans": {"name": "twice"},
        "/v1/consumers": {"name": f"twice-{unique}"},
        "/v1/subscriptions": {"consumer": consumer, "api": weather, "plan": "twice"},
        "/v1/keys": {"api": weather, "consumer": f"fresh-{unique}", "create_missing": True},
    }


def test_the_same_request_again(admin, weather, consumer, unique):
    for path, body in paths_and_bodies(weather, consumer, unique).items():
        headers = {"Idempotency-Key": f"once-{unique}-{path}"}
        first = admin.call("POST", path, body, headers)
        made = admin.done(first)
        again = admin.call("POST", path, body, headers)
        assert again.status == first.status == 201, path
        assert again.headers["Location"] == first.headers["Location"]
        if path == "/v1/keys":
            assert again.json["key"] is None and again.headers["Idempotent-Replayed"] == "true"
            assert first.headers.get("Idempotent-Replayed") is None
            assert made["made"], "the consumer and its subscription; the repeat makes nothing"
            made.update(key=None, made=[])
        assert again.json == made, path


def test_another_body_with_the_same_key(admin, unique):
    headers = {"Idempotency-Key": f"reused-{unique}"}
    admin.done(admin.call("POST", "/v1/consumers", {"name": f"a-{unique}"}, headers))
    reply = admin.call("POST", "/v1/consumers", {"name": f"b-{unique}"}, headers)
    admin.refused(reply, 422, "idempotency_key_reused", "Idempotency-Key")
    admin.refused(admin.get(f"/v1/consumers/b-{unique}"), 404, "not_found")
    reply = admin.call("POST", "/v1/apis", {"name": f"a-{unique}"}, headers)
    admin.refused(reply, 422, "idempotency_key_reused", "Idempotency-Key")


def test_the_key_is_the_callers_own(server, admin, unique):
    headers = {"Idempotency-Key": f"shared-{unique}"}
    admin.done(admin.call("POST", "/v1/consumers", {"name": f"a-{unique}"}, headers))
    with server.socket() as other:
        assert other.call("POST", "/v1/consumers", {"name": f"b-{unique}"}, headers).status == 201


def test_a_refused_request_does_not_use_up_the_key(admin, unique):
    headers = {"Idempotency-Key": f"retry-{unique}"}
    admin.refused(admin.call("POST", "/v1/consumers", {"name": "con_1"}, headers), 422, "invalid_value")
    assert admin.call("POST", "/v1/consumers", {"name": f"a-{unique}"}, headers).status == 201


@pytest.mark.parametrize("how_many", [8])
def test_sent_at_once_it_makes_one(server, admin, weather, consumer, unique, how_many):
    replies, barrier = [], threading.Barrier(how_many)

    def issue():
        with server.admin() as client:
            barrier.wait()
            replies.append(client.call("POST", "/v1/keys", {"api": weather, "consumer": consumer},
                                       {"Idempotency-Key": f"race-{unique}"}))

    run_all([threading.Thread(target=issue) for _ in range(how_many)])
    assert [reply.status for reply in replies] == [201] * how_many
    assert len({reply.json["id"] for reply in replies}) == 1
    assert sum(reply.json["key"] is not None for reply in replies) == 1
    assert len(list(admin.every(f"/v1/keys?api={weather}"))) == 1


def test_without_the_header_each_request_makes_one(admin, weather, consumer):
    made = [admin.issue(api=weather, consumer=consumer) for _ in range(3)]
    assert len({key["id"] for key in made}) == len({key["key"] for key in made}) == 3
