// One look at a domain at a time: its TXT record, then its policy where that is due; whoever wants to know waits for it.
#include "delivery/sts_policies.hpp"

#include <algorithm>
#include <list>
#include <utility>

#include "base/bound.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "delivery/https_get.hpp"
#include "dns/resolver.hpp"
#include "mail/date.hpp"
#include "mail/domain.hpp"
#include "net/tls_context.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kLookInterval = std::chrono::minutes(1);       // at the TXT record of a domain whose policy is in force
constexpr Duration kRefreshInterval = std::chrono::seconds(15);
constexpr std::size_t kMaxRefreshes = 50;                         // begun in one round
constexpr Duration kTlsIdle = std::chrono::minutes(10);           // then the authorities' certificates leave our memory
constexpr std::string_view kPath = "/.well-known/mta-sts.txt";    // RFC 8461 s3.3

bool in_force(const std::shared_ptr<const StsPolicy>& policy, TimePoint now) { return policy && policy->expires > now; }

bool says_the_same(const StsPolicy* a, const StsPolicy* b) {
    if (a == nullptr || b == nullptr) return a == b;
    return a->mode == b->mode && a->mx == b->mx;
}

}  // namespace

struct StsPolicies::Domain {
    explicit Domain(std::string domain) : name(std::move(domain)) {}

    const std::string name;
    std::shared_ptr<const StsPolicy> policy;
    std::optional<StsFailure> failure;
    std::string why;                           // there is no policy
    bool says_none = false;                    // DNS has no record of its kind: a sound answer, no failure
    bool looking = false;
    SteadyTime began{};                        // the look under way
    SteadyTime looked{};                       // when the last look ended
    SteadyTime used{};
    SteadyTime hurry_until{};                  // somebody waited in vain: until then nobody waits
    std::list<net::Signal*> waiting;           // for the end of the look; in the frames of those who wait

    void tell() {
        for (net::Signal* signal : waiting) signal->notify();
    }
};

StsPolicies::StsPolicies(boost::asio::io_context& home, dns::Resolver& resolver, DeliveryMemory& memory, TlsResults& results,
                         const DeliveryOptions& options)
    : resolver_(resolver),
      memory_(memory),
      results_(results),
      options_(options),
      tasks_(home.get_executor(), "mta-sts"),
      wake_(home.get_executor()),
      executor_(home.get_executor()) {}

StsPolicies::~StsPolicies() = default;

void StsPolicies::start() {
    for (const Remembered& one : memory_.load(kKind)) {
        Result<StsPolicy> policy = from_remembered(one.value);
        if (!policy || policy->domain != one.key || domains_.size() >= kMaxDomains) continue;
        const DomainPtr domain = domain_of(one.key);
        domain->policy = std::make_shared<const StsPolicy>(std::move(*policy));
    }
    tasks_.spawn(refresh_rounds());
}

void StsPolicies::reload(const DeliveryOptions& options) {
    none_.clear();
    if (options.tls_ca_file != options_.tls_ca_file) tls_.reset();
    options_ = options;
}

void StsPolicies::stop() {
    tasks_.request_stop();
    wake_.notify();
    turns_.dismiss([](net::Event* turn) { turn->set(); });
    for (auto& [name, domain] : domains_) domain->tell();
}

StsFigures StsPolicies::figures() const {
    StsFigures figures = figures_;
    const TimePoint now = wall_now();
    figures.policies = static_cast<std::size_t>(
        std::count_if(domains_.begin(), domains_.end(), [&](const auto& entry) { return in_force(entry.second->policy, now); }));
    return figures;
}

StsPolicies::DomainPtr StsPolicies::domain_of(const std::string& name) {
    const auto at = domains_.find(name);
    if (at != domains_.end()) return at->second;
    make_room();
    return domains_.emplace(name, std::make_shared<Domain>(name)).first->second;
}

// What is worth least goes. A policy that goes from memory stays on disk until the next start.
void StsPolicies::make_room() {
    if (domains_.size() < kMaxDomains) return;
    note_reached(Bound::sts_policies);
    const TimePoint now = wall_now();
    const auto worth = [now](const Domain& domain) { return StsWorth{in_force(domain.policy, now), domain.used}; };
    auto least = domains_.end();
    for (auto at = domains_.begin(); at != domains_.end(); ++at) {
        if (at->second->looking) continue;
        if (least == domains_.end() || is_worth_less(worth(*at->second), worth(*least->second))) least = at;
    }
    if (least != domains_.end()) domains_.erase(least);
}

void StsPolicies::look(const DomainPtr& domain) {
    if (domain->looking || tasks_.stopping()) return;
    domain->looking = true;
    domain->began = std::chrono::steady_clock::now();
    tasks_.spawn(look_and_tell(domain));
}

net::awaitable<void> StsPolicies::look_and_tell(DomainPtr domain) {
    try {
        co_await look_up(domain);
    } catch (const std::exception& failure) {
        domain->why = failure.what();   // out of memory: those who wait go on, and there will be other looks
        log::error("mta_sts").kv("domain", domain->name).kv("error", failure.what());
    }
    domain->looking = false;
    domain->looked = std::chrono::steady_clock::now();
    domain->tell();
    // Domains without MTA-STS, most of them, are not kept but by their names.
    if (!domain->policy && !domain->failure && domain->hurry_until <= domain->looked) {
        if (domain->says_none) note_none(*domain);
        const auto at = domains_.find(domain->name);
        if (at != domains_.end() && at->second == domain) domains_.erase(at);
    }
}

net::awaitable<void> StsPolicies::look_up(DomainPtr domain) {
    const dns::TxtAnswer answer = co_await resolver_.txt("_mta-sts." + domain->name);
    if (tasks_.stopping()) co_return;
    StsRecord record;
    domain->says_none = answer.status != dns::Status::ok && answer.status != dns::Status::temporary;
    if (answer.status == dns::Status::ok) {
        record = parse_sts_record(answer.texts);
        domain->why = record.why;
    } else if (answer.status == dns::Status::temporary) {
        domain->why = "DNS gave no answer about its MTA-STS record: " + answer.detail;
    } else {
        domain->why.clear();
    }
    if (!should_fetch(domain->policy.get(), domain->failure, record.id, wall_now())) co_return;
    // A look for a refresh does not depend on the record: the policy itself says how it goes on (RFC 8461 s3.3).
    std::string id;
    if (record.id) id = *record.id;
    else if (domain->policy) id = domain->policy->id;
    // A server that failed, which may be by silence, is no better than one that nobody knows.
    const Fetch kind = in_force(domain->policy, wall_now()) && !domain->failure ? Fetch::refresh : Fetch::other;
    const bool turn = co_await take_turn(kind);
    if (!turn) co_return;
    struct Turn {
        Turn(StsPolicies& policies, Fetch which) : of(policies), kind(which) {}
        ~Turn() { of.give_turn(kind); }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        StsPolicies& of;
        const Fetch kind;
    };
    const Turn mine(*this, kind);
    co_await fetch(domain, std::move(id));
}

net::awaitable<void> StsPolicies::fetch(DomainPtr domain, std::string id) {
    if (!tls_) tls_ = std::make_shared<net::ClientTls>(options_.tls_ca_file);
    tls_used_ = std::chrono::steady_clock::now();
    const std::shared_ptr<net::ClientTls> tls = tls_;
    HttpsRequest request("mta-sts." + domain->name, options_.mta_sts_port, std::string(kPath), options_);
    request.max_answer = kMaxStsPolicySize;
    const HttpsAnswer answer = co_await https_request(std::move(request), resolver_, *tls, tasks_);
    if (tasks_.stopping()) co_return;
    const std::string server = "mta-sts." + domain->name + ": ";
    if (answer.end == HttpsEnd::untrusted) {
        note_failure(*domain, TlsResultType::sts_webpki_invalid, server + answer.detail, std::move(id));
    } else if (answer.end == HttpsEnd::too_large) {
        note_failure(*domain, TlsResultType::sts_policy_invalid, server + "the policy is larger than 64 KiB", std::move(id));
    } else if (answer.end != HttpsEnd::answered) {
        note_failure(*domain, TlsResultType::sts_policy_fetch_error, server + answer.detail, std::move(id));
    } else if (answer.status != 200) {
        // STS-2: nothing else is a policy, and a redirect is not followed.
        note_failure(*domain, TlsResultType::sts_policy_fetch_error, server + "answered " + std::to_string(answer.status) +
                     (answer.status / 100 == 3 ? ", and redirects are not followed" : ""), std::move(id));
    } else if (answer.content_type != "text/plain") {
        note_failure(*domain, TlsResultType::sts_policy_invalid,
                     server + "the policy's content type is \"" + text::safe_for_log(answer.content_type, 100) + "\" and not text/plain",
                     std::move(id));
    } else {
        Result<StsPolicy> policy = policy_from(answer.body, domain->name, id, wall_now());
        if (policy) accept(*domain, std::move(*policy));
        else note_failure(*domain, TlsResultType::sts_policy_invalid, server + policy.error().what, std::move(id));
    }
}

void StsPolicies::accept(Domain& domain, StsPolicy policy) {
    ++figures_.fetched;
    domain.failure.reset();
    if (!says_the_same(domain.policy.get(), &policy) || !domain.policy || domain.policy->id != policy.id) {
        log::info("mta_sts").kv("domain", domain.name).kv("mode", to_string(policy.mode)).kv("id", policy.id)
            .kv("mx", static_cast<std::uint64_t>(policy.mx.size())).kv("expires", mail::format_date(policy.expires));
    }
    domain.policy = std::make_shared<const StsPolicy>(std::move(policy));
    memory_.put(kKind, domain.name, remembered_form(*domain.policy), domain.policy->expires);
}

void StsPolicies::note_failure(Domain& domain, TlsResultType type, const std::string& what, std::string id) {
    ++figures_.failed;
    const TimePoint now = wall_now();
    const bool first = !domain.failure || domain.failure->id != id || domain.failure->what != what;
    domain.failure = StsFailure{now, std::move(id), what};
    TlsResult result;
    result.policy_domain = domain.name;
    result.policy_type = TlsPolicyType::sts;
    result.result = type;
    result.detail = what;
    const bool kept = in_force(domain.policy, now);
    if (kept) {
        result.policy_strings = domain.policy->lines();
        result.mx_patterns = domain.policy->mx;
    }
    results_.note(std::move(result), now);
    if (!first && !kept) return;
    // STS-4: a policy that is in force and cannot be refreshed may mean that somebody keeps it from us.
    const bool alarming = kept && domain.policy->mode != StsMode::none;
    log::Event(alarming ? log::Level::warning : log::Level::info, "mta_sts").kv("domain", domain.name).kv("error", what)
        .kv("meaning", kept ? "the policy we have stays in force until " + mail::format_date(domain.policy->expires)
                            : std::string("there is no policy to go by; asked again in five minutes at the soonest"));
}

net::awaitable<bool> StsPolicies::take_turn(Fetch kind) {
    if (turns_.take(kind)) co_return true;
    net::Event turn(executor_);
    const bool waits = turns_.wait(kind, &turn);
    if (!waits) note_reached(Bound::sts_fetches);
    if (!waits) co_return false;
    co_await turn.wait();      // whoever gives it counts for us; at the end nobody counts
    co_return !tasks_.stopping();
}

void StsPolicies::give_turn(Fetch kind) {
    if (net::Event* const next = turns_.give(kind)) next->set();
}

bool StsPolicies::has_none(const std::string& domain) {
    const auto at = none_.find(domain);
    if (at == none_.end()) return false;
    if (std::chrono::steady_clock::now() < at->second) return true;
    none_.erase(at);
    return false;
}

void StsPolicies::note_none(const Domain& domain) {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (none_.size() >= kMaxNone) std::erase_if(none_, [now](const auto& entry) { return entry.second <= now; });
    if (none_.size() < kMaxNone) none_[domain.name] = now + kLookInterval;
}

// Until the look that is under way ends, and no longer than kFirstWait after it began: who asks twice waits once (STS-9).
net::awaitable<void> StsPolicies::await_look(DomainPtr domain) {
    const SteadyTime limit = domain->began + kFirstWait;
    net::Signal signal(executor_);
    const auto place = domain->waiting.insert(domain->waiting.end(), &signal);
    struct Leave {
        Leave(Domain& left, std::list<net::Signal*>::iterator at) : domain(left), place(at) {}
        ~Leave() { domain.waiting.erase(place); }
        Domain& domain;
        std::list<net::Signal*>::iterator place;
    } leave(*domain, place);
    while (domain->looking && !tasks_.stopping() && std::chrono::steady_clock::now() < limit) {
        co_await signal.wait_until(limit);
    }
    // DNS or a server that stays silent costs the first mail kFirstWait, not every one.
    if (domain->looking) domain->hurry_until = std::chrono::steady_clock::now() + kStsRetry;
}

net::awaitable<StsAnswer> StsPolicies::policy(std::string domain_name) {
    if (!options_.mta_sts) co_return StsAnswer("MTA-STS is off (delivery.mta_sts)");
    if (domain_name.empty() || mail::is_address_literal(domain_name)) co_return StsAnswer("an address has no MTA-STS policy");
    text::lower_in_place(domain_name);
    if (has_none(domain_name)) co_return StsAnswer(domain_name + " has no MTA-STS policy");
    const DomainPtr domain = domain_of(domain_name);
    domain->used = std::chrono::steady_clock::now();
    if (in_force(domain->policy, wall_now())) {
        if (domain->used - domain->looked >= kLookInterval) look(domain);
    } else {
        look(domain);
        const bool waits = domain->looking && domain->used >= domain->hurry_until;
        if (waits) co_await await_look(domain);
    }
    StsAnswer answer;
    if (in_force(domain->policy, wall_now())) {
        const StsPolicy& policy = *domain->policy;
        answer.why = domain->name + " has the MTA-STS policy " + policy.id + ", mode " + std::string(to_string(policy.mode)) + ", until " +
                     mail::format_date(policy.expires);
        if (policy.mode != StsMode::none) answer.policy = domain->policy;
    } else if (domain->looking) {
        answer.why = domain->name + "'s MTA-STS policy is not known yet: it is still being fetched (RFC 8461 s5.1)";
    } else if (!domain->why.empty()) {
        answer.why = domain->name + " has no MTA-STS policy: " + domain->why;
    } else if (domain->failure) {
        answer.why = domain->name + " has an MTA-STS record, but its policy could not be had: " + domain->failure->what;
    } else {
        answer.why = domain->name + " has no MTA-STS policy";
    }
    co_return answer;
}

net::awaitable<bool> StsPolicies::renewed(std::string domain_name) {
    text::lower_in_place(domain_name);
    const auto at = domains_.find(domain_name);
    if (at == domains_.end() || !options_.mta_sts) co_return false;
    const DomainPtr domain = at->second;
    const std::shared_ptr<const StsPolicy> before = domain->policy;
    look(domain);
    if (domain->looking) co_await await_look(domain);
    co_return !says_the_same(before.get(), domain->policy.get());
}

net::awaitable<void> StsPolicies::refresh_rounds() {
    while (!tasks_.stopping()) {
        co_await wake_.wait_until(std::chrono::steady_clock::now() + kRefreshInterval);
        const TimePoint now = wall_now();
        std::size_t begun = 0;
        for (auto at = domains_.begin(); at != domains_.end();) {
            const DomainPtr domain = (at++)->second;   // look() changes nothing here, the erasing below does
            if (domain->looking) continue;
            const bool alive = in_force(domain->policy, now);
            const bool failed_lately = domain->failure && now - domain->failure->at < kStsRetry;
            if (!alive && !failed_lately && domain->hurry_until <= std::chrono::steady_clock::now()) {
                domains_.erase(domain->name);
                continue;
            }
            if (!alive || !options_.mta_sts || begun >= kMaxRefreshes) continue;
            const std::optional<std::string> id = domain->policy->id;
            if (!should_fetch(domain->policy.get(), domain->failure, id, now)) continue;
            look(domain);
            ++begun;
        }
        std::erase_if(none_, [ended = std::chrono::steady_clock::now()](const auto& entry) { return entry.second <= ended; });
        if (tls_ && std::chrono::steady_clock::now() - tls_used_ >= kTlsIdle) tls_.reset();
    }
}

}  // namespace posthorn::delivery
