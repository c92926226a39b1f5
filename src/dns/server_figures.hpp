// What each DNS server was asked and how it answered, for /metrics.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace posthorn::dns {

// What one server has cost and given since the settings were read; for /metrics.
struct ServerFigures {
    std::string address;         // "192.0.2.1:53"
    std::uint64_t queries = 0;   // sent to it
    std::uint64_t answers = 0;   // replies that could be used
    std::uint64_t refusals = 0;  // SERVFAIL, REFUSED, rubbish
    std::uint64_t silences = 0;  // time-outs, and nothing listens there
    bool passed_over = false;    // now

    explicit ServerFigures(std::string where) : address(std::move(where)) {}
};

}  // namespace posthorn::dns
