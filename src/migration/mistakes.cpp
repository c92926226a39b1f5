// What was wrong in the old configuration: settings that contradict each other, have no effect, or let
// strangers or unsigned mail through.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

class Mistakes {
public:
    explicit Mistakes(Planner& planner) : planner_(planner), main_(planner.main) {}

    void find() {
        syntax();
        duplicates();
        destinations();
        milters();
        relaying();
        tls();
        others();
        if (planner_.dkim) opendkim();
    }

private:
    void say(std::string_view subject, const Origin& origin, std::string words) {
        planner_.mistake(subject, origin, std::move(words));
    }
    void say(std::string_view parameter, std::string words) {
        say(parameter, main_.origin(parameter), std::move(words));
    }

    void syntax() {
        for (const auto& fault : main_.faults()) say("main.cf", fault.origin, fault.what + ".");
        for (const auto& fault : planner_.master.faults) say("master.cf", fault.origin, fault.what + ".");
    }

    // SD-9: what was appended although it stood there already.
    void duplicates() {
        std::map<std::string, const Assignment*> seen;
        const auto look = [&](const std::vector<Assignment>& all) {
            for (const Assignment& assignment : all) {
                const Assignment*& before = seen[assignment.name];
                if (before != nullptr) {
                    const bool same = before->value == assignment.value;
                    say(assignment.name, assignment.origin,
                        fmt::format("It is set at line {} already, to {}.", before->origin.line,
                                    same ? "the same value"
                                         : fmt::format("\"{}\", which has no effect",
                                                       text::safe_for_log(before->value, 80))));
                }
                before = &assignment;
            }
        };
        look(main_.assignments());
        std::map<std::string, Origin> services;
        for (const Service& service : planner_.master.services) {
            seen.clear();
            look(service.overrides);
            const auto [at, is_new] = services.try_emplace(service.name + "/" + service.type, service.origin);
            if (!is_new)
                say("master.cf", service.origin,
                    fmt::format("The service {} is defined at line {} already.", service.name,
                                at->second.line));
        }
    }

    // SD-12.
    void destinations() {
        std::set<std::string> told;
        for (const std::string& name : main_.list("mydestination")) {
            const std::string domain = text::to_lower(name);
            if (!told.insert(domain).second ||
                std::find(planner_.domains.begin(), planner_.domains.end(), domain) == planner_.domains.end())
                continue;
            say("mydestination",
                fmt::format("It has {}: mail to your own domain from this machine went into mailboxes here, "
                            "even where its MX is elsewhere (Google Workspace and the like). "
                            "Posthorn delivers it to the MX hosts, like all other mail.",
                            domain));
        }
        for (const std::string& name : main_.list("virtual_mailbox_domains")) {
            if (planner_.is_ours(name))
                say("virtual_mailbox_domains",
                    fmt::format("{} has its mailboxes here. Posthorn delivers its mail to the MX hosts; if "
                                "those are this machine, another program must receive.",
                                name));
        }
    }

    static bool is_milter_of(std::string_view milter, const OpenDkim& dkim) {
        // inet:8891@localhost (OpenDKIM) is inet:localhost:8891 (Postfix); local:/path is unix:/path.
        const std::string socket = dkim.value("Socket");
        if (socket.empty()) return true;
        std::string_view rest = socket;
        if (text::istarts_with(rest, "inet:")) {
            rest.remove_prefix(5);
            const std::string_view port = text::take_field(rest, '@');
            return milter.ends_with(":" + std::string(port));
        }
        if (rest.starts_with("local:") || rest.starts_with("unix:")) rest.remove_prefix(rest.find(':') + 1);
        const std::size_t slash = rest.rfind('/');
        return milter.ends_with(rest.substr(slash == std::string_view::npos ? 0 : slash + 1));
    }

    // SD-13, SD-43.
    void milters() {
        const std::vector<std::string> smtpd = main_.list("smtpd_milters");
        const std::vector<std::string> local = main_.list("non_smtpd_milters");
        for (const char* name :
             {"smtpd_milters", "non_smtpd_milters", "milter_default_action", "milter_protocol"})
            planner_.dealt_with.insert(name);
        if (!smtpd.empty() && local.empty())
            say("non_smtpd_milters", main_.origin("smtpd_milters"),
                "It is missing beside smtpd_milters: mail handed in by sendmail, all of PHP's mail() and "
                "cron's, was not signed. Posthorn signs everything, when it leaves.");
        if (main_.value("milter_default_action") == "accept" && !(smtpd.empty() && local.empty()))
            say("milter_default_action",
                "\"accept\" let mail leave unsigned whenever the signer did not answer; with DMARC p=reject "
                "receivers then refuse it. Posthorn keeps such mail until it can be signed.");
        for (const std::string& milter : smtpd) {
            if (planner_.dkim && is_milter_of(milter, *planner_.dkim))
                found_signer_ = true;
            else
                planner_.not_carried(
                    "smtpd_milters",
                    fmt::format("{} is no OpenDKIM that is known here. Posthorn calls no milters; filters "
                                "for incoming mail have no work at a server that only sends.",
                                text::safe_for_log(milter, 80)));
        }
        if (planner_.dkim && !found_signer_)
            say("smtpd_milters",
                smtpd.empty() ? Origin{planner_.dkim->file, 0} : main_.origin("smtpd_milters"),
                fmt::format("Postfix does not ask OpenDKIM, which listens at \"{}\": nothing was signed.",
                            text::safe_for_log(planner_.dkim->value("Socket"), 80)));
    }

    // SD-67, SD-68.
    void relaying() {
        for (const char* name : {"smtpd_relay_restrictions", "smtpd_recipient_restrictions"}) {
            bool guarded = false;
            for (const std::string& item : main_.list(name)) {
                if (item == "reject" || item.starts_with("reject_unauth_destination") ||
                    item.starts_with("defer_unauth_destination") || item == "defer")
                    guarded = true;
                if (item == "permit" && !guarded)
                    say(name,
                        "It says permit before anything is rejected: everybody could relay (an open relay).");
            }
        }
        if (!main_.is_set("mynetworks") && main_.value("mynetworks_style") == "subnet" &&
            main_.value("inet_interfaces") != "loopback-only")
            say("mynetworks", Origin{absolute_path(planner_.sources.postfix, "main.cf"), 0},
                "It is not set, and mynetworks_style is subnet: Postfix trusted every machine of its "
                "networks, at a hoster strangers' machines. Posthorn trusts loopback only.");
        if (main_.yes("smtpd_sasl_auth_enable") && !main_.yes("smtpd_tls_auth_only") &&
            main_.value("smtpd_tls_security_level") != "encrypt")
            say("smtpd_sasl_auth_enable",
                "Without smtpd_tls_auth_only = yes passwords were taken in clear text. Posthorn takes none "
                "before TLS.");
        if (!main_.value("smtpd_sender_login_maps").empty()) {
            std::string all = main_.value("smtpd_sender_restrictions") +
                              main_.value("smtpd_recipient_restrictions") +
                              main_.value("smtpd_relay_restrictions");
            for (const Service& service : planner_.master.services) {
                for (const Assignment& override : service.overrides) all += override.value;
            }
            if (all.find("sender_login_mismatch") == std::string::npos)
                say("smtpd_sender_login_maps",
                    "No restriction asks for it (reject_sender_login_mismatch): users could send as "
                    "anybody.");
        }
    }

    // SD-62, SD-66.
    void tls() {
        const std::string level = main_.value("smtp_tls_security_level");
        if ((level.empty() && !main_.yes("smtp_use_tls") && !main_.yes("smtp_enforce_tls")) ||
            level == "none")
            say("smtp_tls_security_level",
                main_.is_set("smtp_tls_security_level")
                    ? main_.origin("smtp_tls_security_level")
                    : Origin{absolute_path(planner_.sources.postfix, "main.cf"), 0},
                "Without it mail left in clear text, which Gmail refuses from bulk senders. Posthorn uses "
                "TLS wherever it is offered.");
        if ((level == "encrypt" || level == "verify" || level == "secure") &&
            main_.value("relayhost").empty())
            say("smtp_tls_security_level",
                fmt::format("\"{}\" for the whole Internet: mail to servers without TLS{} is not delivered. "
                            "opportunistic, with DANE and MTA-STS, is what receivers expect.",
                            level, level == "encrypt" ? "" : " or without a certificate that fits"));
        for (const auto& [list, grade] :
             {std::pair{"tls_high_cipherlist", "high"}, std::pair{"tls_medium_cipherlist", "medium"},
              std::pair{"tls_low_cipherlist", "low"}, std::pair{"tls_export_cipherlist", "export"}}) {
            if (!main_.is_set(list)) continue;
            bool used = false;
            std::string in_use;
            for (const char* parameter : {"smtpd_tls_ciphers", "smtpd_tls_mandatory_ciphers",
                                          "smtp_tls_ciphers", "smtp_tls_mandatory_ciphers"}) {
                used = used || main_.value(parameter) == grade;
                if (main_.is_set(parameter)) in_use = main_.value(parameter);
            }
            if (!used)
                say(list, fmt::format("The grade in use is {}: this list has no effect.",
                                      in_use.empty() ? "medium" : in_use));
        }
        for (const char* parameter : {"smtpd_tls_protocols", "smtpd_tls_mandatory_protocols",
                                      "smtp_tls_protocols", "smtp_tls_mandatory_protocols"}) {
            if (!main_.is_set(parameter)) continue;
            const std::string value = main_.value(parameter);
            const bool from_12 =
                value.find(">=TLSv1.2") != std::string::npos || value.find(">=TLSv1.3") != std::string::npos;
            const bool old = !from_12 &&
                             (value.find("!TLSv1.1") == std::string::npos ||
                              (value + ",").find("!TLSv1,") == std::string::npos) &&
                             std::string_view(parameter).starts_with("smtpd");
            if (old && value.find('!') != std::string::npos)
                say(parameter, "It allows TLS below 1.2, which RFC 8996 forbids.");
        }
    }

    void others() {
        if (main_.yes("soft_bounce"))
            say("soft_bounce",
                "It is on: mail that was refused for good was tried for days, and nobody told.");
        if (!main_.value("defer_transports").empty())
            say("defer_transports", "Mail of these transports is kept and not delivered.");
        const std::string milters = main_.value("smtpd_milters");
        for (const Service& service : planner_.master.services) {
            for (const Assignment& override : service.overrides) {
                if (override.name == "smtpd_milters" && override.value.empty() && !milters.empty() &&
                    service.port() != 25)
                    say("smtpd_milters", override.origin,
                        fmt::format("The service {} turns it off: mail of users who log in was not signed.",
                                    service.name));
            }
        }
        if (main_.value("inet_protocols") == "ipv4" && main_.is_set("inet_protocols"))
            planner_.to_do("ipv6",
                           "delivery.family is \"v4\" because inet_protocols was: take it out once this "
                           "machine's IPv6 address has a PTR record; the default uses IPv6 only then.");
    }

    void opendkim() {
        const OpenDkim& dkim = *planner_.dkim;
        for (const auto& fault : dkim.faults) say("OpenDKIM", fault.origin, fault.what + ".");
        std::map<std::string, Origin> seen;
        for (const DkimSetting& setting : dkim.settings) {
            const auto [at, is_new] = seen.try_emplace(text::to_lower(setting.name), setting.origin);
            if (!is_new)
                say(setting.name, setting.origin,
                    fmt::format("It is set at {} already.", at->second.to_string()));
        }
        const std::string mode = dkim.value("Mode");
        if (!mode.empty() && mode.find('s') == std::string::npos)
            say("Mode", dkim.find("Mode")->origin,
                fmt::format("\"{}\" has no s: OpenDKIM only verifies, nothing was signed.",
                            text::safe_for_log(mode, 10)));
        single_key(dkim);
        trusted_hosts(dkim);
        if (dkim.find("SigningTable") != nullptr && dkim.find("KeyTable") == nullptr)
            say("SigningTable", dkim.find("SigningTable")->origin,
                "There is no KeyTable to it: OpenDKIM does not start.");
        if (dkim.find("KeyTable") != nullptr && dkim.find("SigningTable") == nullptr)
            say("KeyTable", dkim.find("KeyTable")->origin,
                "There is no SigningTable to it: OpenDKIM does not start.");
    }

    // SD-10: KeyFile beside KeyTable.
    void single_key(const OpenDkim& dkim) {
        const DkimSetting* file = dkim.find("KeyFile");
        if (file == nullptr || dkim.find("KeyTable") == nullptr) return;
        const std::string path = absolute_path(parent_directory(dkim.file), file->value);
        say("KeyFile", file->origin,
            fmt::format("It has no effect beside KeyTable, {}.", planner_.files.facts(path)
                                                                     ? "nor have Domain and Selector"
                                                                     : "and " + path + " does not exist"));
    }

    // SD-11: a file of trusted hosts that no setting names.
    void trusted_hosts(const OpenDkim& dkim) {
        for (const char* name : {"internalhosts", "externalignorelist"})
            planner_.dealt_with.insert(std::string("opendkim.") + name);
        if (dkim.find("InternalHosts") != nullptr || dkim.find("ExternalIgnoreList") != nullptr) {
            const DkimSetting* set = dkim.find("InternalHosts") != nullptr ? dkim.find("InternalHosts")
                                                                           : dkim.find("ExternalIgnoreList");
            planner_.out.not_needed.push_back(
                {set->name,
                 "Posthorn signs whatever it has accepted; there is no second list of whom to sign for.",
                 set->origin});
            return;
        }
        std::vector<std::string> directories{parent_directory(dkim.file), planner_.sources.opendkim};
        for (const char* setting : {"KeyTable", "SigningTable"}) {
            std::string value = dkim.value(setting);
            value = value.substr(std::min(value.size(), value.find('/')));
            if (!value.empty()) directories.push_back(parent_directory(value));
        }
        for (const std::string& directory : directories) {
            for (const char* name : {"TrustedHosts", "trusted.hosts", "trustedhosts"}) {
                const std::string path = absolute_path(directory, name);
                const auto facts = planner_.files.facts(path);
                if (!facts || facts->directory || facts->hidden) continue;
                say("TrustedHosts", {path, 0},
                    "No setting names this file (InternalHosts = refile:...): mail of the hosts in it was "
                    "not signed. Posthorn needs none.");
                return;
            }
        }
    }

    Planner& planner_;
    const Parameters& main_;
    bool found_signer_ = false;
};

}  // namespace

void find_mistakes(Planner& planner) {
    Mistakes(planner).find();
}

}  // namespace posthorn::migration
