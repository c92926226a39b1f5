// Hosts whose TLS broke: spoken to in the clear for a while, where no policy forbids that (TLS-2).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"

namespace posthorn::delivery {

inline constexpr std::size_t kMaxBrokenTls = 10000;
// The kind under which delivery's memory keeps them over a restart.
inline constexpr std::string_view kBrokenTlsKind = "broken-tls";

// Pure: by "mx.example.com[192.0.2.1]", on the wall's clock, as it outlives a restart. At most kMaxBrokenTls:
// what ends first is forgotten first. On the home shard.
class BrokenTls {
public:
    [[nodiscard]] bool holds(const std::string& host, TimePoint now) const;
    void note(const std::string& host, TimePoint until);
    void forget(const std::string& host) { until_.erase(host); }
    [[nodiscard]] std::size_t size() const { return until_.size(); }

private:
    std::unordered_map<std::string, TimePoint> until_;
};

}  // namespace posthorn::delivery
