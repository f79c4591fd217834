"""The checker of openapi_check.py itself: a reply that strays from the document must fail a test; and the document's
examples are held to its own schemas. No daemon."""

import json
from email.message import Message

import pytest

import openapi_check
from daemon import Reply

SCOPE = {"name": "forecast:read", "description": "", "version": 1, "created_at": "2026-11-23T22:14:14Z",
         "updated_at": "2026-11-23T22:14:14Z"}
PROBLEM = {"type": "urn:tollkeeper:problem:not_found", "title": "No such object", "status": 404, "detail": "none"}


def reply(status, body, media="application/json", **headers):
    made = Message()
    made["Content-Type"] = media
    for name, value in headers.items():
        made[name] = value
    return Reply(status, made, json.dumps(body).encode())


def without(body, name):
    return {key: value for key, value in body.items() if key != name}


def test_what_is_documented_passes():
    path = "/v1/apis/weather/scopes/forecast:read"
    openapi_check.check("GET", path, None, reply(200, SCOPE, ETag='"1"'))
    openapi_check.check("GET", path, None, reply(404, PROBLEM, "application/problem+json"))
    openapi_check.check("PATCH", path, {"description": "x"}, reply(200, SCOPE, ETag='"1"'))
    openapi_check.check("DELETE", path, None, reply(405, dict(PROBLEM, status=405), "application/problem+json",
                                                    Allow="GET, HEAD, PATCH"))


@pytest.mark.parametrize("name, method, sent, answer", [
    ("an undocumented status", "GET", None, reply(204, SCOPE, ETag='"1"')),
    ("a member too many", "GET", None, reply(200, dict(SCOPE, id=7), ETag='"1"')),
    ("a member too few", "GET", None, reply(200, without(SCOPE, "version"), ETag='"1"')),
    ("a member of another type", "GET", None, reply(200, dict(SCOPE, version="1"), ETag='"1"')),
    ("a time that is none", "GET", None, reply(200, dict(SCOPE, created_at="yesterday"), ETag='"1"')),
    ("another content type", "GET", None, reply(200, SCOPE, "text/html", ETag='"1"')),
    ("a missing header", "GET", None, reply(200, SCOPE)),
    ("a header of another form", "GET", None, reply(200, SCOPE, ETag="1")),
    ("a problem as plain JSON", "GET", None, reply(404, PROBLEM)),
    ("a problem of an unknown type", "GET", None,
     reply(404, dict(PROBLEM, type="urn:tollkeeper:problem:other"), "application/problem+json")),
    ("a problem with another status", "GET", None, reply(404, dict(PROBLEM, status=400), "application/problem+json")),
    ("a wrong request that is accepted", "PATCH", {"descriptoin": "x"}, reply(200, SCOPE, ETag='"1"')),
    ("a missing body that is accepted", "PATCH", None, reply(200, SCOPE, ETag='"1"')),
    ("a method that is not documented", "DELETE", None, reply(200, SCOPE, ETag='"1"')),
    ("an Allow that is not the document's", "DELETE", None,
     reply(405, dict(PROBLEM, status=405), "application/problem+json", Allow="GET, HEAD")),
])
def test_what_strays_fails(name, method, sent, answer):
    with pytest.raises(AssertionError):
        openapi_check.check(method, "/v1/apis/weather/scopes/forecast:read", sent, answer)


def media_of(found):
    yield from found.get("requestBody", {}).get("content", {}).values()
    for response in found["responses"].values():
        yield from openapi_check.resolve(response).get("content", {}).values()


def examples_of(content):
    yield from (openapi_check.resolve(example)["value"] for example in content.get("examples", {}).values())
    if "example" in content:
        yield content["example"]


def test_examples_are_as_documented():
    checked = 0
    for item in openapi_check.document()["paths"].values():
        for found in (value for method, value in item.items() if method != "parameters"):
            for content in media_of(found):
                for example in examples_of(content):
                    openapi_check.validate(content["schema"], example, f"an example of {found['operationId']}")
                    checked += 1
    assert checked > 100
