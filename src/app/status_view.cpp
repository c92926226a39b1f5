// The parts of GET /v1/status that are no counters.
#include "app/status_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>

#include "admin/queue_json.hpp"

namespace posthorn::app {

namespace json = boost::json;

std::string certificates_json(const net::ServerTls* tls, TimePoint now) {
    json::array all;
    if (tls == nullptr) return json::serialize(all);
    for (const auto& certificate : tls->certificates()) {
        std::string names;
        for (const std::string& name : certificate->names()) names += (names.empty() ? "" : " ") + name;
        json::object one;
        one["names"] = admin::printable(names);
        one["days_left"] = std::chrono::floor<std::chrono::days>(certificate->not_after() - now).count();
        one["file"] = admin::printable(certificate->files().certificate_file);
        all.push_back(std::move(one));
    }
    return json::serialize(all);
}

std::string guard_json(const smtp::server::DoorGuard& guard, SteadyTime now) {
    std::size_t banned = 0;
    std::size_t failing = 0;
    for (const auto& known : guard.known(now, kMostGuarded)) {
        (known.banned_for > Duration::zero() ? banned : failing) += 1;
    }
    json::object out;
    out["banned"] = banned;
    out["failing"] = failing;
    return json::serialize(out);
}

std::string unsigned_json(const auth::dkim::KeyTable& keys) {
    json::array all;
    for (const std::string& domain : keys.domains()) {
        const auth::dkim::Selection selection = keys.select(domain);
        if (selection.can_sign() || selection.policy != auth::UnsignedPolicy::hold) continue;
        if (all.size() == kMostUnsigned) break;
        json::object one;
        one["domain"] = admin::printable(domain);
        one["reason"] = admin::printable(selection.reason);
        all.push_back(std::move(one));
    }
    return json::serialize(all);
}

std::string suspended_json(const auth::Suspensions& suspensions) {
    json::array names;
    for (const auto& [name, suspension] : suspensions.users()) names.emplace_back(admin::printable(name));
    return json::serialize(names);
}

}  // namespace posthorn::app
