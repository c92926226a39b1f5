"""The great mailbox providers on loopback: DNS names whose MX end as theirs do, and servers that answer as a test says."""

import random

from .daemon import Daemon, loopback_address
from .dns_server import DnsServer
from .sink import Sink
from . import world

# domain of recipients -> the MX host DNS names for it.
MX = {
    "google": ("gmail.com", "gmail-smtp-in.l.google.com"),
    "yahoo": ("yahoo.com", "mta5.am0.yahoodns.net"),
    "outlook": ("outlook.com", "outlook-com.olc.protection.outlook.com"),
    "apple": ("icloud.com", "mx01.mail.icloud.com"),
    "other": ("dest.test", "mx.dest.test"),
}

# What the field report showed: 550-5.7.26 in several lines, some of them empty (PR-44), and the text of 2026.
FIELD_REPORT = (
    "550-5.7.26 Your email has been blocked because the sender is unauthenticated.\n"
    "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n"
    "550-5.7.26\n"
    "550-5.7.26  Authentication results:\n"
    "550-5.7.26  DKIM = did not pass\n"
    "550-5.7.26  SPF [example.test] with ip: [192.0.2.25] = did not pass\n"
    "550-5.7.26\n"
    "550-5.7.26  For instructions on setting up authentication, go to\n"
    "550 5.7.26  https://support.google.com/mail/answer/81126#authentication 5b1f17b1804b1-4 - gsmtp")
# The older text: no part about DKIM at all.
FIELD_REPORT_WITHOUT_DKIM = (
    "550-5.7.26 This mail is unauthenticated, which poses a security risk to the\n"
    "550-5.7.26 sender and Gmail users, and has been blocked. The sender must\n"
    "550-5.7.26 authenticate with at least one of SPF or DKIM. For this message,\n"
    "550-5.7.26 \n"
    "550-5.7.26 SPF check for [example.test] did not pass with ip: [192.0.2.25].\n"
    "550-5.7.26 \n"
    "550-5.7.26 To best protect our users from spam, the message has been blocked.\n"
    "550 5.7.26 Please visit https://support.google.com/mail/answer/81126 for more. x1 - gsmtp")
DMARC_REJECT = (
    "550-5.7.26 Unauthenticated email from {domain} is not accepted due to domain's\n"
    "550-5.7.26 DMARC policy. Please contact the administrator of {domain} domain if\n"
    "550-5.7.26 this was a legitimate mail. To learn about the\n"
    "550-5.7.26 DMARC initiative, go to\n"
    "550 5.7.26  https://support.google.com/mail/?p=DmarcRejection x1 - gsmtp")
IPV6_GUIDELINES = (
    "550-5.7.1 [::1] Our system has detected that this message does\n"
    "550-5.7.1 not meet IPv6 sending guidelines regarding PTR records and\n"
    "550-5.7.1 authentication. Please review\n"
    "550 5.7.1  https://support.google.com/mail/?p=IPv6AuthError for more information. x1 - gsmtp")
TLS_WANTED = "550 5.7.29 This message wasn't sent over TLS. To view security requirements, visit https://support.google.com/mail - gsmtp"
YAHOO_ENOUGH = "421 Max message per connection reached, closing transmission channel"
RATE_BY_IP = (
    "421-4.7.28 Gmail has detected an unusual rate of email originating from your IP\n"
    "421-4.7.28 address. To protect our users from spam, email sent from your IP\n"
    "421-4.7.28 address has been temporarily rate limited.\n"
    "421 4.7.28  https://support.google.com/mail/?p=UnsolicitedRateLimitError x1 - gsmtp")


class Provider:
    """One of them: .sink listens at an IPv4 address, .sink6 at ::1 where asked for. Rules and messages are the sinks' own."""

    def __init__(self, name, dns, port, six=None, starttls=True):
        self.name = name
        self.domain, self.host = MX[name]
        self.sink = Sink(loopback_address(), port, name=self.host, starttls=starttls)
        self.sink6 = six
        self._dns = dns
        self.serve(self.domain)

    def serve(self, domain):
        """A further domain whose mail goes to the same hosts (PR-42)."""
        self._dns.set(domain, "MX", f"10 {self.host}")
        self._dns.set(self.host, "A", self.sink.address)
        if self.sink6:
            self._dns.set(self.host, "AAAA", self.sink6.address)

    @property
    def connections(self):
        return len(self.sink.sessions) + (len(self.sink6.sessions) if self.sink6 else 0)

    def commands(self, pattern=""):
        """What clients said, session by session, those of IPv4 first."""
        sinks = [self.sink] + ([self.sink6] if self.sink6 else [])
        return [line for sink in sinks for session in sink.sessions for line in list(session["commands"]) if pattern in line]

    def stop(self):
        self.sink.stop()
        if self.sink6:
            self.sink6.stop()


class Internet(world.Surroundings):
    """dns, home (the MX of our own domains, where reports arrive), each provider by its name, and daemon; `with Internet(...)`.

    Our domains have what receivers ask for: A, MX, SPF, DMARC and the keys' records; dns.set() and remove() change it at run time.
    """

    def __init__(self, providers=("google", "yahoo", "outlook", "apple", "other"), ours=("example.test",), six=(), clear=(), **daemon):
        self.dns = DnsServer(ttl=1)
        sixes = {name: Sink("::1", name=MX[name][1]) for name in six[:1]}   # there is one ::1, and one port for all
        port = next((sink.port for sink in sixes.values()), 0)
        self.home = Sink(loopback_address(), port, name="mx.home.test")
        self._providers = {name: Provider(name, self.dns, self.home.port, sixes.get(name), starttls=name not in clear) for name in providers}
        self.receivers = [*self._providers.values(), self.home]
        for domain in ours:
            self.dns.mx(domain, ("mx.home.test", self.home.address))
            self.dns.set(domain, "A", self.home.address)
            self.dns.set(domain, "TXT", "v=spf1 ip4:192.0.2.25 -all")
            self.dns.set(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=none")
        self.daemon = Daemon(dns=self.dns, delivery_port=self.home.port, domains=ours, **daemon)

    def __getattr__(self, name):
        try:
            return self.__dict__["_providers"][name]
        except KeyError:
            raise AttributeError(name) from None


class InternetTest(world.WorldTest):
    """Each test gets an Internet of its own with self.internet(...)."""

    def internet(self, **how):
        return self.live_in(Internet(**how))


def address(domain):
    """Somebody there, nobody else's recipient."""
    return f"r{random.getrandbits(32):08x}@{domain}"
