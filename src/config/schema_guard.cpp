// The settings of whom the door lets in: the guard by address, and what must be spelled out to open it to everybody.
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {

std::vector<Setting<Config>> guard_settings() {
    using namespace binding;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    using std::chrono::minutes;
    using std::chrono::seconds;
    constexpr hours kDay(24);
    return {
        {"submission", "trust_default_gateway", boolean<Config>(FIELD(server.relay.trust_default_gateway)),
         "Whether a default gateway with a private address is trusted where trusted_networks has it. Inside a "
         "container every client of a published port can look like the gateway: true makes an open relay there. It "
         "is looked up at start and at reload."},
        {"submission", "accept_open_relay_risk", boolean<Config>(FIELD(server.relay.accept_open_relay_risk)),
         "true: wide networks in trusted_networks are only warned of, instead of refused, although they may let the "
         "whole Internet send through this server."},

        {"submission.guard", "ban_after", integer<Config>(FIELD(server.guard.ban_after), 0, 100),
         "Failures of one address within `window` before it is shut out with 421. A wrong password, a connection "
         "ended for bad commands or for talking before the greeting, and an attempt to relay are one each; the same "
         "user's same wrong password again is none. 0: nobody is shut out. Bans are listed and lifted by `posthorn "
         "guard`; they survive a reload, not a restart."},
        {"submission.guard", "window", duration<Config>(FIELD(server.guard.window), seconds(1), 7 * kDay),
         "How long a failure counts."},
        {"submission.guard", "ban_first", duration<Config>(FIELD(server.guard.ban_first), seconds(1), 30 * kDay),
         "How long the first ban of an address lasts. Each further one lasts twice as long, until ban_max has passed "
         "without one."},
        {"submission.guard", "ban_max", duration<Config>(FIELD(server.guard.ban_max), seconds(1), 30 * kDay),
         "No ban lasts longer than this."},
        {"submission.guard", "delay_first", duration<Config>(FIELD(server.guard.delay_first), milliseconds(0), minutes(1)),
         "How long the answer to the first wrong password of an address is held back; twice as long for each further "
         "one. Logins of the same user from there are answered 454 meanwhile. \"0s\": not at all."},
        {"submission.guard", "delay_max", duration<Config>(FIELD(server.guard.delay_max), milliseconds(0), minutes(5)),
         "No answer is held back longer than this."},
        {"submission.guard", "connections_per_minute",
         integer<Config>(FIELD(server.guard.connections_per_minute), 0, 100'000),
         "New connections of one address in a minute; further ones are answered 421. 0: no limit."},
        {"submission.guard", "max_addresses", integer<Config>(FIELD(server.guard.max_addresses), 100, 10'000'000),
         "Addresses kept in mind at once, some 300 octets each; over IPv6 networks of 64 bits. Those that did least "
         "are forgotten first."},
        {"submission.guard", "exempt_local", boolean<Config>(FIELD(server.guard.exempt_local)),
         "Whether the guard leaves loopback alone. Unix sockets are always left alone."},
        {"submission.guard", "exempt_trusted", boolean<Config>(FIELD(server.guard.exempt_trusted)),
         "Whether it leaves submission.trusted_networks alone."},
        {"submission.guard", "exempt_networks", networks<Config>(FIELD(server.guard.exempt_networks)),
         "Others that it leaves alone, such as an office that many people log in from."},
    };
}

}  // namespace posthorn::config
