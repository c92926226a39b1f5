// The terms of a connection, and its opening in plain values.
#include "delivery/opening.hpp"

#include <cerrno>
#include <utility>

#include "auth/sasl_client.hpp"
#include "base/log.hpp"
#include "delivery/classify.hpp"
#include "delivery/relays.hpp"
#include "delivery/routing.hpp"

namespace posthorn::delivery {
namespace {

smtp::client::ChooseLogin login_of(const std::shared_ptr<const Relay>& relay) {
    return [relay](const std::vector<std::string>& offered, const net::TlsFacts& tls) {
        auth::SaslConnection connection;
        // Said as it is only to who has proved to be the relay; others may be logged in to by SCRAM, which tells them nothing.
        connection.password_is_safe = tls.verified || relay->on_this_machine;
        if (!tls.tls_exporter.empty()) connection.channel_bindings.push_back({"tls-exporter", tls.tls_exporter});
        if (!tls.tls_unique.empty()) connection.channel_bindings.push_back({"tls-unique", tls.tls_unique});
        if (!tls.server_end_point.empty())
            connection.channel_bindings.push_back({"tls-server-end-point", tls.server_end_point});
        connection.nonce = auth::make_scram_nonce();
        return auth::SaslClient::choose(offered, relay->login, std::move(connection));
    };
}

std::string_view verified_by(const net::TlsFacts& facts) {
    switch (facts.verified_by) {
        case net::TlsCheck::none: return "none";
        case net::TlsCheck::pkix: return "pkix";
        case net::TlsCheck::dane: return "dane";
    }
    return "none";
}

}  // namespace

Outcome outcome_of(const smtp::protocol::SessionFailure& failure, const std::string& host, bool ipv6,
                   const DeliveryPlan& plan) {
    ReplyFacts facts(failure.stage, failure.reply);
    if (!plan.relay) facts.provider = speaker_of(plan.settings->delivery.providers, host);
    facts.local = failure.local;
    facts.strict_5xx = plan.settings->retry.strict_5xx;
    facts.tls = failure.stage > smtp::protocol::Stage::tls;
    facts.ipv6 = ipv6;
    Outcome outcome;
    adopt(outcome, classify(facts, *plan.settings->rules));
    outcome.scope = Scope::host;
    outcome.stage = failure.stage;
    outcome.reply = failure.reply;
    outcome.host = host;
    return outcome;
}

bool is_own_shortage(const net::error_code& error) {
    switch (error.value()) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL: return true;
        default: return false;
    }
}

bool lacks_v6(const IpAddress& address, const net::error_code& error) {
    if (address.is_v4()) return false;
    return error.value() == ENETUNREACH || error.value() == EADDRNOTAVAIL || error.value() == EAFNOSUPPORT;
}

smtp::client::ConnectionOptions connection_options(const DeliveryPlan& plan, const smtp::client::Target& target,
                                                   const HostSecurity& security) {
    smtp::client::ConnectionOptions options;
    options.hostname = plan.settings->hostname;
    options.tls = security.tls;
    options.implicit_tls = security.implicit_tls;
    options.handshake.host = security.sni;
    options.handshake.check = security.check;
    options.handshake.must_pass = security.must_pass;
    options.handshake.names = security.names;
    options.handshake.tlsa = security.tlsa;
    options.handshake.policy = security.session_policy;
    options.host_is_certain = security.certain;
    options.source = target.address.is_v4() ? plan.source.v4 : plan.source.v6;
    options.pipelining = !plan.quirks.has(target.host, Quirk::no_pipelining);
    options.chunking = plan.settings->delivery.chunking && !plan.quirks.has(target.host, Quirk::no_chunking);
    options.smtputf8 = !plan.quirks.has(target.host, Quirk::no_smtputf8);
    options.timeouts = plan.settings->delivery.timeouts;
    if (plan.relay && plan.relay->wants_login()) {
        options.login = login_of(plan.relay);
        options.login_in_clear = plan.relay->tls == RelayTls::none || plan.relay->tls == RelayTls::opportunistic;
    }
    return options;
}

OpeningFacts facts_of(const smtp::client::Opened& opened) {
    OpeningFacts facts;
    facts.open = opened.ok();
    facts.shook_hands = opened.shook_hands;
    if (opened.ok()) {
        const net::TlsFacts& tls = opened.connection->tls_facts();
        facts.secure = opened.connection->session().secure();
        facts.fault = tls.fault;
        facts.words = tls.fault_detail;
        return facts;
    }
    facts.tls_failed = opened.tls_failed;
    facts.fault = opened.fault;
    facts.words = opened.failure.reply.joined();
    return facts;
}

void log_connection(const smtp::client::Connection& connection, const DeliveryPlan& plan, const HostSecurity& security) {
    const net::TlsFacts& facts = connection.tls_facts();
    auto line = log::info("connected");
    line.kv("to", connection.target().to_string()).kv("domain", plan.domain)
        .kv("tls", facts.version.empty() ? std::string("none") : facts.version + " " + facts.cipher)
        .kv("verified", verified_by(facts)).kv("policy", to_string(security.security));
    if (facts.resumed) line.kv("resumed", true);
    if (plan.relay) line.kv("relay", plan.relay->name);
}

}  // namespace posthorn::delivery
