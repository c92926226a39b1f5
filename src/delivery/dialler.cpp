// What the dialler keeps, and what it shows of it: TLS contexts, hosts with broken TLS, the health of addresses.
#include "delivery/dialler.hpp"

#include <utility>

#include "delivery/memory.hpp"
#include "net/certificate.hpp"

namespace posthorn::delivery {

Dialler::Dialler(dns::Resolver& resolver, boost::asio::thread_pool& files)
    : resolver_(resolver), files_(files), tls_(std::make_shared<net::ClientTls>()), random_(std::random_device{}()) {}

void Dialler::use(const Learnt& learnt) {
    learnt_ = learnt;
    if (learnt_.memory == nullptr) return;
    for (const Remembered& item : learnt_.memory->load(kBrokenTlsKind)) broken_tls_.note(item.key, item.expires);
}

void Dialler::heed(const BlockedSites* blocked, const SourceWatch* sources, const Quirks* quirks, const Breaker* breaker) {
    breaker_ = breaker;
    blocked_ = blocked;
    sources_ = sources;
    quirks_ = quirks;
}

std::shared_ptr<net::ClientTls> Dialler::tls_of(const Settings& settings) {
    if (settings.delivery.tls_ca_file != tls_ca_file_ || settings.client_certificate != tls_certificate_) {
        tls_ca_file_ = settings.delivery.tls_ca_file;
        tls_certificate_ = settings.client_certificate;
        tls_ = std::make_shared<net::ClientTls>(tls_ca_file_, tls_certificate_);
    }
    return tls_;
}

void Dialler::remember_broken_tls(const std::string& host, Duration time) {
    const TimePoint until = wall_now() + time;
    broken_tls_.note(host, until);
    if (learnt_.memory != nullptr) learnt_.memory->put(kBrokenTlsKind, host, std::string(), until);
}

void Dialler::forget_broken_tls(const std::string& host) {
    broken_tls_.forget(host);
    if (learnt_.memory != nullptr) learnt_.memory->erase(kBrokenTlsKind, host);
}

net::awaitable<std::vector<ExplainedHost>> Dialler::explain(const DeliveryPlan& plan, DeliveryTerms terms) {
    std::vector<ExplainedHost> out;
    const SteadyTime now = std::chrono::steady_clock::now();
    for (const RouteHost& host : plan.route.hosts) {
        const HostView view = co_await look_at(plan, terms, host);
        ExplainedHost shown;
        shown.preference = host.preference;
        shown.name = host.name;
        shown.port = view.port;
        for (const IpAddress& address : view.addresses) {
            ExplainedAddress one{address, "well"};
            const std::string key = health_key(address, view.port);
            const HostHealth::Standing standing = health_.standing(key, now);
            if (standing == HostHealth::Standing::resting) {
                const auto wait = std::chrono::ceil<std::chrono::seconds>(health_.rests_until(key) - now);
                one.health = "left out for " + std::to_string(wait.count()) + " s: " + health_.reason(key);
            } else if (standing != HostHealth::Standing::well) {
                one.health = "tried again by one delivery: " + health_.reason(key);
            }
            shown.addresses.push_back(std::move(one));
        }
        if (view.obstacle) {
            shown.security = "unusable";
            shown.why = view.obstacle->reply.joined();
            shown.refuses = view.obstacle->result == Disposition::failed;
        } else {
            shown.security = view.security.usable ? std::string(to_string(view.security.security)) : "unusable";
            shown.why = view.security.why;
        }
        out.push_back(std::move(shown));
    }
    co_return out;
}

net::awaitable<std::string> Dialler::doubt_about_dnssec() {
    if (!resolver_.trusts_ad()) co_return std::string();
    // That the root has no such record is signed, too (RFC 4035 s3.1.3.1).
    const dns::TxtAnswer root = co_await resolver_.txt(".");
    if (root.status == dns::Status::temporary || root.authenticated) co_return std::string();
    std::string asked;
    for (const dns::ServerFigures& server : resolver_.servers()) asked += (asked.empty() ? "" : ", ") + server.address;
    co_return "dns.trust_ad is set, but " + asked +
        " did not say even of the root zone that DNSSEC was checked, so DANE applies nowhere: let [dns] servers name a "
        "resolver on this machine that validates, such as unbound with its trust anchor";
}

}  // namespace posthorn::delivery
