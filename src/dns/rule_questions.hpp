// Between the rules of auth, which ask DNS without knowing how, and the resolver: their questions asked, its answers as they want them.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "auth/dns_answers.hpp"
#include "dns/message.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {

class Resolver;

[[nodiscard]] RecordType record_type(auth::DnsType type);
// MX by preference; authentic as the lookup says.
[[nodiscard]] auth::DnsAnswer answer_from(Lookup lookup);

// Asks the resolver all that `wanted` still misses, round after round, until it misses nothing or `limit` is over: then what nobody answered is
// added as temporary. On the resolver's shard; it outlives the call. Our own cache is passed by.
using Wanted = std::function<std::vector<auth::DnsQuestion>(const auth::DnsAnswers&)>;
[[nodiscard]] net::awaitable<auth::DnsAnswers> ask_for_rule(Resolver& resolver, Wanted wanted, std::chrono::seconds limit);

}  // namespace posthorn::dns
