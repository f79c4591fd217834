"""Fixtures of the HTTP suites: one daemon for a file, clients that hold every reply to docs/openapi.yaml.

Other suites own their daemons themselves (daemon.py, cli.py).
"""

import itertools

import pytest

import openapi_check
from daemon import Daemon

_numbers = itertools.count(1)


@pytest.fixture
def unique():
    """A word that no other test of this run uses: tests share a daemon and must not meet."""
    return f"t{next(_numbers)}"


class Server:
    """A running daemon, and all keys that its clients were shown."""

    def __init__(self, running):
        self.daemon = running
        self.keys = {running.admin_key}

    def admin(self):
        return openapi_check.over_tcp(self.daemon, self.keys)

    def anonymous(self):
        return openapi_check.over_tcp(self.daemon, self.keys, authorization=False)

    def bearing(self, key):
        return openapi_check.over_tcp(self.daemon, self.keys, authorization=f"Bearer {key}")

    def presenting(self, authorization):
        return openapi_check.over_tcp(self.daemon, self.keys, authorization=authorization)

    def socket(self):
        return openapi_check.over_socket(self.daemon, self.keys)

    def check_log(self):
        self.daemon.check_log()
        log = self.daemon.log.read_text(errors="replace")
        shown = [key for key in self.keys if key in log]
        assert not shown, f"{len(shown)} keys are in the log"


@pytest.fixture(scope="module")
def server(tmp_path_factory, request):
    """The module may name further ARGUMENTS of `serve`."""
    arguments = getattr(request.module, "ARGUMENTS", ())
    running = Daemon(tmp_path_factory.mktemp("http"), arguments=arguments).start()
    made = Server(running)
    try:
        yield made
        assert running.alive(), f"the daemon ended by itself:\n{running.tail()}"
        assert running.stop() == 0, running.tail()
        made.check_log()
    finally:
        if running.process is not None:
            running.end()


@pytest.fixture
def admin(server):
    """Over TCP, with the admin key."""
    with server.admin() as client:
        yield client


@pytest.fixture
def anonymous(server):
    """Over TCP from this machine, without a key."""
    with server.anonymous() as client:
        yield client


@pytest.fixture
def weather(admin, unique):
    """An API of this test's own, with two scopes; its name."""
    name = f"weather-{unique}"
    admin.done(admin.post("/v1/apis", {"name": name}))
    for scope in ("forecast:read", "alerts:read"):
        admin.done(admin.post(f"/v1/apis/{name}/scopes", {"name": scope}))
    return name


@pytest.fixture
def consumer(admin, unique):
    """A consumer of this test's own; its name."""
    name = f"acme-{unique}"
    admin.done(admin.post("/v1/consumers", {"name": name}))
    return name
