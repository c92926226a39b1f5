// How mail leaves: address family, source addresses, TLS towards other servers.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

void plan_client_tls(Planner& planner, Draft::Table& table) {
    const std::string level = planner.main.value("smtp_tls_security_level");
    planner.dealt_with.insert("smtp_tls_security_level");
    if (level == "encrypt" || level == "verify" || level == "secure" || level == "fingerprint" ||
        level == "dane-only") {
        // With a relay for all mail that is the relay's affair.
        if (planner.main.value("relayhost").empty())
            table.set("tls", "\"required\"", planner.from("smtp_tls_security_level"));
        if (level != "encrypt" && planner.main.value("relayhost").empty())
            planner.not_carried(
                "smtp_tls_security_level",
                fmt::format("{} asks every server on the Internet to prove its name, which few can; "
                            "Posthorn asks for TLS, and for proof wherever DANE or MTA-STS offers it.",
                            level));
        else
            planner.carried("smtp_tls_security_level", "delivery.tls");
    } else if (level == "may" || level == "dane") {
        planner.carried(
            "smtp_tls_security_level",
            "delivery.tls = \"opportunistic\", which is the default; DANE and MTA-STS come on top");
    }
    if (const std::string shown = planner.main.value("smtp_tls_cert_file");
        !shown.empty() && !planner.files.facts(shown)) {
        planner.mistake("smtp_tls_cert_file", planner.main.origin("smtp_tls_cert_file"),
                        fmt::format("{} does not exist.", shown));
        for (const char* name : {"smtp_tls_cert_file", "smtp_tls_key_file"}) planner.dealt_with.insert(name);
    } else if (!shown.empty()) {
        const std::string key = planner.main.value("smtp_tls_key_file");
        table
            .set("tls_certificate_file", toml_string(planner.main.value("smtp_tls_cert_file")),
                 planner.from("smtp_tls_cert_file"))
            .set("tls_key_file", toml_string(key.empty() ? planner.main.value("smtp_tls_cert_file") : key),
                 planner.from("smtp_tls_key_file"));
    }
    const std::string bundle = planner.main.value("smtp_tls_CAfile");
    planner.dealt_with.insert("smtp_tls_CAfile");
    static constexpr std::string_view kUsual[] = {"/etc/ssl/certs/ca-certificates.crt",
                                                  "/etc/pki/tls/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt",
                                                  "/etc/ssl/cert.pem", "/etc/ssl/certs/ca-bundle.crt"};
    if (bundle.empty()) return;
    if (std::find(std::begin(kUsual), std::end(kUsual), bundle) != std::end(kUsual)) {
        planner.out.not_needed.push_back({"smtp_tls_CAfile",
                                          "Posthorn finds the system's own bundle in the known places.",
                                          planner.main.origin("smtp_tls_CAfile")});
    } else if (!planner.files.facts(bundle)) {
        planner.mistake("smtp_tls_CAfile", planner.main.origin("smtp_tls_CAfile"),
                        fmt::format("{} does not exist. Posthorn takes the system's own bundle.", bundle));
    } else {
        table.set("tls_ca_file", toml_string(bundle), planner.from("smtp_tls_CAfile"));
        planner.carried("smtp_tls_CAfile", "delivery.tls_ca_file");
    }
}

}  // namespace

void plan_delivery(Planner& planner) {
    Draft::Table& table = planner.draft.section("delivery");
    const std::string protocols = text::to_lower(planner.main.value("inet_protocols"));
    if (protocols == "ipv4" || protocols == "ipv6") {
        table.set("family", protocols == "ipv4" ? "\"v4\"" : "\"v6\"", planner.from("inet_protocols"));
        planner.carried("inet_protocols", "delivery.family");
    }
    for (const auto& [theirs, ours] :
         {std::pair{"smtp_bind_address", "source_v4"}, std::pair{"smtp_bind_address6", "source_v6"}}) {
        const std::string address = planner.main.value(theirs);
        if (address.empty()) continue;
        if (is_acceptable(fmt::format("[delivery]\n{} = {}\n", ours, toml_string(address)))) {
            table.set(ours, toml_string(address), planner.from(theirs));
            planner.carried(theirs, std::string("delivery.") + ours);
        } else {
            planner.not_carried(theirs,
                                fmt::format("{} is no such address.", text::safe_for_log(address, 60)));
        }
    }
    plan_client_tls(planner, table);
}

}  // namespace posthorn::migration
