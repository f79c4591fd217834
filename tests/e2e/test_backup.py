"""Backups of a daemon that works, and their way back: whole, one moment, meters included, nothing secret; damaged ones are refused."""

import hashlib
import io
import json
import random
import shutil
import sqlite3
import tarfile
import threading

import pytest

import cli
import daemon
from test_disk import Mounts
from cli import DENIED, FAILED, OK, USAGE


def members(path):
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive.getmembers()}


def restore(home, archive, name, *words):
    return home.run("restore", str(archive), "--data", name, *words)


class Restored(daemon.Daemon):
    """A daemon on what was restored, with a gate of its own, as on another machine."""

    def __init__(self, home, name):
        super().__init__(home.folder / f"{name}-run", data=home.folder / name)
        self.admin_key = home.admin_key


@pytest.fixture
def home(tmp_path):
    with cli.Home(tmp_path).start() as running:
        yield running
        if running.alive():
            running.stop()


@pytest.fixture
def mounts(tmp_path):
    made = Mounts(tmp_path)
    yield made
    made.close()


def issue(home, *limits, api="maps"):
    return home.good("key", "issue", "--api", api, *limits, "--json").json


# ---- there and back ----


def test_what_comes_back(home):
    plain = issue(home)
    limited = issue(home, "--quota", "5/day")
    revoked = issue(home)
    home.good("key", "revoke", revoked["id"])
    with home.client() as client:
        assert [client.verify(limited["key"], "maps") for _ in range(3)] == ["valid"] * 3
    done = home.good("backup", "a.tar")
    assert "checked" in done.out and "The pepper is not in it" in done.out
    assert (home.folder / "a.tar").stat().st_mode & 0o777 == 0o600

    found = members(home.folder / "a.tar")
    assert list(found) == ["registry.db", "meters.journal", "manifest.json"]
    manifest = json.loads(found["manifest.json"])
    for file in manifest["files"]:
        assert (file["bytes"], file["sha256"]) == (len(found[file["name"]]), hashlib.sha256(found[file["name"]]).hexdigest())

    later = issue(home)
    with home.client() as client:
        assert [client.verify(limited["key"], "maps") for _ in range(3)] == ["valid", "valid", "quota_exceeded"]
    home.stop()

    assert restore(home, "a.tar", "back", "--pepper-file", "data/pepper").code == OK
    with Restored(home, "back").start() as other, other.client() as client:
        assert client.verify(plain["key"], "maps") == "valid"
        assert client.verify(revoked["key"], "maps") == "revoked"
        assert client.verify(later["key"], "maps") == "unknown"
        # Not refilled: three of five were used at the backup.
        assert [client.verify(limited["key"], "maps") for _ in range(4)] == ["valid", "valid", "quota_exceeded", "quota_exceeded"]
        # And it works: what is issued now is new.
        fresh = client.issue(api="maps")
        assert client.verify(fresh["key"], "maps") == "valid"
        with other.tcp_client() as admin:
            assert admin.get("/v1/keys").status == 200
        assert other.stop() == OK


def test_counters_of_the_last_moment_are_in_it(home):
    """Just before the backup: their events may not have been read yet."""
    key = issue(home, "--quota", "400/day")
    for number in range(4):
        with home.client() as client:
            for _ in range(50):
                assert client.verify(key["key"], "maps") == "valid"
        home.good("backup", f"{number}.tar")
    home.stop()
    assert restore(home, "3.tar", "back", "--pepper-file", "data/pepper").code == OK
    with Restored(home, "back").start() as other, other.client() as client:
        codes = [client.verify(key["key"], "maps") for _ in range(230)]
        assert codes.count("valid") == 200
        assert other.stop() == OK


def test_nothing_secret_is_in_it(home):
    key = issue(home)
    home.good("backup", "a.tar")
    content = (home.folder / "a.tar").read_bytes()
    for line in (home.data / "pepper").read_text().splitlines():
        if not line.startswith("#"):
            secret = line.split()[-1]
            assert secret.encode() not in content and bytes.fromhex(secret) not in content
    assert key["key"].encode() not in content and home.admin_key.encode() not in content


def test_a_backup_while_others_write(home):
    """Each writer makes consumers in order: what comes back of each is its first ones, and at least those answered before."""
    answered, stop = [0] * 3, threading.Event()

    def write(writer):
        with home.client() as client:
            while not stop.is_set():
                client.done(client.post("/v1/consumers", {"name": f"w{writer}-{answered[writer]}"}))
                answered[writer] += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    bounds = []
    try:
        for number in range(5):
            before = list(answered)
            home.good("backup", f"{number}.tar")
            bounds.append((before, [count + 1 for count in answered]))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    home.stop()
    for number, (before, after) in enumerate(bounds):
        assert restore(home, f"{number}.tar", f"back{number}").code == OK
        with sqlite3.connect(home.folder / f"back{number}" / "registry.db") as db:
            names = {name for name, in db.execute("SELECT name FROM consumers")}
            audit = [seq for seq, in db.execute("SELECT seq FROM audit_entries ORDER BY seq")]
            last, = db.execute("SELECT value FROM counters WHERE name = 'audit'").fetchone()
        assert audit == list(range(1, last + 1))
        for writer in range(3):
            count = sum(name.startswith(f"w{writer}-") for name in names)
            assert all(f"w{writer}-{n}" in names for n in range(count))
            assert before[writer] <= count <= after[writer]
    assert bounds[-1][0] > bounds[0][0]


def test_it_is_in_the_audit_log_and_leaves_nothing_behind(home):
    issue(home)
    home.good("backup", "a.tar")
    assert not [path for path in home.data.iterdir() if "part" in path.name or "backup" in path.name]
    home.stop()
    with sqlite3.connect(home.data / "registry.db") as db:
        assert db.execute("SELECT actor, source FROM audit_entries WHERE action = 'backup.create'").fetchall() == [
            ("socket:0", "local")]


# ---- who may ----


def test_over_tcp_with_a_key_that_may(home):
    url = f"http://127.0.0.1:{home.port}"
    for scopes, code in (("backup:read", OK), ("status:read,keys:read", DENIED)):
        key = home.good("key", "issue", "--api", "tollkeeper", "--scope", scopes, "--json").json["key"]
        done = home.run("backup", f"{code}.tar", "--url", url, TOLLKEEPER_ADMIN_KEY=key)
        assert done.code == code, done
        assert (home.folder / f"{code}.tar").exists() == (code == OK)
        assert not (home.folder / f"{code}.tar.part").exists()


def test_a_file_that_is_there_is_not_written_over(home):
    (home.folder / "a.tar").write_text("mine")
    done = home.run("backup", "a.tar")
    assert done.code == USAGE and "exists" in done.err
    assert (home.folder / "a.tar").read_text() == "mine"


def test_no_daemon(home):
    home.stop()
    assert home.run("backup", "a.tar").code == cli.NO_DAEMON
    assert not (home.folder / "a.tar").exists() and not (home.folder / "a.tar.part").exists()


def test_no_room_for_a_copy(mounts, tmp_path):
    """What is left of the disk is left to those who write."""
    small = mounts.tmpfs("small", "48m")
    with daemon.Daemon(tmp_path / "run", data=small / "data").start() as running, running.client() as client:
        before = sorted(path.name for path in running.data.iterdir())
        reply = client.get("/v1/backup")
        assert (reply.status, reply.problem()) == (507, "insufficient_storage") and "MiB" in reply.json["detail"]
        assert sorted(path.name for path in running.data.iterdir()) == before
        assert client.get("/v1/status").status == 200
        assert running.stop() == OK


# ---- what is refused ----


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A backup, its daemon's folder, for the tests that spoil copies of it."""
    with cli.Home(tmp_path_factory.mktemp("taken")).start() as running:
        key = issue(running)
        with running.client() as client:
            client.verify(key["key"], "maps")
        running.good("backup", "a.tar")
        running.stop()
        yield running


def refused(taken, content, tmp_path, says=""):
    spoiled = tmp_path / "spoiled.tar"
    spoiled.write_bytes(content)
    done = restore(taken, spoiled, str(tmp_path / "back"))
    assert done.code == FAILED and says in done.err and "mend: " in done.err, done
    assert not (tmp_path / "back").exists()


def test_one_bit_wrong(taken, tmp_path):
    content = (taken.folder / "a.tar").read_bytes()
    with tarfile.open(taken.folder / "a.tar") as archive:
        infos = archive.getmembers()
    chance = random.Random(7)
    places = [info.offset_data + chance.randrange(info.size) for info in infos for _ in range(6)]
    places += [info.offset + at for info in infos for at in (0, 124, 148, 156, 257)]
    for place in places:
        spoiled = bytearray(content)
        spoiled[place] ^= 1
        (tmp_path / "spoiled.tar").write_bytes(bytes(spoiled))
        done = restore(taken, tmp_path / "spoiled.tar", str(tmp_path / "back"))
        harmless = place >= infos[-1].offset_data  # its date, or a space between words
        assert done.code == FAILED or harmless, (place, done)
        if done.code == OK:
            shutil.rmtree(tmp_path / "back")
        else:
            assert not (tmp_path / "back").exists()


def test_cut_off(taken, tmp_path):
    content = (taken.folder / "a.tar").read_bytes()
    for length in (0, 1, 511, 512, 1000, len(content) // 2, len(content) - 2048, len(content) - 1025, len(content) - 1024):
        refused(taken, content[:length], tmp_path, "cut off")


def repacked(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def with_manifest(found, **changes):
    """An archive whose sums are right, whatever is in it."""
    manifest = json.loads(found["manifest.json"])
    for file in manifest["files"]:
        content = found[file["name"]]
        file.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    manifest.update(changes)
    files = [(name, content) for name, content in found.items() if name != "manifest.json"]
    return repacked([*files, ("manifest.json", json.dumps(manifest).encode())])


def test_archives_that_somebody_made(taken, tmp_path):
    found = members(taken.folder / "a.tar")
    restored = tmp_path / "good.tar"
    restored.write_bytes(with_manifest(found))  # the way of making them is good
    assert restore(taken, restored, str(tmp_path / "good")).code == OK
    refused(taken, repacked([*found.items(), ("evil", b"x")]), tmp_path, "other files")
    refused(taken, repacked([("../evil", b"x"), *found.items()]), tmp_path, "other files")
    refused(taken, repacked([("registry.db", b"x"), *found.items()]), tmp_path, "twice")
    refused(taken, repacked([("manifest.json", found["manifest.json"])]), tmp_path, "damaged")
    refused(taken, repacked([]), tmp_path, "is no backup")
    refused(taken, with_manifest(found, version=2), tmp_path, "newer version")
    refused(taken, with_manifest(found, installation="0" * 32), tmp_path, "another installation")
    refused(taken, with_manifest(dict(found, **{"registry.db": b"SQLite" * 1000})), tmp_path, "registry")
    page = bytearray(found["registry.db"])
    page[3 * 4096:5 * 4096] = bytes(2 * 4096)
    refused(taken, with_manifest(dict(found, **{"registry.db": bytes(page)})), tmp_path, "is damaged")
    refused(taken, b"hello\n" * 1000, tmp_path, "is no backup")


def test_a_registry_of_a_newer_program(taken, tmp_path):
    found = members(taken.folder / "a.tar")
    (tmp_path / "db").write_bytes(found["registry.db"])
    with sqlite3.connect(tmp_path / "db") as db:
        db.execute("INSERT INTO schema_version VALUES ((SELECT MAX(number) + 1 FROM schema_version), 'later', 'x')")
    db.close()
    refused(taken, with_manifest(dict(found, **{"registry.db": (tmp_path / "db").read_bytes()})), tmp_path, "schema version")


def test_nothing_is_restored_over_what_is_there(taken, tmp_path):
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "mine").write_text("x")
    done = restore(taken, "a.tar", str(tmp_path / "back"))
    assert done.code == FAILED and "is not empty" in done.err
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["mine"]


def test_the_wrong_pepper(taken, tmp_path):
    lines = (taken.data / "pepper").read_text().splitlines()
    wrong = tmp_path / "pepper"
    wrong.write_text("\n".join(line[:-2] + "00" if line.startswith("pepper") else line for line in lines) + "\n")
    wrong.chmod(0o600)
    done = restore(taken, "a.tar", str(tmp_path / "back"), "--pepper-file", str(wrong))
    assert done.code == FAILED and "does not belong to this backup" in done.err and not (tmp_path / "back").exists()


def test_without_the_pepper_no_daemon_starts(taken, tmp_path):
    done = restore(taken, "a.tar", str(tmp_path / "back"))
    assert done.code == OK and "put the copy of the pepper there" in done.out
    started = cli.run("serve", "--data", "back", "--gate", str(tmp_path / "gate"), "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert started.code == FAILED and "is missing" in started.err


# ---- an import meanwhile ----

def test_no_backup_holds_half_an_import(home):
    """All or nothing: before it is decided a backup has nothing of it, afterwards all, and in between there is none."""
    total = 60000
    rows = [{"key": f"old_{hashlib.sha256(str(number).encode()).hexdigest()}"} for number in range(total)]
    home.good("api", "create", "maps")
    home.good("consumer", "create", "default")
    (home.folder / "keys.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    taken = {"before": None, "after": None}
    importing = threading.Thread(target=home.good, args=("import", "keys.ndjson", "--api", "maps", "--all-or-nothing"))
    importing.start()
    refused = number = 0
    while importing.is_alive():
        done = home.run("backup", f"{number}.tar")
        refused += done.code == FAILED and "being carried out" in done.err
        assert done.code == OK or refused, done
        if done.code == OK and not refused:
            taken["before"] = f"{number}.tar"
        number += 1
    importing.join()
    home.good("backup", "after.tar")
    assert refused and taken["before"]
    assert list(members(home.folder / "after.tar")) == ["registry.db", "meters.journal", "manifest.json"]
    home.stop()
    for archive, expected in ((taken["before"], 0), ("after.tar", total)):
        name = archive.removesuffix(".tar")
        assert restore(home, archive, name, "--pepper-file", "data/pepper").code == OK
        with Restored(home, name).start() as other, other.client() as client:
            [found] = client.done(client.get("/v1/imports"))["items"]
            assert (found["state"], found["imported"]) == (("interrupted", 0) if expected == 0 else ("done", total))
            codes = {client.verify(row["key"], "maps") for row in rows[::977]}
            assert codes == ({"malformed"} if expected == 0 else {"valid"}), "unknown keys of no shape are malformed"
            assert other.stop() == OK
