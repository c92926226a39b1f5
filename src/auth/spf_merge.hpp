// The SPF record that a domain must publish so that our addresses pass, made of the one that it has.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/dns_answers.hpp"
#include "base/endpoint.hpp"

namespace posthorn::auth::spf {

struct Merge {
    // unknown: DNS gave no answer, so that `record` is what is right where there is none yet, or what the record known was found to need.
    enum class State : std::uint8_t { right, changed, made, unknown } state = State::made;
    std::string record;               // to publish as the only SPF record; of `right` the very one that is there
    std::vector<std::string> found;   // the SPF records that are there; of several all but `record` must go (a permerror, s4.5)
    std::vector<IpAddress> added;     // those that did not pass without a term of their own
    unsigned lookups = 0;             // of `record`, for a machine that no term names: the most that a receiver must do (s4.6.4: ten)
    unsigned void_lookups = 0;
    std::vector<std::string> words;   // for the operator, one sentence each: what was changed and why, what else is wrong
};

// Pure. The questions that must be answered first, or what to publish at `domain`. helo: our EHLO name, for macros. Every term that is there is kept but those
// that are no SPF; an address that passes already is not added; the others stand in front, before all limits and what would refuse them. Without
// a record: "v=spf1 ip4:... ip6:... ~all". It ends after a bounded number of rounds, as evaluate() does.
using MergeStep = std::variant<std::vector<DnsQuestion>, Merge>;
[[nodiscard]] MergeStep merge(std::string_view domain, std::span<const IpAddress> ips, std::string_view helo, const DnsAnswers& known);

}  // namespace posthorn::auth::spf
