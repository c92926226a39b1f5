// Certificates, and who may log in: Postfix's TLS files, its SASL settings, Dovecot, smtpd_sender_login_maps.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "auth/user_file.hpp"
#include "base/text.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

// certificate, key: a pair of parameters.
bool plan_certificate(Planner& planner, const Parameters& main, std::string_view certificate,
                      std::string_view key) {
    const std::string chain = main.value(certificate);
    const std::string secret = main.value(key).empty() ? chain : main.value(key);
    planner.dealt_with.emplace(certificate);
    planner.dealt_with.emplace(key);
    if (chain.empty() || chain == "none") return false;
    const Origin at = main.origin(certificate);
    for (const std::string& file : {chain, secret}) {
        if (planner.files.facts(file)) continue;
        planner.mistake(certificate, at,
                        fmt::format("{} does not exist: Postfix offers no TLS to clients with it.", file));
        planner.to_do("tls", fmt::format("Get a certificate for {} and name it in [tls]; then add the "
                                         "[[listener]]s that wait for it.",
                                         planner.hostname));
        return false;
    }
    if (chain.find("snakeoil") != std::string::npos)
        planner.mistake(certificate, at,
                        fmt::format("{} is the certificate that Debian makes for tests: mail programs that "
                                    "check certificates refuse it.",
                                    chain));
    Draft::Table& table =
        planner.has_certificate ? planner.draft.add("certificate") : planner.draft.section("tls");
    table.set("certificate_file", toml_string(chain), at.to_string() + " " + std::string(certificate))
        .set("key_file", toml_string(secret),
             main.origin(key).built_in() ? "the same file"
                                         : main.origin(key).to_string() + " " + std::string(key));
    planner.out.carried.push_back(
        {std::string(certificate), planner.has_certificate ? "certificate" : "tls.certificate_file", at});
    const auto facts = planner.files.facts(secret);
    if (facts && !facts->hidden && (facts->mode & 04) == 0)
        planner.to_do("tls", fmt::format("Let the user that Posthorn runs as read {} (mode {:04o}, of {}): "
                                         "setfacl -m u:posthorn:r FILE, and x for its directories.",
                                         secret, facts->mode, facts->owner));
    planner.has_certificate = true;
    return true;
}

void plan_tls(Planner& planner) {
    const Parameters& main = planner.main;
    plan_certificate(planner, main, "smtpd_tls_cert_file", "smtpd_tls_key_file");
    plan_certificate(planner, main, "smtpd_tls_eccert_file", "smtpd_tls_eckey_file");
    if (main.is_set("smtpd_tls_chain_files") && !planner.has_certificate) {
        // Key and chain in one file, or a key file followed by a chain file.
        const std::vector<std::string> files = main.list("smtpd_tls_chain_files");
        planner.dealt_with.insert("smtpd_tls_chain_files");
        if (!files.empty()) {
            planner.draft.section("tls")
                .set("certificate_file", toml_string(files.back()), planner.from("smtpd_tls_chain_files"))
                .set("key_file", toml_string(files.front()), "the same");
            planner.has_certificate = true;
        }
    }
    for (const Service& service : planner.master.services) {
        if (service.command == "smtpd" && !planner.has_certificate)
            plan_certificate(planner, main.with(service.overrides), "smtpd_tls_cert_file",
                             "smtpd_tls_key_file");
    }
    for (const char* name : {"smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"}) {
        planner.dealt_with.insert(name);
        if (main.is_set(name))
            planner.out.not_needed.push_back(
                {name, "Clients are offered TLS 1.2 and 1.3, nothing older.", main.origin(name)});
    }
    const std::string protocols = main.value("smtpd_tls_mandatory_protocols");
    if (main.is_set("smtpd_tls_mandatory_protocols") &&
        (protocols.find("!TLSv1.2") != std::string::npos || text::trim(protocols) == ">=TLSv1.3" ||
         text::trim(protocols) == "TLSv1.3")) {
        planner.draft.section("tls").set("min_version", "\"1.3\"",
                                         planner.from("smtpd_tls_mandatory_protocols"));
        planner.carried("smtpd_tls_mandatory_protocols", "tls.min_version");
    }
}

// The users of Dovecot's passwd-files as a users file of ours.
void copy_users(Planner& planner) {
    std::string content = "# From Dovecot; `posthorn user` changes it.\n";
    for (const Dovecot::User& user : planner.dovecot->users) {
        const std::string fault = user.hash.empty() ? user.problem : auth::UserFile::fault_of_name(user.name);
        if (fault.empty())
            content += user.name + ":" + user.hash + "\n";
        else
            planner.not_carried_at("passdb", user.origin,
                                   fmt::format("The user {} was not carried over: {}.",
                                               text::safe_for_log(user.name, 60), fault));
    }
    const std::string file = absolute_path(parent_directory(planner.sources.output), "users");
    planner.draft.section("auth").set("users_file", "\"users\"",
                                      planner.dovecot->sources.front().file + ", Dovecot's passwd-file");
    planner.out.secrets.push_back({file, std::move(content), "users, with the hashes of their passwords",
                                   planner.dovecot->sources.front().origin});
    planner.has_users = true;
}

void ask_dovecot(Planner& planner) {
    constexpr std::string_view kSocket = "/run/dovecot/posthorn-auth";
    const bool there = planner.dovecot &&
                       std::find(planner.dovecot->sockets.begin(), planner.dovecot->sockets.end(), kSocket) !=
                           planner.dovecot->sockets.end();
    planner.draft.section("auth").set("dovecot_socket", toml_string(kSocket),
                                      planner.main.origin("smtpd_sasl_path").built_in()
                                          ? "Postfix asks Dovecot"
                                          : planner.from("smtpd_sasl_path"));
    planner.has_users = true;
    if (there) return;
    planner.to_do(
        "dovecot",
        fmt::format("Give Posthorn a socket of its own, for Postfix's lies in Postfix's private directory. "
                    "In the service auth of {}: unix_listener {} {{ mode = 0660, user = posthorn }} "
                    "(each on a line of its own); then: doveadm reload.",
                    planner.dovecot ? planner.dovecot->file : "Dovecot's 10-master.conf", kSocket));
}

// smtpd_sender_login_maps, "address  user, user", turned round.
void plan_logins(Planner& planner) {
    std::map<std::string, std::vector<std::string>> senders;
    std::map<std::string, Origin> origins;
    for (const LookupTable& table : planner.tables("smtpd_sender_login_maps")) {
        if (table.kind != LookupTable::Kind::exact) {
            if (table.problem.empty())
                planner.not_carried("smtpd_sender_login_maps",
                                    table.spec + " is no list of addresses; see [[user]] senders.");
            continue;
        }
        for (const TableEntry& entry : table.entries) {
            for (const std::string& user : split_list(entry.value)) {
                senders[user].push_back(entry.key);
                origins.try_emplace(user, entry.origin);
            }
        }
    }
    for (const auto& [user, addresses] : senders) {
        const std::string text =
            fmt::format("[[user]]\nname = {}\nsenders = {}\n", toml_string(user), toml_list(addresses));
        if (!is_acceptable(text)) {
            planner.not_carried_at(
                "smtpd_sender_login_maps", origins[user],
                fmt::format("{} does not fit [[user]] senders.", text::safe_for_log(user, 60)));
            continue;
        }
        planner.draft.add("user")
            .set("name", toml_string(user), "")
            .set("senders", toml_list(addresses), origins[user].to_string() + " smtpd_sender_login_maps");
    }
    if (!senders.empty()) planner.carried("smtpd_sender_login_maps", "[[user]] senders");
}

}  // namespace

void plan_users(Planner& planner) {
    plan_tls(planner);
    bool wanted = planner.main.yes("smtpd_sasl_auth_enable");
    std::string type = planner.main.value("smtpd_sasl_type");
    for (const Service& service : planner.master.services) {
        const Parameters own = planner.main.with(service.overrides);
        if (service.command != "smtpd" || !own.yes("smtpd_sasl_auth_enable")) continue;
        wanted = true;
        type = own.value("smtpd_sasl_type");
    }
    for (const char* name : {"smtpd_sasl_auth_enable", "smtpd_sasl_type", "smtpd_sasl_path"})
        planner.dealt_with.insert(name);
    if (wanted && planner.sources.copy_users && planner.dovecot && !planner.dovecot->users.empty()) {
        copy_users(planner);
    } else if (wanted && type == "dovecot") {
        ask_dovecot(planner);
        planner.carried("smtpd_sasl_path", "auth.dovecot_socket");
    } else if (wanted) {
        planner.not_carried("smtpd_sasl_type",
                            fmt::format("The users of {} cannot be read here: passwords are in saslauthd or "
                                        "a database of Cyrus SASL. Make them anew: posthorn user add NAME.",
                                        type));
        planner.to_do("auth",
                      "Make the users (posthorn user add NAME), set auth.users_file, and take the '#' away "
                      "from the [[listener]]s of ports 587 and 465.");
    }
    plan_logins(planner);
}

}  // namespace posthorn::migration
