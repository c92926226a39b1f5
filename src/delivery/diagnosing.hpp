// Diagnosis by DNS: asks the resolver and the zones' own servers what the rules of examination.hpp want to know.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "delivery/diagnosis.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class TaskGroup;
}

namespace posthorn::delivery {

struct Settings;

inline constexpr auto kDiagnosisLimit = std::chrono::seconds(60);

// Pure. What to look at for mail of these domains: names and keys from the settings, the address from the peer's reply (`ip`, as text, or
// empty), else the source addresses where they are public, else (found by diagnose()) those of the EHLO name, which is right behind NAT, too.
[[nodiscard]] DiagnosisQuestion question_about(const Settings& settings, std::string_view from_domain,
                                               std::string_view mail_from_domain, std::string_view ip);

// On the resolver's shard; the resolver outlives it. Ends within `limit`, and at once when the group (or null) stops, with unknown for what was
// not answered by then; never throws for what DNS says. Nothing is remembered between calls, and our own cache is passed by: what counts is what
// others see.
[[nodiscard]] net::awaitable<Diagnosis> diagnose(dns::Resolver& resolver, DiagnosisQuestion question,
                                                 net::TaskGroup* group = nullptr, std::chrono::seconds limit = kDiagnosisLimit);

}  // namespace posthorn::delivery
