"""Holds replies to docs/openapi.yaml.

check() fails for a status that the operation does not document, a content type or a header that it does not promise, a
body with a member too many, too few or of the wrong type; and for a request that was accepted although the document
says that it is wrong. Checked is a client that checks every reply it gets.
"""

import http.client
import json
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import yaml

import daemon

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/openapi.yaml"
KEY = re.compile(r"\b[a-z][a-z0-9]{1,15}_[a-z0-9]{1,8}_[0-9A-Za-z]{41}\b")


@lru_cache
def document():
    return yaml.safe_load(DOCUMENT.read_text())


def resolve(node):
    while "$ref" in node:
        found = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def validate(schema, value, what):
    """`value` against a schema of the document, whose references point into it."""
    resolver = jsonschema.RefResolver("", document())
    errors = list(jsonschema.Draft202012Validator(schema, resolver=resolver).iter_errors(value))
    assert not errors, f"{what} is not as documented: " + "; ".join(
        f"{error.json_path}: {error.message}" for error in errors) + f"\n{json.dumps(value)[:2000]}"


@lru_cache
def _templates():
    """(pattern, path, item) of each path; a literal segment wins over a parameter."""
    found = []
    for path, item in document()["paths"].items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", path)
        found.append((re.compile(f"^{pattern}$"), path, item))
    return sorted(found, key=lambda entry: entry[1].count("{"))


def operation(method, target):
    """The operation that answers, and its path item; (None, item) when the path does not take the method."""
    path = urlsplit(target).path
    for pattern, _, item in _templates():
        if pattern.match(path):
            return item.get("get" if method == "HEAD" else method.lower()), item
    return None, None


def _media(reply):
    return reply.headers.get("Content-Type", "").split(";")[0]


def _check_undocumented(method, target, item, reply):
    """What the document's introduction says of all other paths and methods."""
    expected = 404 if item is None else 405
    assert reply.status == expected, f"{method} {target} is not documented, and got {reply}"
    assert _media(reply) == "application/problem+json"
    if item is not None:
        documented = {name.upper() for name in item if name in ("get", "post", "patch", "put", "delete")}
        allowed = set(reply.headers["Allow"].split(", "))
        assert allowed - {"HEAD"} == documented, reply.headers["Allow"]


def _check_headers(documented, reply, what):
    for name, header in documented.items():
        header = resolve(header)
        value = reply.headers.get(name)
        if value is None:
            assert not header.get("required"), f"{what} lacks the header {name}"
        else:
            validate(header["schema"], value, f"{what}: the header {name}")


def _check_body(documented, method, reply, what):
    if not documented:
        assert reply.text == "", f"{what} has a body: {reply}"
        return
    assert _media(reply) in documented, f"{what} has the type {_media(reply)!r}, documented is {list(documented)}"
    if method == "HEAD":
        assert reply.text == ""
        return
    value = reply.text if reply.json is None else reply.json
    validate(documented[_media(reply)]["schema"], value, what)


def _check_accepted(found, sent_json, what):
    body = found.get("requestBody")
    if body and "application/json" not in body["content"]:
        return  # its bodies are no JSON, and what is wrong with a line of them is told in the reply
    if sent_json is not None:
        assert body, f"{what} takes no body"
        validate(body["content"]["application/json"]["schema"], sent_json, f"{what}: the body that was accepted")
    elif body:
        assert not body.get("required"), f"{what} was accepted without a body"


def check(method, target, sent_json, reply):
    found, item = operation(method, target)
    what = f"{method} {urlsplit(target).path} -> {reply.status}"
    if "problem" in _media(reply) and method != "HEAD":
        validate({"$ref": "#/components/schemas/Problem"}, reply.json, what)
        assert reply.json["status"] == reply.status
    if found is None:
        _check_undocumented(method, target, item, reply)
        return
    assert str(reply.status) in found["responses"], f"{what} is not a documented status: {reply}"
    documented = resolve(found["responses"][str(reply.status)])
    _check_headers(documented.get("headers", {}), reply, what)
    _check_body(documented.get("content", {}), method, reply, what)
    if 200 <= reply.status < 300:
        _check_accepted(found, sent_json, what)


class Checked(daemon.Client):
    """A client whose every reply is held to the document. Remembers the keys it was shown."""

    def __init__(self, connection, headers, keys):
        super().__init__(connection, headers)
        self.keys = keys

    def call(self, method, path, body=None, headers=None):
        reply = super().call(method, path, body, headers)
        return self._noted(method, path, body, reply)

    def raw(self, method, path, data, headers=None):
        """A body as bytes, or as chunks where the headers say so, with nothing added but the headers given."""
        sent = dict(self.headers, **(headers or {}))
        try:
            self.connection.request(method, path, data, sent, encode_chunked="Transfer-Encoding" in sent)
            response = self.connection.getresponse()
            reply = daemon.Reply(response.status, response.headers, response.read())
        except daemon.LOST:
            self.close()
            raise
        return self._noted(method, path, _json_or_none(data), reply)

    def _noted(self, method, path, sent_json, reply):
        self.keys.update(KEY.findall(reply.text))
        check(method, path, sent_json, reply)
        return reply

    def refused(self, reply, status, name, field=None):
        """A problem of this kind, that says what to do."""
        assert (reply.status, reply.problem()) == (status, name), reply
        if field is not None:
            assert reply.json.get("field") == field, reply
        assert reply.json["mend"], reply
        assert not KEY.search(reply.text), "a problem document quotes a key"
        return reply.json


def _json_or_none(data):
    if not isinstance(data, bytes):
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def over_tcp(running, keys, authorization=True, timeout_s=30):
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {running.admin_key}"} if authorization is True else {}
    if isinstance(authorization, str):
        headers = {"Authorization": authorization}
    return Checked(connection, headers, keys)


def over_socket(running, keys, timeout_s=30):
    return Checked(daemon.SocketConnection(running.socket_path, timeout_s), {}, keys)
