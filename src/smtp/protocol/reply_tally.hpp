// How often each refusal was said: replies counted by code and enhanced code, for the metrics.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "smtp/protocol/reply.hpp"

namespace posthorn::smtp::protocol {

// Shared by all sessions of one shard and used by its thread only. Positive replies are not counted. Bounded:
// what is said first gets a place of its own, beyond kMaxKinds all is counted together in others().
class ReplyTally {
public:
    static constexpr std::size_t kMaxKinds = 256;

    struct Kind {
        std::uint16_t code = 0;
        EnhancedCode enhanced;
        friend bool operator<(const Kind& a, const Kind& b) {
            const auto key = [](const Kind& k) {
                return std::pair(std::uint64_t{k.code} << 48U | std::uint64_t{k.enhanced.status} << 32U,
                                 std::uint64_t{k.enhanced.subject} << 16U | k.enhanced.detail);
            };
            return key(a) < key(b);
        }
    };

    void count(const Reply& reply) { count(Kind{reply.code, reply.enhanced}); }
    // A reply of one line, as it goes out: "550 5.7.1 Relaying denied\r\n".
    void count(std::string_view wire);

    [[nodiscard]] const std::map<Kind, std::uint64_t>& counts() const { return counts_; }
    [[nodiscard]] std::uint64_t others() const { return others_; }

private:
    void count(Kind kind);

    std::map<Kind, std::uint64_t> counts_;
    std::uint64_t others_ = 0;
};

}  // namespace posthorn::smtp::protocol
