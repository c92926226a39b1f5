// Remembers which addresses fail at the door, how long each must wait, and which are shut out for a while.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "smtp/server/options.hpp"
#include "smtp/server/policy.hpp"

namespace posthorn::smtp::server {

// Pure: time is an argument, the key of its fingerprints is given. One per server, on the server's thread; survives a
// reload, not a restart.
//
// What counts for an address (IPv6: a /64), within `window`:
//  * a wrong password: one failure. The same user with the same wrong password again: nothing more (a phone that was not
//    told of a new password must not shut out the office it sits in). The same user with a password that the mechanism
//    does not show (SCRAM): a quarter.
//  * a connection ended for too many errors, and a client that talked before it was greeted: one failure each.
//  * a connection that asked to relay and did not log in: one failure; from a client of the same HELO name again nothing
//    more (a program that forgot to log in).
// A right password takes back what was counted for the same user, and nothing else: who owns one account does not earn
// guesses at others by it.
//
// `ban_after` failures are a ban. It is doubled each time until `ban_max`, and forgotten `ban_max` after its end.
//
// Many connections do not multiply guesses: what comes out while the address is banned, or while an earlier failure of the
// same user still makes it wait, is not told, right or wrong.
class DoorGuard {
public:
    using Key = std::array<std::uint8_t, 16>;  // Client::counted_as()

    enum class Offence : std::uint8_t { login, errors, early_talk, relaying };

    struct Ban {
        Duration length{};
        Offence reason = Offence::login;
    };
    // What became of a login, and of the client that tried it.
    struct Consequence {
        enum class Kind : std::uint8_t {
            tell,       // the outcome, after `delay`
            put_off,    // not the outcome: try again later
            turn_away,  // not the outcome: the address is banned, the connection ends
        };
        Kind kind = Kind::tell;
        Duration delay{};
        std::optional<Ban> ban;  // begun by this
    };
    enum class Admission : std::uint8_t { welcome, banned, too_fast };

    struct Known {  // an address, for the operator
        Key key{};
        std::string address;  // "192.0.2.1", "2001:db8::/64"
        double failures = 0;
        std::uint32_t bans = 0;
        std::uint64_t turned_away = 0;  // connections, during the ban under way or the last one
        Duration banned_for{};          // from now; zero: not banned
        Offence last = Offence::login;
    };

    DoorGuard(GuardOptions options, std::array<std::uint8_t, 32> secret);
    // With a secret of its own.
    DoorGuard();

    // From now on; bans under way keep their end.
    void set_options(GuardOptions options) { options_ = std::move(options); }
    [[nodiscard]] const GuardOptions& options() const { return options_; }

    // A new connection. Counts it.
    [[nodiscard]] Admission arrive(const Key& key, SteadyTime now);
    [[nodiscard]] bool banned(const Key& key, SteadyTime now) const;

    // What would come of a login whatever its password is: so that nobody has to look at it. Counts nothing.
    [[nodiscard]] Consequence::Kind foreseen(const Key& key, std::string_view user, SteadyTime now) const;
    // Once the password was looked at. `secret`: the password, empty where the mechanism does not show it.
    [[nodiscard]] Consequence on_wrong_password(const Key& key, std::string_view user, std::string_view secret,
                                                SteadyTime now);
    [[nodiscard]] Consequence on_right_password(const Key& key, std::string_view user, SteadyTime now);
    // REQUIRES: not login. `subject`: what makes it the same offence again; empty: each counts.
    std::optional<Ban> on_offence(const Key& key, Offence offence, std::string_view subject, SteadyTime now);

    // Those with something against them, the banned first, the worst first; at most `limit`.
    [[nodiscard]] std::vector<Known> known(SteadyTime now, std::size_t limit) const;
    [[nodiscard]] std::size_t size() const { return records_.size(); }
    // False when nothing was known.
    bool forgive(const Key& key);
    void forgive_all();

private:
    struct Failure {
        SteadyTime at;
        std::uint64_t who = 0;   // fingerprint of the user, or of the kind of offence
        std::uint64_t what = 0;  // ... with the password or subject; 0: not known
        std::uint32_t quarters = 4;
        SteadyTime held_until;   // its reply is held back until then
    };
    struct Record {
        std::vector<Failure> failures;
        SteadyTime banned_until;
        SteadyTime remembered_until;
        std::uint32_t bans = 0;
        std::uint64_t turned_away = 0;
        std::uint64_t last_change = 0;
        Offence last = Offence::login;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const;
    };

    [[nodiscard]] std::uint64_t fingerprint(Offence offence, std::string_view a, std::string_view b = {}) const;
    [[nodiscard]] std::uint32_t quarters(const Record& record, SteadyTime now) const;
    [[nodiscard]] bool expired(const Record& record, SteadyTime now) const;
    [[nodiscard]] bool held(const Record& record, std::uint64_t who, SteadyTime now) const;
    // Counts it and returns the failures in quarters.
    std::uint32_t count(Record& record, Failure failure, Offence offence, SteadyTime now);
    std::optional<Ban> ban_if_due(Record& record, std::uint32_t quarters, SteadyTime now);
    Record& record_of(const Key& key, SteadyTime now);
    void make_room(SteadyTime now);
    bool keeps_pace(const Key& key, SteadyTime now);

    GuardOptions options_;
    std::array<std::uint8_t, 32> secret_;
    std::uint64_t changes_ = 0;
    std::unordered_map<Key, Record, Hash> records_;
    // When each address will have used up what it took of its connections_per_minute.
    std::unordered_map<Key, SteadyTime, Hash> arrivals_;
};

[[nodiscard]] std::string_view to_string(DoorGuard::Offence offence);
// "192.0.2.1", "2001:db8::/64".
[[nodiscard]] std::string shown(const DoorGuard::Key& key);

// Whether the guard leaves this client alone.
[[nodiscard]] bool exempt(const Client& client, const GuardOptions& guard, const RelayOptions& relay);

}  // namespace posthorn::smtp::server
