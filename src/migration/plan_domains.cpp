// Who we are and whose mail is signed with what: myhostname, and OpenDKIM's keys by its signing table.
#include <fmt/format.h>

#include <algorithm>

#include "auth/dkim/key.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

// A key as it is used for one domain: a row of KeyTable with its "%" filled in.
struct SigningKey {
    std::string domain;
    std::string selector;
    std::string file;
    Origin origin;  // of the key
    Origin rule;    // of the row of SigningTable that led to it
    friend bool operator==(const SigningKey& a, const SigningKey& b) {
        return a.domain == b.domain && a.selector == b.selector;
    }
};

void plan_hostname(Planner& planner) {
    if (!planner.sources.hostname.empty()) {
        planner.hostname = planner.sources.hostname;
        planner.dealt_with.insert("myhostname");
        planner.draft.top().set("hostname", toml_string(planner.hostname), "--hostname");
        return;
    }
    const std::string name = planner.main.value("myhostname");
    // What is said in EHLO is what receivers look up, and what the PTR record is about.
    for (const char* said : {"smtp_helo_name", "myhostname"}) {
        const std::string told = planner.main.value(said);
        if ((said != std::string_view("myhostname") && !planner.main.is_set(said)) ||
            !is_acceptable("hostname = " + toml_string(told) + "\n"))
            continue;
        planner.hostname = told;
        planner.dealt_with.insert("myhostname");
        planner.draft.top().set("hostname", toml_string(told), planner.from(said));
        planner.carried(said, "hostname");
        return;
    }
    planner.hostname = planner.domains.empty() ? "mail.example.com" : "mail." + planner.domains.front();
    planner.mistake("myhostname", planner.main.origin("myhostname"),
                    fmt::format("The name {} exists for this machine only: receivers look EHLO's name up in "
                                "DNS, and refuse or mark down mail of servers they cannot "
                                "find (Gmail 550-5.7.25, Yahoo, Outlook).",
                                text::safe_for_log(name, 100)));
    planner.to_do("hostname", fmt::format("Decide on this server's public name and set hostname: {} is a "
                                          "guess. Its A and AAAA records must be this machine's "
                                          "addresses, and their PTR records this name.",
                                          planner.hostname));
    planner.draft.top().remark("A guess: " + planner.from("myhostname") + " is " + name +
                               ", which is no name on the Internet.");
    planner.draft.top().set("hostname", toml_string(planner.hostname), "");
    planner.dealt_with.insert("myhostname");
}

// The domain that a pattern of SigningTable is about; empty: all, or none in particular.
std::string domain_of(std::string_view pattern) {
    if (const std::size_t at = pattern.rfind('@'); at != std::string_view::npos)
        pattern.remove_prefix(at + 1);
    while (pattern.starts_with('*') || pattern.starts_with('.')) pattern.remove_prefix(1);
    return pattern.find('*') == std::string_view::npos ? std::string(pattern) : std::string();
}

class Signing {
public:
    explicit Signing(Planner& planner) : planner_(planner), dkim_(*planner.dkim) {}

    // Domains in the order of the signing table.
    std::vector<SigningKey> keys() {
        for (const DkimRule& rule : dkim_.rules) add_rule(rule);
        for (const DkimKey& key : dkim_.keys) {
            const bool used = std::any_of(dkim_.rules.begin(), dkim_.rules.end(),
                                          [&](const DkimRule& rule) { return rule.key == key.name; });
            if (!used)
                planner_.mistake(
                    "KeyTable", key.origin,
                    fmt::format("The key {} is named by no row of SigningTable: nothing is signed with it.",
                                text::safe_for_log(key.name, 100)));
        }
        return std::move(found_);
    }

private:
    void add_rule(const DkimRule& rule) {
        const std::string shown = text::safe_for_log(rule.pattern, 100);
        if (!rule.wildcards && rule.pattern.find('*') != std::string::npos && rule.pattern != "*" &&
            !rule.pattern.ends_with("@*")) {
            planner_.mistake("SigningTable", rule.origin,
                             fmt::format("{} holds a \"*\", but the table is not named as refile:, so "
                                         "OpenDKIM compares the sign itself: nothing is signed by this row.",
                                         shown));
        }
        bool known = false;
        for (const DkimKey& key : dkim_.keys) {
            if (key.name != rule.key) continue;
            if (known) {
                planner_.mistake("KeyTable", key.origin,
                                 fmt::format("The key {} is given twice; one of the two has no effect.",
                                             text::safe_for_log(key.name, 100)));
                continue;
            }
            known = true;
            add_key(rule, key, shown);
        }
        if (!known)
            planner_.mistake("SigningTable", rule.origin,
                             fmt::format("{} names the key {}, which KeyTable does not have: OpenDKIM "
                                         "refuses such mail or lets it go unsigned.",
                                         shown, text::safe_for_log(rule.key, 100)));
    }

    void add_key(const DkimRule& rule, const DkimKey& key, const std::string& shown) {
        const std::string about = domain_of(rule.pattern);
        SigningKey found{key.domain == "%" ? about : key.domain, key.selector, key.file, key.origin,
                         rule.origin};
        if (found.domain.empty()) {
            planner_.not_carried_at(
                "SigningTable", rule.origin,
                fmt::format("{} is about every domain; Posthorn signs for the domains that it is told. Add a "
                            "[[domain]] for each of yours with this key.",
                            shown));
            return;
        }
        if (!about.empty() && !mail::is_subdomain_of(about, found.domain)) {
            planner_.not_carried_at(
                "SigningTable", rule.origin,
                fmt::format("Mail of {} is signed with d={}, which is no domain above it: such a signature "
                            "counts for nothing with DMARC. Make a key for {} itself.",
                            about, found.domain, about));
            return;
        }
        if (rule.pattern.find('@') != std::string::npos && !rule.pattern.starts_with("*@") &&
            !rule.pattern.starts_with('@')) {
            planner_.mistake("SigningTable", rule.origin,
                             fmt::format("Only mail from {} is signed; any other sender of {} leaves "
                                         "unsigned, silently. Posthorn signs all mail of the domain.",
                                         shown, about));
        }
        if (found.file.empty()) {
            planner_.not_carried_at("KeyTable", key.origin,
                                    fmt::format("The key {} stands in the table itself, not in a file. Put "
                                                "it into a file and name that in [[domain]].",
                                                text::safe_for_log(key.name, 100)));
            return;
        }
        if (found.file.find('%') != std::string::npos) found.file.replace(found.file.find('%'), 1, about);
        const auto same = std::find(found_.begin(), found_.end(), found);
        if (same == found_.end()) {
            found_.push_back(std::move(found));
        } else if (same->file != found.file) {
            planner_.not_carried_at(
                "KeyTable", key.origin,
                fmt::format("There are two keys for the selector {} of {}; the first is taken.",
                            found.selector, found.domain));
        } else if (same->rule != found.rule) {
            planner_.out.not_needed.push_back(
                {"SigningTable",
                 fmt::format("{} is covered: Posthorn signs for {} and all below it with one key.", shown,
                             found.domain),
                 rule.origin});
        }
    }

    Planner& planner_;
    const OpenDkim& dkim_;
    std::vector<SigningKey> found_;
};

// The key's file as OpenDKIM has it, before it is copied.
void look_at_key(Planner& planner, const SigningKey& key) {
    const auto facts = planner.files.facts(key.file);
    const auto pem = planner.files.text(key.file);
    if (!facts) {
        planner.mistake("KeyTable", key.origin,
                        fmt::format("{}, the key of {}._domainkey.{}, does not exist.", key.file,
                                    key.selector, key.domain));
        planner.to_do(
            "dkim",
            fmt::format(
                "Find the key of {0}._domainkey.{1}, or make a new one (posthorn dkim genkey --domain {1} "
                "--selector {0}) and publish its record: mail of {1} is held until then.",
                key.selector, key.domain));
        return;
    }
    if (!pem) {
        planner.to_do("dkim", fmt::format("{}, the key of {}._domainkey.{}, may not be read by this user: run this as root.", key.file,
                                          key.selector, key.domain));
        return;
    }
    const auto parsed = auth::dkim::PrivateKey::parse(*pem, key.file);
    if (!parsed) {
        planner.mistake("KeyTable", key.origin, parsed.error().what);
        planner.to_do("dkim", fmt::format("Make a new key: posthorn dkim genkey --domain {} --selector NEW; "
                                          "publish its record and name it in [[domain]].",
                                          key.domain));
    } else if ((*parsed)->algorithm() == auth::dkim::Algorithm::rsa && (*parsed)->bits() < 2048) {
        planner.mistake("KeyTable", key.origin,
                        fmt::format("The key of {}._domainkey.{} has {} bits; RFC 8301 asks signers for "
                                    "2048, and some receivers do not count less.",
                                    key.selector, key.domain, (*parsed)->bits()));
        planner.to_do("dkim", fmt::format("Replace the short key of {}: posthorn dkim genkey --domain {} "
                                          "--selector NEW; docs/KEYS.md tells how to change over.",
                                          key.domain, key.domain));
    }
    if ((facts->mode & 077) != 0) {
        planner.mistake("KeyTable", key.origin,
                        fmt::format("{} is readable or writable by others than its owner (mode {:04o}): who "
                                    "has it can sign as {}. Posthorn's copy is 0600.",
                                    key.file, facts->mode, key.domain));
    }
    if (facts->owner != "opendkim" && facts->owner != "root" && planner.dkim->find("UserID") != nullptr) {
        planner.mistake("KeyTable", key.origin,
                        fmt::format("{} belongs to {}, while OpenDKIM runs as {}.", key.file, facts->owner,
                                    planner.dkim->value("UserID")));
    }
}

void write_domain(Planner& planner, const std::string& domain, const std::vector<SigningKey>& keys) {
    std::string list;
    std::string origins;
    for (const SigningKey& key : keys) {
        if (key.domain != domain) continue;
        look_at_key(planner, key);
        const std::string file = fmt::format("keys/{}/{}.pem", domain, key.selector);
        planner.out.keys.push_back(
            {key.file, absolute_path(parent_directory(planner.sources.output), file), domain, key.selector});
        list += fmt::format("{}{{ selector = {}, key_file = {} }}", list.empty() ? "" : ", ",
                            toml_string(key.selector), toml_string(file));
        origins += fmt::format("{}{} KeyTable, {} SigningTable", origins.empty() ? "" : "; ",
                               key.origin.to_string(), key.rule.to_string());
    }
    planner.draft.add("domain").set("name", toml_string(domain), "").set("dkim", "[" + list + "]", origins);
    planner.out.carried.push_back({"SigningTable", "domain " + domain, {}});
}

// Without OpenDKIM: the domain that Postfix gives senders without one.
void domain_without_keys(Planner& planner) {
    std::string domain = planner.main.value("myorigin");
    std::string_view parameter = "myorigin";
    if (domain.starts_with('/')) domain = std::string(text::trim(planner.files.text(domain).value_or("")));
    if (!mail::is_fqdn(domain) || is_name_of_machine(domain)) {
        parameter = "mydomain";
        domain = planner.main.value("mydomain");
    }
    if (!mail::is_fqdn(domain) || is_name_of_machine(domain)) {
        planner.to_do("domain",
                      "Name the domains that you send as: a [[domain]] for each (posthorn domain add DOMAIN "
                      "makes its key and prints the DNS records).");
        return;
    }
    text::lower_in_place(domain);
    planner.domains.push_back(domain);
    planner.draft.add("domain")
        .set("name", toml_string(domain), planner.from(parameter))
        .set("key_directory", toml_string("keys/" + domain), "Posthorn's own keys: nothing was signed before");
    planner.to_do("dkim",
                  fmt::format("Make the key of {0}: posthorn dkim genkey --domain {0}; it prints the record to "
                              "publish. Mail of {0} is held until the record is there.",
                              domain));
}

void plan_canonicalisation(Planner& planner) {
    const DkimSetting* form = planner.dkim->find("Canonicalization");
    if (form == nullptr) {
        // opendkim.conf(5): the default is simple/simple; relaxed survives more relays and is Posthorn's.
        return;
    }
    planner.dealt_with.insert("opendkim.canonicalization");
    std::string_view rest = form->value;
    const std::string header = text::to_lower(text::trim(text::take_field(rest, '/')));
    const std::string body = rest.empty() ? "simple" : text::to_lower(text::trim(rest));  // RFC 6376 s3.5, c=
    const std::string origin = form->origin.to_string() + " Canonicalization";
    for (const auto& [key, value] : {std::pair{"header", header}, std::pair{"body", body}}) {
        if (value != "relaxed" && value != "simple")
            planner.mistake("Canonicalization", form->origin,
                            fmt::format("{} is neither simple nor relaxed.", text::safe_for_log(value, 40)));
        else if (value != "relaxed")
            planner.draft.section("dkim").set(key, toml_string(value), origin);
    }
    planner.out.carried.push_back({"Canonicalization", "dkim.header and dkim.body", form->origin});
}

}  // namespace

void plan_domains(Planner& planner) {
    std::vector<SigningKey> keys;
    if (planner.dkim) {
        for (const char* name : {"domain", "selector", "keyfile", "keytable", "signingtable"})
            planner.dealt_with.insert(std::string("opendkim.") + name);
        keys = Signing(planner).keys();
        plan_canonicalisation(planner);
        if (const DkimSetting* ttl = planner.dkim->find("SignatureTTL")) {
            planner.dealt_with.insert("opendkim.signaturettl");
            if (const auto seconds = text::parse_unsigned(ttl->value, 365UL * 86400); seconds && *seconds > 0)
                planner.draft.section("dkim").set("expire_after", toml_duration(static_cast<long>(*seconds)),
                                                  ttl->origin.to_string() + " SignatureTTL");
        }
    }
    for (const SigningKey& key : keys) {
        if (std::find(planner.domains.begin(), planner.domains.end(), key.domain) == planner.domains.end())
            planner.domains.push_back(key.domain);
    }
    for (const std::string& domain : planner.domains) write_domain(planner, domain, keys);
    if (planner.domains.empty()) domain_without_keys(planner);
    plan_hostname(planner);
}

}  // namespace posthorn::migration
