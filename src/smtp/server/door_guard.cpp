// Counting, waiting, shutting out, and forgetting.
#include "smtp/server/door_guard.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "auth/crypto.hpp"
#include "base/bound.hpp"

namespace posthorn::smtp::server {
namespace {

constexpr std::uint32_t kWhole = 4;         // quarters of one failure
constexpr std::size_t kMostFailures = 400;  // kept for one address, so that a window without bans has a bound

// first, 2 first, 4 first, ... at most `most`. REQUIRES: times >= 1.
Duration doubled(Duration first, std::uint32_t times, Duration most) {
    Duration length = first;
    for (std::uint32_t i = 1; i < times && length < most; ++i) length *= 2;
    return std::min(length, most);
}

}  // namespace

DoorGuard::DoorGuard(GuardOptions options, std::array<std::uint8_t, 32> secret)
    : options_(std::move(options)), secret_(secret) {}

DoorGuard::DoorGuard() : secret_() {
    if (!auth::random_octets(secret_)) throw std::runtime_error("the system has no randomness to give");
}

std::size_t DoorGuard::Hash::operator()(const Key& key) const {
    std::uint64_t high = 0, low = 0;
    std::memcpy(&high, key.data(), sizeof high);
    std::memcpy(&low, key.data() + sizeof high, sizeof low);
    return std::hash<std::uint64_t>()(high * 0x9e3779b97f4a7c15ULL ^ low);
}

std::uint64_t DoorGuard::fingerprint(Offence offence, std::string_view a, std::string_view b) const {
    // Keyed: neither a core file nor a swapped page has a hash of a password that could be guessed at.
    std::string text(1, static_cast<char>(offence));
    text += a;
    text += '\0';
    text += b;
    const auth::Sha256 digest = auth::hmac_sha256(secret_, text);
    std::uint64_t value = 0;
    std::memcpy(&value, digest.data(), sizeof value);
    return value | 1U;  // 0 means: not known
}

std::uint32_t DoorGuard::quarters(const Record& record, SteadyTime now) const {
    std::uint32_t sum = 0;
    for (const Failure& failure : record.failures) {
        if (now - failure.at < options_.window) sum += failure.quarters;
    }
    return sum;
}

bool DoorGuard::expired(const Record& record, SteadyTime now) const {
    return record.remembered_until <= now && quarters(record, now) == 0;
}

bool DoorGuard::held(const Record& record, std::uint64_t who, SteadyTime now) const {
    return std::any_of(record.failures.begin(), record.failures.end(),
                       [&](const Failure& failure) { return failure.who == who && failure.held_until > now; });
}

DoorGuard::Record& DoorGuard::record_of(const Key& key, SteadyTime now) {
    if (records_.size() >= options_.max_addresses && !records_.contains(key)) make_room(now);
    return records_[key];
}

// What is over goes first. When that is not enough, an eighth of the rest goes, those that did least: who wants his record
// forgotten must have as much counted against all the others, from as many addresses.
void DoorGuard::make_room(SteadyTime now) {
    note_reached(Bound::guard_addresses);
    std::erase_if(records_, [&](const auto& entry) { return expired(entry.second, now); });
    const std::size_t keep = options_.max_addresses - std::max<std::size_t>(1, options_.max_addresses / 8);
    if (records_.size() <= keep) return;
    struct Weight {
        bool banned;
        std::uint32_t bans, quarters;
        std::uint64_t last_change;
        Key key;
        auto operator<=>(const Weight&) const = default;
    };
    std::vector<Weight> weights;
    weights.reserve(records_.size());
    for (const auto& [key, record] : records_) {
        weights.push_back({record.banned_until > now, record.bans, quarters(record, now), record.last_change, key});
    }
    const auto least = weights.begin() + static_cast<std::ptrdiff_t>(records_.size() - keep);
    std::nth_element(weights.begin(), least, weights.end());
    for (auto gone = weights.begin(); gone != least; ++gone) records_.erase(gone->key);
}

std::uint32_t DoorGuard::count(Record& record, Failure failure, Offence offence, SteadyTime now) {
    std::erase_if(record.failures, [&](const Failure& old) { return now - old.at >= options_.window; });
    if (record.remembered_until <= now) record.bans = 0;
    record.last = offence;
    record.last_change = ++changes_;
    const auto same = std::find_if(record.failures.begin(), record.failures.end(), [&](const Failure& old) {
        return old.who == failure.who && old.what == failure.what;
    });
    const bool again = same != record.failures.end();
    if (again && failure.what != 0) {
        same->at = now;
    } else if (record.failures.size() < kMostFailures) {
        if (again && offence == Offence::login) failure.quarters = 1;
        record.failures.push_back(failure);
    }
    return quarters(record, now);
}

std::optional<DoorGuard::Ban> DoorGuard::ban_if_due(Record& record, std::uint32_t quarters, SteadyTime now) {
    if (options_.ban_after == 0 || quarters < kWhole * options_.ban_after) return std::nullopt;
    ++record.bans;
    Ban ban;
    ban.length = doubled(options_.ban_first, record.bans, options_.ban_max);
    ban.reason = record.last;
    record.banned_until = now + ban.length;
    record.remembered_until = record.banned_until + options_.ban_max;
    record.turned_away = 0;
    record.failures.clear();
    return ban;
}

DoorGuard::Consequence::Kind DoorGuard::foreseen(const Key& key, std::string_view user, SteadyTime now) const {
    const auto found = records_.find(key);
    if (found == records_.end()) return Consequence::Kind::tell;
    if (found->second.banned_until > now) return Consequence::Kind::turn_away;
    return held(found->second, fingerprint(Offence::login, user), now) ? Consequence::Kind::put_off
                                                                       : Consequence::Kind::tell;
}

DoorGuard::Consequence DoorGuard::on_wrong_password(const Key& key, std::string_view user, std::string_view secret,
                                                    SteadyTime now) {
    Consequence consequence;
    Record& record = record_of(key, now);
    if (record.banned_until > now) {
        consequence.kind = Consequence::Kind::turn_away;
        return consequence;
    }
    Failure failure;
    failure.at = now;
    failure.who = fingerprint(Offence::login, user);
    if (!secret.empty()) failure.what = fingerprint(Offence::login, user, secret);
    if (held(record, failure.who, now)) {
        consequence.kind = Consequence::Kind::put_off;
        return consequence;
    }
    const std::uint32_t sum = count(record, failure, Offence::login, now);
    consequence.ban = ban_if_due(record, sum, now);
    if (consequence.ban) {
        consequence.kind = Consequence::Kind::turn_away;
        return consequence;
    }
    if (options_.delay_first > Duration::zero()) {
        consequence.delay = doubled(options_.delay_first, (sum + kWhole - 1) / kWhole, options_.delay_max);
    }
    for (Failure& counted : record.failures) {
        if (counted.who == failure.who && counted.at == now) counted.held_until = now + consequence.delay;
    }
    return consequence;
}

DoorGuard::Consequence DoorGuard::on_right_password(const Key& key, std::string_view user, SteadyTime now) {
    Consequence consequence;
    const auto found = records_.find(key);
    if (found == records_.end()) return consequence;
    Record& record = found->second;
    const std::uint64_t who = fingerprint(Offence::login, user);
    if (record.banned_until > now) {
        consequence.kind = Consequence::Kind::turn_away;
    } else if (held(record, who, now)) {
        consequence.kind = Consequence::Kind::put_off;
    } else {
        std::erase_if(record.failures, [&](const Failure& failure) { return failure.who == who; });
        if (expired(record, now)) records_.erase(found);
    }
    return consequence;
}

std::optional<DoorGuard::Ban> DoorGuard::on_offence(const Key& key, Offence offence, std::string_view subject,
                                                    SteadyTime now) {
    Record& record = record_of(key, now);
    if (record.banned_until > now) return std::nullopt;
    Failure failure;
    failure.at = now;
    failure.who = fingerprint(offence, {});
    if (!subject.empty()) failure.what = fingerprint(offence, {}, subject);
    return ban_if_due(record, count(record, failure, offence, now), now);
}

bool DoorGuard::banned(const Key& key, SteadyTime now) const {
    const auto found = records_.find(key);
    return found != records_.end() && found->second.banned_until > now;
}

// A leaky bucket of connections_per_minute places, of which as many leak out each minute.
bool DoorGuard::keeps_pace(const Key& key, SteadyTime now) {
    if (options_.connections_per_minute == 0) return true;
    const SteadyTime::duration minute = std::chrono::minutes(1);
    if (arrivals_.size() >= options_.max_addresses && !arrivals_.contains(key)) {
        note_reached(Bound::guard_addresses);
        std::erase_if(arrivals_, [&](const auto& entry) { return entry.second <= now; });
        const std::size_t keep = options_.max_addresses - std::max<std::size_t>(1, options_.max_addresses / 8);
        if (arrivals_.size() > keep) {  // as make_room: those that came least
            std::vector<std::pair<SteadyTime, Key>> all;
            all.reserve(arrivals_.size());
            for (const auto& [address, used_up] : arrivals_) all.emplace_back(used_up, address);
            const auto least = all.begin() + static_cast<std::ptrdiff_t>(all.size() - keep);
            std::nth_element(all.begin(), least, all.end());
            for (auto gone = all.begin(); gone != least; ++gone) arrivals_.erase(gone->second);
        }
    }
    SteadyTime& used_up = arrivals_[key];
    const SteadyTime after = std::max(used_up, now) + minute / options_.connections_per_minute;
    if (after - now > minute) return false;
    used_up = after;
    return true;
}

DoorGuard::Admission DoorGuard::arrive(const Key& key, SteadyTime now) {
    if (const auto found = records_.find(key); found != records_.end() && found->second.banned_until > now) {
        ++found->second.turned_away;
        return Admission::banned;
    }
    return keeps_pace(key, now) ? Admission::welcome : Admission::too_fast;
}

std::vector<DoorGuard::Known> DoorGuard::known(SteadyTime now, std::size_t limit) const {
    std::vector<Known> all;
    for (const auto& [key, record] : records_) {
        if (expired(record, now)) continue;
        Known one;
        one.key = key;
        one.failures = quarters(record, now) / static_cast<double>(kWhole);
        one.bans = record.bans;
        one.turned_away = record.turned_away;
        if (record.banned_until > now) {
            // Upwards: what is banned for less than a millisecond more is still banned.
            one.banned_for = std::chrono::ceil<Duration>(record.banned_until - now);
        }
        one.last = record.last;
        all.push_back(std::move(one));
    }
    const auto worse = [](const Known& a, const Known& b) {
        if (a.banned_for != b.banned_for) return a.banned_for > b.banned_for;
        if (a.failures != b.failures) return a.failures > b.failures;
        return a.key < b.key;
    };
    const std::size_t shown_of_them = std::min(limit, all.size());
    std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown_of_them), all.end(), worse);
    all.resize(shown_of_them);
    for (Known& one : all) one.address = shown(one.key);
    return all;
}

bool DoorGuard::forgive(const Key& key) {
    const bool slowed = arrivals_.erase(key) > 0;
    return records_.erase(key) > 0 || slowed;
}

void DoorGuard::forgive_all() {
    records_.clear();
    arrivals_.clear();
}

std::string_view to_string(DoorGuard::Offence offence) {
    switch (offence) {
        case DoorGuard::Offence::login: return "wrong passwords";
        case DoorGuard::Offence::errors: return "too many bad commands";
        case DoorGuard::Offence::early_talk: return "talking before the greeting";
        case DoorGuard::Offence::relaying: return "attempts to relay";
    }
    return "";
}

std::string shown(const DoorGuard::Key& key) {
    const IpAddress address = IpAddress::from_v6(key);
    return address.is_v4() ? address.to_string() : address.to_string() + "/64";
}

bool exempt(const Client& client, const GuardOptions& guard, const RelayOptions& relay) {
    if (!client.address) return true;  // a unix socket: there is nothing to count by
    if (client.local() && guard.exempt_local) return true;
    if (may_xclient(client, relay)) return true;  // it stands for many; whom it names is judged by his own address
    if (guard.exempt_trusted && trusted(client, relay)) return true;
    return std::any_of(guard.exempt_networks.begin(), guard.exempt_networks.end(),
                       [&](const IpNetwork& network) { return network.contains(*client.address); });
}

}  // namespace posthorn::smtp::server
