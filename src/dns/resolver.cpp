// Turns questions into queries, equal questions into one, and replies into answers that mail can be sent by.
#include "dns/resolver.hpp"

#include <algorithm>
#include <unordered_map>

#include "dns/answers.hpp"
#include "dns/cache.hpp"
#include "dns/servers.hpp"
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

}  // namespace

class Resolver::Impl {
public:
    Impl(asio::any_io_executor executor, const DnsOptions& options, std::shared_ptr<Servers> servers)
        : executor_(std::move(executor)),
          options_(options),
          cache_(limits_of(options)),
          servers_(std::move(servers)) {}

    ~Impl() {
        // Their callbacks refer to this, and look through retiring_: it must not be in the middle of a
        // change.
        std::vector<std::shared_ptr<Servers>> old = std::move(retiring_);
        retiring_.clear();
        old.clear();
        servers_.reset();
    }

    // Starts the question, or finds it answered or under way.
    std::shared_ptr<Flight> begin(std::string name, RecordType type, bool fresh = false) {
        ++counters_.questions;
        std::optional<Lookup> known;
        if (!fresh) {
            known = cache_.find(name, type, std::chrono::steady_clock::now());
        }
        if (known) {
            ++counters_.cache_hits;
            return finished(std::move(*known));
        }
        const std::string key = question_of(name, type);
        if (const auto found = flights_.find(key); found != flights_.end()) {
            ++counters_.joined;
            return found->second;
        }
        auto flight = std::make_shared<Flight>(executor_);
        flights_.emplace(key, flight);
        ++counters_.queries;
        Servers* const servers = servers_.get();
        const SteadyTime asked = std::chrono::steady_clock::now();
        servers->ask(name, type, [this, servers, asked, key, name, type, flight](Lookup answer) {
            counters_.query_seconds.observe(std::chrono::steady_clock::now() - asked);
            flight->answer = std::move(answer);
            land(key, name, type, flight);
            discard_if_done(servers);
        });
        return flight;
    }

    awaitable<Lookup> await(std::shared_ptr<Flight> flight, std::string name, RecordType type,
                            bool fresh = false) {
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
                answer.authenticated = false;
                answer.detail = "the CNAME records of " + name +
                                " lead nowhere: the chain is too long or goes in a circle";
                co_return answer;
            }
            ttl = answer.ttl;
            authenticated = answer.authenticated;
            flight = begin(answer.final_name, type, fresh);
        }
    }

    awaitable<Lookup> lookup(std::string name, RecordType type, bool fresh = false) {
        auto flight = begin(name, type, fresh);
        co_return co_await await(std::move(flight), std::move(name), type, fresh);
    }

    Result<void> reconfigure(const DnsOptions& options) {
        Result<std::shared_ptr<Servers>> fresh = Servers::create(executor_, options);
        if (!fresh) {
            return fresh.error();
        }
        if (servers_->pending() > 0) {
            retiring_.push_back(std::move(servers_));
        }
        servers_ = std::move(*fresh);
        options_ = options;
        cache_ = DnsCache(limits_of(options));
        flights_.clear();
        return {};
    }

    void close() {
        // A copy: the last answer of retired ones takes them from the list.
        std::vector<std::shared_ptr<Servers>> all = retiring_;
        all.push_back(servers_);
        for (const std::shared_ptr<Servers>& servers : all) {
            servers->close();
        }
    }

    void flush() {
        cache_.clear();
        flights_.clear();  // a question asked before must not answer, or be kept for, one asked after
    }

    [[nodiscard]] ResolverCounters counters() const {
        ResolverCounters now = counters_;
        now.cache_entries = cache_.size();
        now.cache_limit = options_.cache_entries;
        return now;
    }
    [[nodiscard]] std::vector<ServerFigures> servers() const { return servers_->figures(); }
    [[nodiscard]] bool trusts_ad() const { return options_.trust_ad; }
    [[nodiscard]] const DnsOptions& options() const { return options_; }

private:
    std::shared_ptr<Flight> finished(Lookup answer) {
        auto flight = std::make_shared<Flight>(executor_);
        flight->answer = std::move(answer);
        flight->done.set();
        return flight;
    }

    // May run inside c-ares, even inside begin(): only notes the answer; waiters are resumed by the event
    // loop.
    void land(const std::string& key, const std::string& name, RecordType type,
              const std::shared_ptr<Flight>& flight) {
        const Lookup& answer = flight->answer;
        if (answer.status == Status::temporary) {
            ++(answer.local_shortage ? counters_.shortages : counters_.failures);
        }
        if (const auto found = flights_.find(key); found != flights_.end() && found->second == flight) {
            flights_.erase(found);
            cache_.put(name, type, flight->answer, std::chrono::steady_clock::now());
        }
        flight->done.set();
    }

    void discard_if_done(const Servers* servers) {
        const auto old =
            std::find_if(retiring_.begin(), retiring_.end(),
                         [&](const std::shared_ptr<Servers>& other) { return other.get() == servers; });
        if (old == retiring_.end() || servers->pending() > 0) {
            return;
        }
        // Not here: this runs inside a callback of theirs.
        std::shared_ptr<Servers> doomed = std::move(*old);
        retiring_.erase(old);
        asio::post(executor_, [doomed = std::move(doomed)]() mutable { doomed.reset(); });
    }

    asio::any_io_executor executor_;
    DnsOptions options_;
    DnsCache cache_;
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
    ResolverCounters counters_;
    std::vector<std::shared_ptr<Servers>> retiring_;
    std::shared_ptr<Servers> servers_;
};

Result<std::unique_ptr<Resolver>> Resolver::create(asio::any_io_executor executor,
                                                   const DnsOptions& options) {
    Result<std::shared_ptr<Servers>> servers = Servers::create(executor, options);
    if (!servers) {
        return servers.error();
    }
    auto impl = std::make_unique<Impl>(std::move(executor), options, std::move(*servers));
    return std::unique_ptr<Resolver>(new Resolver(std::move(impl)));
}

Resolver::Resolver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Resolver::~Resolver() = default;

awaitable<MxAnswer> Resolver::mx(std::string domain) {
    domain = canonical_name(domain);
    Lookup found = co_await impl_->lookup(domain, RecordType::mx);
    co_return mx_answer(std::move(found), domain);
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
    if (asked_v4) {
        v4 = co_await impl_->await(std::move(asked_v4), host, RecordType::a);
    }
    if (asked_v6) {
        v6 = co_await impl_->await(std::move(asked_v6), host, RecordType::aaaa);
    }
    AddressAnswer answer =
        address_answer(family == Family::v6 ? nullptr : &v4, family == Family::v4 ? nullptr : &v6, host);
    if (answer.status == Status::ok && !answer.cname_target.empty() && !answer.authenticated &&
        impl_->trusts_ad()) {
        Lookup alias = co_await impl_->lookup(host, RecordType::cname);
        add_alias(answer, std::move(alias));
    }
    co_return answer;
}

awaitable<TxtAnswer> Resolver::txt(std::string name) {
    Lookup found = co_await impl_->lookup(canonical_name(name), RecordType::txt);
    co_return txt_answer(std::move(found));
}

awaitable<TlsaAnswer> Resolver::tlsa(std::string name) {
    name = canonical_name(name);
    Lookup found = co_await impl_->lookup(name, RecordType::tlsa);
    co_return tlsa_answer(std::move(found), name);
}

awaitable<PtrAnswer> Resolver::ptr(IpAddress address) {
    Lookup found = co_await impl_->lookup(reverse_name(address), RecordType::ptr);
    co_return ptr_answer(std::move(found));
}

awaitable<Lookup> Resolver::look_up(std::string name, RecordType type, bool fresh) {
    name = canonical_name(name);
    co_return co_await impl_->lookup(std::move(name), type, fresh);
}

const DnsOptions& Resolver::options() const {
    return impl_->options();
}

Result<void> Resolver::reconfigure(const DnsOptions& options) {
    return impl_->reconfigure(options);
}

void Resolver::close() {
    impl_->close();
}

bool Resolver::trusts_ad() const {
    return impl_->trusts_ad();
}

void Resolver::flush() {
    impl_->flush();
}

ResolverCounters Resolver::counters() const {
    return impl_->counters();
}

std::vector<ServerFigures> Resolver::servers() const {
    return impl_->servers();
}

}  // namespace posthorn::dns
