// What deliveries came to and how long they took, counted for /metrics.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/histogram.hpp"
#include "delivery/outcome.hpp"

namespace posthorn::delivery {

inline constexpr std::size_t kDispositions = static_cast<std::size_t>(Disposition::failed) + 1;
inline constexpr std::size_t kClasses = static_cast<std::size_t>(Class::permanent) + 1;

// Pure; on the agent's shard. Providers are those of the rules and our own relays ("relay:NAME"); all other receivers are "other", as
// their names are whatever strangers call their hosts, and mail that no way was found for is "none".
class DeliveryTally {
public:
    // Of providers, over all reloads of their rules; what comes later is "other".
    static constexpr std::size_t kMostProviders = 200;

    struct Provider {
        // Recipients, by what became of them and why.
        std::array<std::array<std::uint64_t, kClasses>, kDispositions> outcomes{};
        // Of attempts: from when the scheduler began it until the last word of the server.
        Histogram attempt_seconds{kDialogueSeconds};
    };

    // group: DeliveryPlan::group, empty where there was no plan.
    void concluded(std::string_view group, std::chrono::nanoseconds took) { provider(group).attempt_seconds.observe(took); }
    void settled(std::string_view group, const Outcome& outcome);
    [[nodiscard]] static std::string_view label(std::string_view group);

    // A connection that can carry mail; version: OpenSSL's word, empty without TLS.
    void opened(std::string_view version, std::chrono::nanoseconds took);
    void not_opened(std::chrono::nanoseconds took) { not_opened_seconds_.observe(took); }

    [[nodiscard]] const std::map<std::string, Provider, std::less<>>& providers() const { return providers_; }
    // "TLSv1.3", "none" -> connections.
    [[nodiscard]] const std::map<std::string, std::uint64_t, std::less<>>& connections() const { return connections_; }
    [[nodiscard]] const Histogram& opened_seconds() const { return opened_seconds_; }
    [[nodiscard]] const Histogram& not_opened_seconds() const { return not_opened_seconds_; }

    // Of recipients, from their message's acceptance: to the beginning of the first attempt that came to something, and to the server's
    // word that it has it.
    Histogram first_attempt_seconds{kWaitSeconds};
    Histogram delivered_seconds{kWaitSeconds};
    // Of signatures: the time a core had with them, not the wait for it.
    Histogram sign_seconds{kMachineSeconds};
    std::uint64_t sign_failures = 0;

private:
    Provider& provider(std::string_view group);

    std::map<std::string, Provider, std::less<>> providers_;
    std::map<std::string, std::uint64_t, std::less<>> connections_;
    Histogram opened_seconds_{kDialogueSeconds};
    Histogram not_opened_seconds_{kDialogueSeconds};
};

}  // namespace posthorn::delivery
