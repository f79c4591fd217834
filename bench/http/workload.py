"""What the area `http` asks: the keys, the same keys in Redis, and each contender's prepared requests."""

import hashlib
import json
import re
import socket
import struct

API = "bench"
ENVIRONMENT = "production"
SCOPE = "forecast:read"
# Looked at and charged by every request, and refusing none: that many a minute are not reached in a run.
LIMIT_PER_MINUTE = 1_000_000


def http_post(path, body, headers=()):
    text = json.dumps(body, separators=(",", ":"))
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers,
            f"Content-Length: {len(text)}"]
    return ("\r\n".join(head) + "\r\n\r\n" + text).encode()


def issue_requests(admin_key, count):
    body = {"api": API, "scopes": [SCOPE], "create_missing": True,
            "limits": [{"name": "requests", "kind": "rate", "limit": LIMIT_PER_MINUTE, "per": "1m"}]}
    return [http_post("/v1/keys", body, [f"Authorization: Bearer {admin_key}"])] * count


def issued_keys(replies):
    return re.findall(r'"key":\s*"(\w+)"', replies)


def verify_by_body(key):
    return http_post("/v1/verify", {"key": key, "api": API, "scope": SCOPE})


def verify_by_header(key):
    return http_post("/v1/verify", {"api": API, "scope": SCOPE}, [f"X-API-Key: {key}"])


def resp(*words):
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def redis_names(key):
    """Of the key's record and of its bucket."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"key:{digest}", f"bucket:{digest}"


# Both scripts' fields.
RECORD = {"state": "active", "environment": ENVIRONMENT, "not_before_us": 0, "expires_us": 0, "scopes": SCOPE,
          "consumer": "default", "limit_name": "requests", "limit": LIMIT_PER_MINUTE,
          "interval_us": 60_000_000 // LIMIT_PER_MINUTE, "burst": LIMIT_PER_MINUTE, "arrival_us": 0}


def fill_redis(port, keys, scripts):
    """A record for each key; returns the scripts' SHA-1s."""
    fields = [word for pair in RECORD.items() for word in pair]
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as replies:
        for at in range(0, len(keys), 1000):
            batch = keys[at:at + 1000]
            connection.sendall(b"".join(
                resp("HSET", redis_names(key)[0], "id", f"key_{at + number}", *fields) for number, key in enumerate(batch)))
            for _ in batch:
                if replies.readline() != b":%d\r\n" % (1 + len(RECORD)):
                    raise SystemExit("Redis did not take a record")
        return [load_script(connection, replies, script) for script in scripts]


def load_script(connection, replies, script):
    connection.sendall(resp("SCRIPT", "LOAD", script))
    replies.readline()
    return replies.readline().strip().decode()


def redis_same(sha1, key):
    return resp("EVALSHA", sha1, 2, *redis_names(key), ENVIRONMENT, SCOPE)


def redis_least(sha1, key):
    return resp("EVALSHA", sha1, 1, redis_names(key)[0], SCOPE)


def write_requests(path, requests):
    """As load.c reads them: the length, 4 bytes little-endian, and the bytes."""
    with open(path, "wb") as file:
        for request in requests:
            file.write(struct.pack("<I", len(request)) + request)
