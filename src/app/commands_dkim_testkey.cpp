// `posthorn dkim testkey`: whether DNS publishes the keys we sign with, at all servers of the zone and at the resolver.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <optional>

#include "app/command_line.hpp"
#include "app/dns_errand.hpp"
#include "app/key_look.hpp"
#include "auth/dkim/key_directory.hpp"
#include "auth/dkim/record.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
using auth::dkim::DomainKey;
using auth::dkim::KeyFault;
using auth::dkim::KeySight;
using auth::dkim::KeyVerdict;
using auth::dkim::PrivateKeyPtr;

struct TestkeyCommand {
    std::string config_path;
    std::string domain;
    std::string selector;
    std::string key_file;
    bool verbose = false;
    bool json = false;
};

// One key to be tested, then what was found.
struct TestedKey {
    std::string domain;
    DomainKey key;
    bool counts = true;  // for the exit code: not while a key waits for its record and another signs
    PrivateKeyPtr loaded;
    std::string exposed_to;
    KeyLook look;
    KeyVerdict verdict;
};

// The keys of one configured domain, or of its `selector`.
Result<std::vector<TestedKey>> keys_of(const auth::DomainOptions& domain, const std::string& selector, bool sign_unpublished) {
    const auto all = auth::dkim::domain_keys(domain);
    if (!all) return all.error();
    const std::vector<DomainKey> signing = auth::dkim::signing_keys(*all, sign_unpublished);
    std::vector<TestedKey> keys;
    for (const DomainKey& key : auth::dkim::published_keys(*all)) {
        if (!selector.empty() && !text::iequals(key.selector, selector)) continue;
        const bool coming = key.stage == auth::dkim::KeyStage::pending || key.stage == auth::dkim::KeyStage::published;
        TestedKey tested;
        tested.domain = domain.name;
        tested.key = key;
        tested.counts = !coming || signing.empty() || !selector.empty();
        keys.push_back(std::move(tested));
    }
    return keys;
}

// What the command line and the configuration name; nothing after its mistakes were told.
std::optional<std::vector<TestedKey>> keys_meant(const TestkeyCommand& command, const std::optional<config::Config>& config) {
    std::vector<TestedKey> keys;
    if (!command.key_file.empty()) {
        TestedKey& one = keys.emplace_back();
        one.domain = command.domain;
        one.key.selector = command.selector;
        one.key.key_file = command.key_file;
        return keys;
    }
    for (const auth::DomainOptions& domain : config->auth.domains) {
        if (!command.domain.empty() && domain.name != command.domain) continue;
        auto more = keys_of(domain, command.selector, config->auth.dkim.sign_unpublished);
        if (!more) {
            complain(more.error().what);
            return std::nullopt;
        }
        keys.insert(keys.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
    }
    if (keys.empty()) {
        complain(fmt::format("{} has no key{}{}; name its file with --domain, --selector and --key", command.config_path,
                             command.selector.empty() ? "" : " with the selector " + command.selector,
                             command.domain.empty() ? "" : " for " + command.domain));
        return std::nullopt;
    }
    return keys;
}

// False after its mistake was told.
bool load(TestedKey& key) {
    auto loaded = auth::dkim::PrivateKey::load(key.key.key_file);
    if (!loaded) {
        complain(loaded.error().what);
        return false;
    }
    key.loaded = *loaded;
    for (const std::string& warning : key.loaded->warnings())
        if (warning.find("has mode") != std::string::npos) key.exposed_to = warning;
    return true;
}

net::awaitable<void> look_for_all(dns::Resolver& resolver, std::vector<TestedKey>& keys) {
    const net::asio::any_io_executor executor = co_await net::asio::this_coro::executor;
    dns::Authorities authorities(executor, resolver);
    for (TestedKey& key : keys) {
        key.look = co_await look_for_key(resolver, authorities, key.domain, key.key.selector, key.loaded);
        key.verdict = auth::dkim::judge_places(key.look.authorities, &key.look.resolver, key.exposed_to);
        if (!key.look.no_authority.empty()) key.verdict.notes.push_back("the zone's own servers were not asked: " + key.look.no_authority);
    }
}

std::string ttl_of(const KeySight& place) { return place.answer.known() ? fmt::format(", for {} s", place.answer.ttl.count()) : std::string(); }

void print_key(const TestkeyCommand& command, const TestedKey& key) {
    print(fmt::format("{}: {}\n", key.look.name, key.verdict.words));
    if (key.key.managed) print(fmt::format("  stage: {}{}\n", auth::dkim::to_string(key.key.stage),
                                           key.counts ? "" : "; another key signs, so this one is no fault yet"));
    print(fmt::format("  DNSSEC: {}\n", key.verdict.dnssec ? "secure" : "insecure, or the resolver is not trusted to tell (dns.trust_ad)"));
    if (command.verbose && key.verdict.fault != KeyFault::servers_differ) {
        for (const KeySight& place : key.look.authorities) print(fmt::format("  {}: {}{}\n", place.place, place.verdict.words, ttl_of(place)));
        print(fmt::format("  {}: {}{}\n", key.look.resolver.place, key.look.resolver.verdict.words, ttl_of(key.look.resolver)));
    }
    for (const std::string& note : key.verdict.notes) print("  " + note + "\n");
    if (!key.verdict.usable() && key.verdict.fault != KeyFault::temporary)
        print(fmt::format("\n{}\n\n", auth::zone_file(auth::dkim::key_record(key.domain, key.key.selector, *key.loaded))));
}

json::object to_json(const TestedKey& key) {
    const auto place_json = [](const KeySight& place) {
        return json::object{{"place", place.place},
                            {"fault", auth::dkim::to_string(place.verdict.fault)},
                            {"words", place.verdict.words},
                            {"ttl", place.answer.ttl.count()}};
    };
    json::object out;
    out["name"] = key.look.name;
    out["fault"] = auth::dkim::to_string(key.verdict.fault);
    out["code"] = auth::dkim::exit_code_of(key.verdict.fault);
    out["words"] = key.verdict.words;
    out["dnssec"] = key.verdict.dnssec;
    out["stage"] = auth::dkim::to_string(key.key.stage);
    out["counts"] = key.counts;
    json::array notes, places;
    for (const std::string& note : key.verdict.notes) notes.push_back(json::string(note));
    for (const KeySight& place : key.look.authorities) places.push_back(place_json(place));
    places.push_back(place_json(key.look.resolver));
    out["notes"] = std::move(notes);
    out["places"] = std::move(places);
    out["record"] = auth::dkim::key_record(key.domain, key.key.selector, *key.loaded).value;
    return out;
}

int testkey(TestkeyCommand command) {
    text::lower_in_place(command.domain);
    if (!command.key_file.empty() && (command.domain.empty() || command.selector.empty())) {
        complain("--key is the file of one key: --domain and --selector say where its record is");
        return exit_code::kUsage;
    }
    std::optional<config::Config> config;
    if (command.key_file.empty() || ::access(command.config_path.c_str(), F_OK) == 0) {
        config = load_config(command.config_path);
        if (!config) return exit_code::kConfig;
    }
    std::optional<std::vector<TestedKey>> keys = keys_meant(command, config);
    if (!keys) return exit_code::kNoInput;
    if (!std::all_of(keys->begin(), keys->end(), [](TestedKey& key) { return load(key); })) return exit_code::kNoInput;
    const Result<void> done =
        run_dns_errand(config ? config->dns : dns::DnsOptions(), [&keys](dns::Resolver& resolver) { return look_for_all(resolver, *keys); });
    if (!done) {
        complain(done.error().what);
        return exit_code::kOsError;
    }
    json::array all;
    int code = exit_code::kOk;
    for (const TestedKey& key : *keys) {
        if (command.json)
            all.push_back(to_json(key));
        else
            print_key(command, key);
        if (code == exit_code::kOk && key.counts) code = auth::dkim::exit_code_of(key.verdict.fault);
    }
    if (command.json) print_json(json::serialize(json::object{{"keys", std::move(all)}}));
    return code;
}

}  // namespace

void add_dkim_testkey_command(CLI::App& group, Action& action) {
    auto* command = group.add_subcommand("testkey", "Test whether DNS publishes the keys that we sign with");
    auto options = std::make_shared<TestkeyCommand>();
    command->add_option("-d,--domain", options->domain, "The domain; else all of the configuration");
    command->add_option("-s,--selector", options->selector, "The key; else all of the domain")->needs("--domain");
    command->add_option("-k,--key", options->key_file, "The private key's file, instead of the configuration's")->type_name("FILE");
    command->add_flag("-v,--verbose", options->verbose, "Show what each server says");
    command->add_flag("--json", options->json, "Print JSON");
    add_config_option(*command, options->config_path);
    command->footer(
        "Exit code 0: key OK. 1: no TXT record; 2: no such name; 3: several records; 4: revoked; 5: malformed; 6: k= is another kind; 7: another "
        "key; 8: cut short; 9: below 1024 bits; 10: h= without sha256; 11: s= without email; 12: t=y; 13: t=s; 14: the servers do not say the "
        "same; 15: the key's file is open to others; 75: DNS does not answer. docs/KEYS.md.");
    command->callback([options, &action] { action = [options] { return testkey(*options); }; });
}

}  // namespace posthorn::app
