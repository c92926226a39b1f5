// Turns questions into queries, equal questions into one, and replies into answers that mail can be sent by.
#include "dns/resolver.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "dns/cache.hpp"
#include "dns/channel.hpp"
#include "net/wait_event.hpp"

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::awaitable;

constexpr unsigned kMaxOpenChain = 8;  // further questions for one chain of CNAMEs

// One question under way and those who wait for it. Shared, since the reply may come after all waiters have
// gone.
struct Flight {
    net::Event done;
    Lookup answer;

    explicit Flight(asio::any_io_executor executor) : done(std::move(executor)) {}
};

CacheLimits limits_of(const DnsOptions& options) {
    return CacheLimits(options.cache_entries, options.max_ttl, options.negative_ttl);
}

std::string question_of(const std::string& name, RecordType type) {
    return std::string(to_string(type)) + " of " + name;
}

// What the operator reads when there is no answer. said: what servers did say, where they said something.
std::string no_answer(int status, const std::string& servers, const std::string& said,
                      const DnsOptions& options) {
    if (servers.empty()) {
        return "no DNS server is configured (dns.servers, or /etc/resolv.conf)";
    }
    if (!said.empty()) {
        return "asked " + servers + ": " + said;
    }
    const std::string whom = "DNS server " + servers;
    switch (status) {
        case ARES_ETIMEOUT:
            return whom + ": no answer (" + std::to_string(options.tries) + " tries, the first of " +
                   std::to_string(options.timeout.count()) + " ms)";
        case ARES_ECONNREFUSED:
            return whom + ": nothing listens there, or the network is unreachable";
        default:
            return whom + ": " + ares_strerror(status);
    }
}

IpAddress address_of(const Record& record) {
    if (record.type == RecordType::a) {
        std::array<std::uint8_t, 4> octets{};
        std::memcpy(octets.data(), record.text.data(), octets.size());
        return IpAddress::from_v4(octets);
    }
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), record.text.data(), octets.size());
    return IpAddress::from_v6(octets);
}

// "4.3.2.1.in-addr.arpa" or the nibbles of RFC 3596 s2.5.
std::string reverse_name(const IpAddress& address) {
    const auto& octets = address.octets();
    std::string name;
    if (address.is_v4()) {
        for (std::size_t i = 16; i > 12; --i) {
            name += std::to_string(octets[i - 1]) + '.';
        }
        return name + "in-addr.arpa";
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    for (std::size_t i = 16; i > 0; --i) {
        name += kHex[octets[i - 1] & 0x0F];
        name += '.';
        name += kHex[octets[i - 1] >> 4];
        name += '.';
    }
    return name + "ip6.arpa";
}

MxAnswer mx_from(Lookup lookup, const std::string& domain) {
    MxAnswer answer;
    answer.status = lookup.status;
    answer.ttl = lookup.ttl;
    answer.authenticated = lookup.authenticated;
    answer.detail = std::move(lookup.detail);
    if (lookup.final_name != domain) {
        answer.cname_target = lookup.final_name;
    }
    if (lookup.status == Status::no_data) {
        // RFC 5321 s5.1: "If an empty list of MXs is returned, the address is treated as if it was associated
        // with an implicit MX RR, with a preference of 0, pointing to that host." A CNAME's target is "the
        // initial name" then.
        answer.status = Status::ok;
        answer.implicit = true;
        answer.hosts.emplace_back(std::uint16_t{0}, lookup.final_name);
        return answer;
    }
    if (lookup.status != Status::ok) {
        return answer;
    }
    for (Record& record : lookup.records) {
        if (!record.text.empty()) {
            answer.hosts.emplace_back(record.preference, std::move(record.text));
        }
    }
    if (answer.hosts.empty()) {
        // RFC 7505 s3: a single MX whose host is the root. Beside other hosts the root is a mistake and left
        // out.
        answer.null_mx = true;
        answer.detail = "the domain " + domain + " accepts no mail: it has a null MX record (RFC 7505)";
        return answer;
    }
    std::stable_sort(answer.hosts.begin(), answer.hosts.end(),
                     [](const MxHost& a, const MxHost& b) { return a.preference < b.preference; });
    return answer;
}

AddressAnswer addresses_from(const Lookup& v4, const Lookup& v6, Family family) {
    AddressAnswer answer;
    for (const Record& record : v4.records) {
        answer.v4.push_back(address_of(record));
    }
    for (const Record& record : v6.records) {
        answer.v6.push_back(address_of(record));
    }
    // The worse of the two rules only where the other has nothing: a failed AAAA does not take away the A
    // records.
    const bool any_failed = v4.status == Status::temporary || v6.status == Status::temporary;
    const bool v4_asked = family != Family::v6;
    const bool v6_asked = family != Family::v4;
    if (!answer.v4.empty() || !answer.v6.empty()) {
        answer.status = Status::ok;
        answer.ttl = answer.v4.empty() ? v6.ttl : answer.v6.empty() ? v4.ttl : std::min(v4.ttl, v6.ttl);
        answer.authenticated =
            (answer.v4.empty() || v4.authenticated) && (answer.v6.empty() || v6.authenticated);
        answer.detail = v4.status == Status::temporary   ? v4.detail
                        : v6.status == Status::temporary ? v6.detail
                                                         : std::string();
        return answer;
    }
    const Lookup& told =
        v4_asked && (v4.status == Status::temporary || !v6_asked || v6.status != Status::temporary) ? v4 : v6;
    answer.status = any_failed ? Status::temporary : told.status;
    answer.ttl = v4_asked && v6_asked ? std::min(v4.ttl, v6.ttl) : told.ttl;
    answer.authenticated = told.authenticated;
    answer.detail = told.detail;
    if (answer.status == Status::no_data && v4_asked && v6_asked) {
        answer.detail =
            "the name " + told.final_name + " exists in DNS, but has no address (neither A nor AAAA)";
    }
    return answer;
}

}  // namespace

class Resolver::Impl {
public:
    Impl(asio::any_io_executor executor, const DnsOptions& options, std::shared_ptr<Channel> channel)
        : executor_(std::move(executor)),
          options_(options),
          cache_(limits_of(options)),
          channel_(std::move(channel)) {}

    ~Impl() {
        // Their callbacks refer to this, and look through retiring_: it must not be in the middle of a
        // change.
        std::vector<std::shared_ptr<Channel>> old = std::move(retiring_);
        retiring_.clear();
        old.clear();
        channel_.reset();
    }

    // Starts the question, or finds it answered or under way.
    std::shared_ptr<Flight> begin(std::string name, RecordType type) {
        ++counters_.questions;
        if (std::optional<Lookup> known = cache_.find(name, type, std::chrono::steady_clock::now())) {
            ++counters_.cache_hits;
            return finished(std::move(*known));
        }
        if (closed_) {
            Lookup none;
            none.final_name = name;
            none.detail = question_of(name, type) + ": not asked, as this program ends";
            return finished(std::move(none));
        }
        const std::string key = question_of(name, type);
        if (const auto found = flights_.find(key); found != flights_.end()) {
            ++counters_.joined;
            return found->second;
        }
        auto flight = std::make_shared<Flight>(executor_);
        flights_.emplace(key, flight);
        ++counters_.queries;
        Channel* const channel = channel_.get();
        channel->query(name, type,
                       [this, channel, key, name, type, flight](
                           int status, std::span<const std::uint8_t> octets, const std::string& said) {
                           flight->answer = understand(name, type, status, octets, channel->servers(), said);
                           land(key, name, type, flight);
                           discard_if_done(channel);
                       });
        return flight;
    }

    awaitable<Lookup> await(std::shared_ptr<Flight> flight, std::string name, RecordType type) {
        std::chrono::seconds ttl = std::chrono::seconds::max();
        bool authenticated = true;
        for (unsigned hop = 0;; ++hop) {
            co_await flight->done.wait();
            Lookup answer = flight->answer;
            answer.ttl = std::min(ttl, answer.ttl);
            answer.authenticated = authenticated && answer.authenticated;
            if (answer.status == Status::temporary || !answer.chain_is_open) {
                co_return answer;
            }
            if (hop == kMaxOpenChain || answer.final_name == name) {
                answer.status = Status::temporary;
                answer.detail = "the CNAME records of " + name +
                                " lead nowhere: the chain is too long or goes in a circle";
                co_return answer;
            }
            ttl = answer.ttl;
            authenticated = answer.authenticated;
            flight = begin(answer.final_name, type);
        }
    }

    awaitable<Lookup> lookup(std::string name, RecordType type) {
        auto flight = begin(name, type);
        co_return co_await await(std::move(flight), std::move(name), type);
    }

    Result<void> reconfigure(const DnsOptions& options) {
        Result<std::shared_ptr<Channel>> fresh = Channel::create(executor_, options);
        if (!fresh) {
            return fresh.error();
        }
        if (channel_->pending() > 0) {
            retiring_.push_back(std::move(channel_));
        }
        channel_ = std::move(*fresh);
        options_ = options;
        cache_ = DnsCache(limits_of(options));
        flights_.clear();
        return {};
    }

    void close() {
        closed_ = true;
        // A copy: the last reply of a channel takes it from the list.
        std::vector<std::shared_ptr<Channel>> all = retiring_;
        all.push_back(channel_);
        for (const std::shared_ptr<Channel>& channel : all) {
            channel->cancel();
        }
    }

    void flush() {
        cache_.clear();
        flights_.clear();  // a question asked before must not answer, or be kept for, one asked after
    }

    [[nodiscard]] const ResolverCounters& counters() const { return counters_; }
    [[nodiscard]] bool trusts_ad() const { return options_.trust_ad; }

private:
    std::shared_ptr<Flight> finished(Lookup answer) {
        auto flight = std::make_shared<Flight>(executor_);
        flight->answer = std::move(answer);
        flight->done.set();
        return flight;
    }

    Lookup understand(const std::string& name, RecordType type, int status,
                      std::span<const std::uint8_t> octets, const std::string& servers,
                      const std::string& said) const {
        Lookup lookup;
        lookup.final_name = name;
        if (status == ARES_EBADNAME) {
            lookup.status = Status::nxdomain;
            lookup.detail = "'" + name + "' is not a valid domain name";
            return lookup;
        }
        const std::string about = question_of(name, type) + ": ";
        if (status != ARES_SUCCESS) {
            lookup.detail = about + no_answer(status, servers, said, options_);
            return lookup;
        }
        const std::optional<Message> message = read_message(octets);
        if (!message || message->truncated) {
            lookup.detail = about + "DNS server " + servers + ": the reply makes no sense";
            return lookup;
        }
        lookup = interpret(*message, name, type);
        lookup.authenticated = lookup.authenticated && options_.trust_ad;
        if (lookup.status == Status::temporary) {
            lookup.detail = about + "DNS server " + servers + ": " + lookup.detail;
        } else if (lookup.status == Status::nxdomain) {
            lookup.detail = "the name " + lookup.final_name + " does not exist in DNS (NXDOMAIN)";
        } else if (lookup.status == Status::no_data) {
            lookup.detail = "the name " + lookup.final_name + " exists in DNS, but has no " +
                            std::string(to_string(type)) + " record";
        }
        return lookup;
    }

    // May run inside c-ares, even inside begin(): only notes the answer; waiters are resumed by the event
    // loop.
    void land(const std::string& key, const std::string& name, RecordType type,
              const std::shared_ptr<Flight>& flight) {
        if (flight->answer.status == Status::temporary) {
            ++counters_.failures;
        }
        if (const auto found = flights_.find(key); found != flights_.end() && found->second == flight) {
            flights_.erase(found);
            cache_.put(name, type, flight->answer, std::chrono::steady_clock::now());
        }
        flight->done.set();
    }

    void discard_if_done(const Channel* channel) {
        const auto old =
            std::find_if(retiring_.begin(), retiring_.end(),
                         [&](const std::shared_ptr<Channel>& other) { return other.get() == channel; });
        if (old == retiring_.end() || channel->pending() > 0) {
            return;
        }
        // Not here: this runs inside a callback of that very channel.
        std::shared_ptr<Channel> doomed = std::move(*old);
        retiring_.erase(old);
        asio::post(executor_, [doomed = std::move(doomed)]() mutable { doomed.reset(); });
    }

    asio::any_io_executor executor_;
    DnsOptions options_;
    DnsCache cache_;
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
    ResolverCounters counters_;
    std::vector<std::shared_ptr<Channel>> retiring_;
    std::shared_ptr<Channel> channel_;
    bool closed_ = false;
};

Result<std::unique_ptr<Resolver>> Resolver::create(asio::any_io_executor executor,
                                                   const DnsOptions& options) {
    Result<std::shared_ptr<Channel>> channel = Channel::create(executor, options);
    if (!channel) {
        return channel.error();
    }
    auto impl = std::make_unique<Impl>(std::move(executor), options, std::move(*channel));
    return std::unique_ptr<Resolver>(new Resolver(std::move(impl)));
}

Resolver::Resolver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Resolver::~Resolver() = default;

awaitable<MxAnswer> Resolver::mx(std::string domain) {
    domain = canonical_name(domain);
    Lookup found = co_await impl_->lookup(domain, RecordType::mx);
    co_return mx_from(std::move(found), domain);
}

awaitable<AddressAnswer> Resolver::addresses(std::string host, Family family) {
    host = canonical_name(host);
    // Both are on their way before either is waited for.
    std::shared_ptr<Flight> asked_v4;
    std::shared_ptr<Flight> asked_v6;
    if (family != Family::v6) {
        asked_v4 = impl_->begin(host, RecordType::a);
    }
    if (family != Family::v4) {
        asked_v6 = impl_->begin(host, RecordType::aaaa);
    }
    Lookup v4;
    Lookup v6;
    v4.status = Status::no_data;
    v6.status = Status::no_data;
    if (asked_v4) {
        v4 = co_await impl_->await(std::move(asked_v4), host, RecordType::a);
    }
    if (asked_v6) {
        v6 = co_await impl_->await(std::move(asked_v6), host, RecordType::aaaa);
    }
    AddressAnswer answer = addresses_from(v4, v6, family);
    const Lookup& told = family == Family::v6 || (answer.v4.empty() && !answer.v6.empty()) ? v6 : v4;
    if (told.final_name != host) {
        answer.cname_target = told.final_name;
        answer.alias_authenticated = answer.authenticated;
    }
    if (answer.status == Status::ok && !answer.cname_target.empty() && !answer.authenticated &&
        impl_->trusts_ad()) {
        Lookup alias = co_await impl_->lookup(host, RecordType::cname);
        answer.alias_authenticated = alias.status == Status::ok && alias.authenticated;
        if (alias.status == Status::temporary) {
            answer.status = Status::temporary;
            answer.detail = std::move(alias.detail);
        }
    }
    co_return answer;
}

awaitable<TxtAnswer> Resolver::txt(std::string name) {
    name = canonical_name(name);
    Lookup found = co_await impl_->lookup(name, RecordType::txt);
    TxtAnswer answer;
    answer.status = found.status;
    answer.ttl = found.ttl;
    answer.authenticated = found.authenticated;
    answer.detail = std::move(found.detail);
    for (Record& record : found.records) {
        answer.texts.push_back(std::move(record.text));
    }
    co_return answer;
}

awaitable<PtrAnswer> Resolver::ptr(IpAddress address) {
    std::string name = reverse_name(address);
    Lookup found = co_await impl_->lookup(std::move(name), RecordType::ptr);
    PtrAnswer answer;
    answer.status = found.status;
    answer.ttl = found.ttl;
    answer.detail = std::move(found.detail);
    for (Record& record : found.records) {
        answer.names.push_back(std::move(record.text));
    }
    co_return answer;
}

awaitable<TlsaAnswer> Resolver::tlsa(std::string name) {
    name = canonical_name(name);
    Lookup found = co_await impl_->lookup(name, RecordType::tlsa);
    TlsaAnswer answer;
    answer.status = found.status;
    answer.authenticated = found.authenticated;
    answer.cname_target = found.final_name == name ? std::string() : std::move(found.final_name);
    answer.ttl = found.ttl;
    answer.detail = std::move(found.detail);
    for (const Record& record : found.records) {
        answer.records.emplace_back(static_cast<std::uint8_t>(record.text[0]),
                                    static_cast<std::uint8_t>(record.text[1]),
                                    static_cast<std::uint8_t>(record.text[2]), record.text.substr(3));
    }
    co_return answer;
}

Result<void> Resolver::reconfigure(const DnsOptions& options) {
    return impl_->reconfigure(options);
}

void Resolver::close() {
    impl_->close();
}

void Resolver::flush() {
    impl_->flush();
}

const ResolverCounters& Resolver::counters() const {
    return impl_->counters();
}

}  // namespace posthorn::dns
