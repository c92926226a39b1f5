// Which addresses of mail hosts do not answer: left out while others do, and looked at again by one delivery
// at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/endpoint.hpp"

namespace posthorn::delivery {

// How long an address is left out after its first failure, and at most; each failure doubles it, +-20 %.
inline constexpr Duration kHostBackoffFirst = std::chrono::seconds(60);
inline constexpr Duration kHostBackoffMax = std::chrono::minutes(30);
inline constexpr std::size_t kMaxSickHosts = 10000;

// "192.0.2.1:25", "[2001:db8::1]:25".
[[nodiscard]] inline std::string health_key(const IpAddress& address, std::uint16_t port) {
    const std::string text = address.to_string();
    return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

// Pure: time and chance are arguments. Addresses by health_key(). Knows only those that
// failed to connect or to greet; an address is well until something is known. Owned by the dialler, on the
// home shard; kept in memory only, as a restart may have repaired whatever was wrong on our side.
class HostHealth {
public:
    enum class Standing {
        well,
        due,      // left out so far, and its time is over: the one who goes ahead calls begin_probe()
        probed,   // somebody is trying it right now
        resting,  // left out for now
    };
    [[nodiscard]] Standing standing(const std::string& address, SteadyTime now) const;
    // Until when it is left out; REQUIRES: resting.
    [[nodiscard]] SteadyTime rests_until(const std::string& address) const { return sick_.at(address).until; }
    // Why, in the words of the last failure; empty: it is well.
    [[nodiscard]] std::string reason(const std::string& address) const;

    // This caller tries an address that is not well; others leave it out until one of the three below is
    // called.
    void begin_probe(const std::string& address);
    // It greeted: all may use it from now on. True: it was not well before.
    bool answered(const std::string& address) { return sick_.erase(address) > 0; }
    // It did not connect or greet. random: in [0, 1]. Failures of deliveries that began before the first one
    // was known do not add up: they say nothing new, and the answer is false.
    bool failed(const std::string& address, std::string why, SteadyTime began, SteadyTime now, double random);
    // The attempt ended for reasons of ours.
    void gave_up(const std::string& address);

    [[nodiscard]] std::size_t size() const { return sick_.size(); }

private:
    struct Sick {
        SteadyTime since{};  // of the last failure
        SteadyTime until{};
        Duration backoff{};
        bool probed = false;
        std::string why;
    };
    void make_room(SteadyTime now);
    std::unordered_map<std::string, Sick> sick_;
};

}  // namespace posthorn::delivery
