// What the parts of plan() share: what was read, what is being written, what has been dealt with.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "migration/dovecot.hpp"
#include "migration/draft.hpp"
#include "migration/lookup_table.hpp"
#include "migration/master_cf.hpp"
#include "migration/migration.hpp"
#include "migration/opendkim.hpp"
#include "migration/parameters.hpp"

namespace posthorn::migration {

struct Planner {
    const Files& files;
    const Sources& sources;
    Parameters main;
    MasterCf master;
    std::optional<OpenDkim> dkim;
    std::optional<Dovecot> dovecot;
    Migration out;
    Draft draft;
    std::set<std::string, std::less<>> dealt_with;  // names of main.cf that some part has spoken for
    std::string hostname;                           // as it will be ours
    std::vector<std::string> domains;               // of [[domain]], in order
    bool has_certificate = false;
    bool has_users = false;

    // "/etc/postfix/main.cf:12 relayhost": the comment behind what `name` came to. Marks it as dealt with.
    std::string from(std::string_view name);
    void carried(std::string_view name, std::string words);
    void not_carried(std::string_view name, std::string words);  // of main.cf; its origin is looked up
    void not_carried_at(std::string_view subject, const Origin& origin, std::string words);
    void mistake(std::string_view subject, const Origin& origin, std::string words);
    void to_do(std::string_view subject, std::string words);
    // The tables of a parameter; what cannot be read is told. Marks it as dealt with.
    std::vector<LookupTable> tables(std::string_view name);
    // Whether `name` is a domain of ours or lies below one.
    [[nodiscard]] bool is_ours(std::string_view name) const;
};

// In this order: each builds on the ones before.
void plan_domains(Planner& planner);   // hostname, [[domain]], [dkim]
void plan_users(Planner& planner);     // [tls], [auth], [[user]]
void plan_doors(Planner& planner);     // [[listener]], trusted networks
void plan_delivery(Planner& planner);  // [delivery]
void plan_ways(Planner& planner);      // [[relay]], [[route]]
void plan_senders(Planner& planner);   // [[site]], [repair], [local]
void plan_values(Planner& planner);    // numbers and times
void find_mistakes(Planner& planner);
void account_for_the_rest(Planner& planner);

// Whether config::parse has nothing against this text together with a host name and a listener.
[[nodiscard]] bool is_acceptable(std::string_view toml);
[[nodiscard]] bool is_address(std::string_view text);  // "alice@example.com"
[[nodiscard]] bool is_name_of_machine(
    std::string_view domain);  // "localhost", "web3", "web3.localdomain": no such name in DNS

}  // namespace posthorn::migration
