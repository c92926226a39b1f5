// Which remedy a refusal has, by what it asks for and by what can still be changed.
#include "delivery/remedy.hpp"

#include <algorithm>

#include "delivery/agent.hpp"
#include "delivery/plan.hpp"
#include "smtp/client/connection.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Stage;

// Of what was in use, what the stage makes the likeliest. BDAT is in use behind RCPT only.
std::optional<Quirk> suspected(Stage stage, const Carriage& carriage) {
    if (carriage.chunking && (stage == Stage::data || stage == Stage::end_of_data)) return Quirk::no_chunking;
    if (carriage.smtputf8) return Quirk::no_smtputf8;
    if (carriage.pipelining) return Quirk::no_pipelining;
    return std::nullopt;
}

}  // namespace

Carriage::Carriage(const DeliveryPlan& plan) : group(plan.group), domain(plan.domain), by_relay(plan.relay != nullptr) {
    tls_off = plan.settings->delivery.tls == TlsPolicy::none || plan.provider_tls == TlsPolicy::none;
    for (const RouteHost& one : plan.route.hosts)
        if (!plan.quirks.has(one.name, Quirk::no_relaying)) hosts.push_back(one.name);
}

void Carriage::note_opening(const std::string& target) {
    const std::size_t bracket = target.find('[');
    host = target.substr(0, bracket);
    ipv6 = bracket != std::string::npos && target.find(':', bracket) != std::string::npos;
}

void Carriage::note_transaction(const smtp::client::Connection& connection) {
    const smtp::protocol::ClientSession& session = connection.session();
    host = connection.target().host;
    ipv6 = !connection.target().address.is_v4();
    secure = session.secure();
    starttls = session.extensions().starttls;
    pipelining = session.pipelines();
    chunking = session.by_chunks();
    smtputf8 = session.extensions().smtputf8 && session.needs_smtputf8();
    transactions = session.transactions();
}

std::optional<Remedy> remedy_for(const Judgement& judgement, Stage stage, const Carriage& carriage) {
    if (judgement.ipv4_instead && carriage.ipv6 && !carriage.by_relay) return Remedy{Quirk::no_ipv6, carriage.group};
    if (judgement.force_tls && !carriage.secure && carriage.starttls && !carriage.tls_off && !carriage.by_relay)
        return Remedy{Quirk::tls, carriage.group};
    if (judgement.without_extension)
        if (const std::optional<Quirk> quirk = suspected(stage, carriage)) return Remedy{quirk, carriage.host};
    const bool others = std::any_of(carriage.hosts.begin(), carriage.hosts.end(), [&](const std::string& name) { return name != carriage.host; });
    // At the opening the dialler has asked them all.
    if (judgement.next_mx && stage > Stage::auth && others && !carriage.by_relay && !carriage.host.empty())
        return Remedy{Quirk::no_relaying, carriage.host + ' ' + carriage.domain};
    // On its first message a new connection would be no other than this one.
    if (judgement.reconnect && carriage.transactions > 1) return Remedy{std::nullopt, {}};
    return std::nullopt;
}

}  // namespace posthorn::delivery
