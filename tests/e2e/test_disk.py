"""A full disk, a disk that fails or turns read-only, a full gate: changes are refused in words, verification goes on.

Each test has small file systems of its own: tmpfs, and ext4 on a loop device where the kernel's own switch to read-only is
wanted. They need root; where mounting is not allowed the tests say so and are skipped.
"""

import errno
import os
import subprocess
import threading
import time

import pytest

from daemon import Daemon

API = "weather"
MIB = 1 << 20


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


class Mounts:
    def __init__(self, folder):
        self.folder = folder
        self.paths = []

    def _mount(self, path, *arguments):
        done = run("mount", *arguments, str(path))
        if done.returncode != 0:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        self.paths.append(path)
        return path

    def tmpfs(self, name, size):
        path = self.folder / name
        path.mkdir(mode=0o700)
        return self._mount(path, "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs")

    def ext4(self, name, size):
        image = self.folder / f"{name}.img"
        with open(image, "wb") as file:
            file.truncate(size)
        assert run("mkfs.ext4", "-q", "-m", "0", str(image)).returncode == 0
        path = self.folder / name
        path.mkdir(mode=0o700)
        return self._mount(path, "-o", "loop,nosuid", str(image))

    def unmount(self, path):
        done = run("umount", str(path))
        assert done.returncode == 0, done.stderr
        self.paths.remove(path)

    def close(self):
        for path in reversed(self.paths):
            run("umount", "-l", str(path))


@pytest.fixture
def mounts(tmp_path):
    made = Mounts(tmp_path)
    yield made
    made.close()


class Filler:
    """A file that takes what is free."""

    def __init__(self, folder):
        self.path = folder / "filler"

    def fill(self, leave=0):
        with open(self.path, "ab") as file:
            space = os.statvfs(self.path)
            wanted = space.f_bavail * space.f_frsize - leave
            if wanted > 0:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), wanted)
            try:
                while leave == 0:  # the last blocks, whatever the file system keeps for itself
                    os.write(file.fileno(), bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def free(self):
        self.path.unlink()


def keys_by_name(client):
    return {item["name"]: item["state"] for item in client.every(f"/v1/keys?api={API}")}


def prepare(client, count):
    """The API and `count` keys: name -> (id, plaintext)."""
    keys = {}
    for number in range(count):
        issued = client.issue(api=API, name=f"old-{number}", create_missing=True)
        keys[f"old-{number}"] = (issued["id"], issued["key"])
    return keys


def issue_until_refused(daemon, prefix, fields, deadline_s, threads=4):
    """Several clients issue until each is refused. Returns the names and keys that were answered, and the refusals."""
    issued, refused = {}, []
    until = time.monotonic() + deadline_s

    def work(number):
        with daemon.client() as client:
            for step in range(1 << 30):
                assert time.monotonic() < until, "it never gets full"
                name = f"{prefix}{number}-{step}"
                reply = client.post("/v1/keys", {"api": API, "name": name, **fields(name)})
                if reply.status != 201:
                    refused.append((name, reply))
                    return
                issued[name] = (reply.json["id"], reply.json["key"])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(refused) == threads, "a client ended without an answer"
    return issued, refused


def assert_storage_problem(reply):
    assert (reply.status, reply.problem()) == (507, "insufficient_storage"), reply
    assert reply.json["title"] and reply.json["detail"] and reply.json["mend"]


def eventually(what, timeout_s=10):
    until = time.monotonic() + timeout_s
    while not (result := what()):
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.05)
    return result


# ---- the data directory's disk is full ----


def test_full_disk(mounts, tmp_path):
    disk = mounts.tmpfs("disk", "32m")
    filler = Filler(disk)
    with Daemon(tmp_path, data=disk / "data") as daemon:
        daemon.start()
        with daemon.client() as client:
            old = prepare(client, 120)
            filler.fill(leave=MIB // 2)
            new, refused = issue_until_refused(daemon, "new-", lambda _: {}, 60)
            # The registry's own files may have room left for a few, and again when usage has been flushed.
            for attempt in range(3):
                filler.fill()
                last, refused_last = issue_until_refused(daemon, f"last-{attempt}-", lambda _: {}, 60)
                new |= last
                refused += refused_last
            for _, reply in refused:
                assert_storage_problem(reply)
            assert_only(client, old, new)
            assert_refused_while_full(client)
            assert_only(client, old, new)

            # Revocations are written from the reserve, and verification does not care.
            names = list(old)
            for name in names[:100]:
                client.done(client.post(f"/v1/keys/{old[name][0]}/revoke", {"reason": "leaked"}))
            for name in names[100:110]:
                client.done(client.post(f"/v1/keys/{old[name][0]}/suspend"))
            expected = {name: "active" for name in new} | {name: "active" for name in old}
            expected |= {name: "revoked" for name in names[:100]} | {name: "suspended" for name in names[100:110]}
            assert_holds(client, {**old, **new}, expected)
        assert daemon.stop() == 0

        # It starts on a disk that is full to the last byte, too; what was answered is there, and more can be revoked.
        filler.fill()
        daemon.start()
        with daemon.client() as client:
            assert_holds(client, {**old, **new}, expected)
            assert_refused_while_full(client)
            for name in names[110:115]:
                client.done(client.post(f"/v1/keys/{old[name][0]}/revoke"))
                expected[name] = "revoked"
            assert_holds(client, {**old, **new}, expected)

            filler.free()
            eventually(lambda: client.post("/v1/keys", {"api": API, "name": "after"}).status == 201)
            eventually(lambda: client.done(client.get("/v1/status"))["registry"]["degraded"] is False)
        assert daemon.stop() == 0


def assert_only(client, *groups):
    assert set(keys_by_name(client)) == {name for group in groups for name in group}


def assert_refused_while_full(client):
    for path, body in (("/v1/keys", {"api": API, "name": "refused"}), ("/v1/apis", {"name": "refused"}),
                       ("/v1/consumers", {"name": "refused"}), (f"/v1/apis/{API}/scopes", {"name": "refused:it"})):
        for _ in range(5):
            assert_storage_problem(client.post(path, body))


def assert_holds(client, keys, expected):
    assert keys_by_name(client) == expected
    codes = {"active": "valid", "suspended": "suspended", "revoked": "revoked"}
    for name, (_, key) in keys.items():
        assert client.verify(key, API) == codes[expected[name]], name


# ---- the data directory cannot be written ----


def assert_writes_fail_in_words(client, keys):
    (id, key), *_ = keys.values()
    for path, body in (("/v1/keys", {"api": API, "name": "refused"}), (f"/v1/keys/{id}/revoke", {}),
                       ("/v1/consumers", {"name": "refused"})):
        reply = client.post(path, body)
        assert reply.status in (500, 503), reply
        assert reply.problem() in ("internal", "uncertain"), reply
        assert reply.json["title"] and reply.json["detail"]
    assert client.verify(key, API) == "valid"


def test_registry_that_cannot_be_written_and_can_again(mounts, tmp_path):
    """Its files are made immutable under the daemon, as a hardening script might."""
    disk = mounts.ext4("disk", 64 * MIB)
    with Daemon(tmp_path, data=disk / "data") as daemon:
        daemon.start()
        files = [str(daemon.data / name) for name in ("registry.db", "registry.db-wal")]
        with daemon.client() as client:
            keys = prepare(client, 5)
            assert run("chattr", "+i", *files).returncode == 0
            for _ in range(5):
                assert_writes_fail_in_words(client, keys)
            assert run("chattr", "-i", *files).returncode == 0
            assert_only(client, keys)
            for id, key in keys.values():
                client.done(client.post(f"/v1/keys/{id}/revoke"))
                assert client.verify(key, API) == "revoked"
            client.issue(api=API, name="after")
        assert daemon.stop() == 0
        daemon.start()
        with daemon.client() as client:
            assert_only(client, keys, ["after"])
        assert daemon.stop() == 0


def test_disk_that_the_kernel_turns_read_only(mounts, tmp_path):
    """What ext4 does after an error of its device: nothing can be written until it has been unmounted and checked."""
    disk = mounts.ext4("disk", 64 * MIB)
    with Daemon(tmp_path, data=disk / "data") as daemon:
        daemon.start()
        with daemon.client() as client:
            keys = prepare(client, 5)
            assert run("sync", "-f", str(disk)).returncode == 0  # so that no page is writable by chance
            assert run("mount", "-o", "remount,abort", str(disk)).returncode == 0
            for _ in range(5):
                assert_writes_fail_in_words(client, keys)
            assert_only(client, keys)
        assert daemon.stop() == 0
        mounts.unmount(disk)
        assert run("e2fsck", "-fy", str(tmp_path / "disk.img")).returncode <= 1
        mounts._mount(disk, "-o", "loop", str(tmp_path / "disk.img"))
        daemon.start()
        with daemon.client() as client:
            assert_only(client, keys)
            for _, key in keys.values():
                assert client.verify(key, API) == "valid"
            client.issue(api=API, name="after")
        assert daemon.stop() == 0


def test_start_on_a_read_only_directory(mounts, tmp_path):
    disk = mounts.tmpfs("disk", "32m")
    with Daemon(tmp_path, data=disk / "data") as daemon:
        daemon.start()
        with daemon.client() as client:
            keys = prepare(client, 2)
        assert daemon.stop() == 0
        assert run("mount", "-o", "remount,ro", str(disk)).returncode == 0
        for data in (disk / "data", disk / "new"):
            other = Daemon(tmp_path / data.name, data=data, gate=daemon.gate)
            ended = subprocess.run(other.command(), capture_output=True, text=True, timeout=30, check=False)
            assert ended.returncode > 0, ended
            assert "Read-only file system" in ended.stderr and str(disk) in ended.stderr, ended.stderr
        assert run("mount", "-o", "remount,rw", str(disk)).returncode == 0
        daemon.start()
        with daemon.client() as client:
            assert_only(client, keys)
            client.issue(api=API, name="after")
        assert daemon.stop() == 0


# ---- the gate's memory is full ----


def fat(name):
    """Restrictions that no other key has: a policy record of 8 KiB."""
    return {"restrictions": {"paths": [f"/{name}/{number}/" + "x" * 200 for number in range(32)]}}


@pytest.mark.parametrize("fields", [lambda _: {}, fat], ids=["lines", "policies"])
def test_full_gate(mounts, tmp_path, fields):
    memory = mounts.tmpfs("memory", "40m")
    filler = Filler(memory)
    with Daemon(tmp_path, gate=memory / "gate", workers=16) as daemon:
        daemon.start()
        with daemon.client() as client:
            old = prepare(client, 40)
            filler.fill()
            new, refused = issue_until_refused(daemon, "new-", fields, 120, threads=16)
            for name, reply in refused:
                assert_storage_problem(reply)
            assert_only(client, old, new)
            for name, (id, key) in list(old.items())[:20]:
                assert client.verify(key, API) == "valid"

            changes_that_need_room(client, old)
            for name, (id, key) in list(old.items())[:20]:
                client.done(client.post(f"/v1/keys/{id}/revoke"))
                assert client.verify(key, API) == "revoked"
            for name, (id, key) in list(old.items())[20:-1]:
                assert client.verify(key, API) == "valid"
            assert client.get("/readyz").status == 200

            filler.free()
            client.issue(api=API, name="after", **fields("after"))
        assert daemon.stop() == 0


def changes_that_need_room(client, keys):
    """A change that the gate has no room for is refused before it is recorded: recorded but not in force would block all later ones."""
    (id, key) = list(keys.values())[-1]
    before = client.done(client.get(f"/v1/keys/{id}"))
    changes = 0
    while (reply := client.patch(f"/v1/keys/{id}", fat(f"changed-{changes}"))).status == 200:
        changes += 1
        assert changes < 200, "200 changes of 8 KiB fit into a full gate"
    assert_storage_problem(reply)
    assert client.done(client.get(f"/v1/keys/{id}"))["version"] == before["version"] + changes
    for number in range(20):
        for path, body in (("/v1/consumers", {"name": f"late-{number}"}), ("/v1/apis", {"name": f"late-{number}"}),
                           (f"/v1/apis/{API}/environments", {"name": f"late{number}", "tag": f"l{number}"}),
                           ("/v1/keys", {"api": API, "consumer": f"owner-{number}", "create_missing": True})):
            reply = client.post(path, body)
            if reply.status != 201:
                assert_storage_problem(reply)
    quota = {"name": "quota", "kind": "window", "limit": 10**9, "per": "month"}
    reply = client.patch(f"/v1/apis/{API}/plans/open", {"limits": [quota]})
    if reply.status != 200:
        assert_storage_problem(reply)
    client.done(client.post(f"/v1/keys/{id}/suspend"))
    assert client.verify(key, API) == "suspended"
    client.done(client.post(f"/v1/keys/{id}/resume"))
    assert client.verify(key, API) == ("restricted" if changes else "valid")


def test_start_with_a_full_gate(mounts, tmp_path):
    memory = mounts.tmpfs("memory", "40m")
    with Daemon(tmp_path, gate=memory / "gate") as daemon:
        Filler(memory).fill()
        ended = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode > 0, ended
        assert str(memory / "gate") in ended.stderr, ended.stderr
        Filler(memory).free()
        daemon.start()
        assert daemon.stop() == 0
