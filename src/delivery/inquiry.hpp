// Asks DNS whatever a pure rule wants to know, of the resolver and of the zones' own servers, until it wants
// no more.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/dns_answers.hpp"
#include "base/clock.hpp"
#include "dns/message.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class TaskGroup;
}

namespace posthorn::delivery {

// What one place said, and the others.
struct DnsViews {
    auth::DnsAnswers at_resolver;
    std::vector<auth::DnsAnswers> at_authorities;  // as the first server of each zone has it, the second ...;
                                                   // as many as dns.authority_servers

    DnsViews() = default;
};

// Pure. What dns/ says in the words of the rules.
[[nodiscard]] dns::RecordType record_type(auth::DnsType type);
[[nodiscard]] auth::DnsAnswer answer_from(dns::Lookup lookup);

// Pure functions, called between the rounds.
struct DnsRules {
    // The questions that are missing among these answers of one place; none: all is known.
    std::function<std::vector<auth::DnsQuestion>(const auth::DnsAnswers& known)> wanted;
    // Whether the servers of its zone are asked about a name, too. Of other names the resolver's answer
    // counts as that of all places.
    std::function<bool(const std::string& name)> ours;
    // How many questions are answered, of how many so far; may be empty.
    std::function<void(std::size_t answered, std::size_t asked)> progress;

    std::size_t max_questions = 400;  // in all; what is wanted beyond stays unknown

    DnsRules() = default;
};

// On the resolver's shard; the resolver outlives it. Ends at `end`, and at once when the group (or null)
// stops: what was not answered by then is in the views as temporary, so that the rules want nothing. Our own
// cache is passed by: what counts is what others see. `views` is what is known already.
[[nodiscard]] net::awaitable<DnsViews> inquire(dns::Resolver& resolver, DnsRules rules, DnsViews views,
                                               SteadyTime end, net::TaskGroup* group = nullptr);

}  // namespace posthorn::delivery
