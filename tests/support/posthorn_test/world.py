"""A small Internet for one test: DNS, a receiving server, a Posthorn between them; and the unittest base class for it."""

import pathlib
import sys
import unittest

from .daemon import Daemon, loopback_address
from .dns_server import DnsServer
from .sink import Sink


class Surroundings:
    """A daemon and what it speaks with: .daemon, .dns, and .receivers, which `with` stops after the daemon."""

    def __enter__(self):
        try:
            self.daemon.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *failure):
        try:
            self.daemon.__exit__(*failure)
        finally:
            for receiver in self.receivers:
                receiver.stop()
            self.dns.stop()


class World(Surroundings):
    """dns, sink (the MX of dest.test) and daemon (of the domains `ours`), all running; `with World() as w`."""

    def __init__(self, starttls=True, domains=("dest.test",), ours=("example.test",), sink_address=None, certificate=None, **daemon):
        self.dns = DnsServer()
        self.sink = Sink(sink_address or loopback_address(), starttls=starttls, certificate=certificate, name="mx.dest.test")
        self.receivers = [self.sink]
        for domain in domains:
            self.dns.mx(domain, (f"mx.{domain}", self.sink.address))
        self.daemon = Daemon(dns=self.dns, delivery_port=self.sink.port, domains=ours, **daemon)


class WorldTest(unittest.TestCase):
    """Each test gets a world of its own with self.world(...); its log is shown when the test fails."""

    def world(self, **how):
        self._world = self.live_in(World(**how))
        return self._world

    def live_in(self, world):
        world.__enter__()
        self.addCleanup(self._end, world)
        return world

    def _end(self, world):
        # What the outcome object calls a failure differs between Python versions; `errors` and `failures` are in all of them.
        result = self._outcome.result
        failed = any(test is self for test, _ in result.errors + result.failures)
        world.__exit__(AssertionError if failed else None, None, None)


def main():
    """unittest's main; a script whose tests were all skipped tells CTest so (77), by the first reason: nothing of it was shown here."""
    print(f"# {pathlib.Path(sys.argv[0]).name}")
    ran = unittest.main(verbosity=2, module="__main__", exit=False).result
    if ran.wasSuccessful() and ran.skipped and len(ran.skipped) >= ran.testsRun:
        print(f"skipped: {ran.skipped[0][1]}", flush=True)
        sys.exit(77)
    sys.exit(not ran.wasSuccessful())
