// `posthorn dkim rotate DOMAIN`: the stages of a domain's keys, shown and moved by hand.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <optional>

#include "admin/client.hpp"
#include "app/command_line.hpp"
#include "app/dns_errand.hpp"
#include "app/key_look.hpp"
#include "app/key_rounds.hpp"
#include "app/ownership.hpp"
#include "auth/dkim/key_directory.hpp"
#include "auth/dkim/record.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "base/utc.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
using auth::dkim::KeysSeen;
using auth::dkim::KeyStage;
using auth::dkim::KeyStages;
using auth::dkim::RotationStep;
using auth::dkim::StagedKey;

struct RotateCommand {
    std::string config_path;
    std::string domain;
    bool status = false;
    bool publish = false;
    bool force = false;
    bool json = false;
    std::string activate, retire, abort, adopt;
    std::string selector;  // of a new key
    std::string type = "rsa";
    int bits = 2048;
};

// A domain, its keys, and what DNS shows of those to come.
struct Rotation {
    config::Config config;
    std::string directory;
    KeyStages stages;
    KeysSeen seen;
};

net::awaitable<void> look_for_coming(dns::Resolver& resolver, const std::string& domain, Rotation& rotation) {
    const net::asio::any_io_executor executor = co_await net::asio::this_coro::executor;
    dns::Authorities authorities(executor, resolver);
    for (const StagedKey& staged : rotation.stages.keys) {
        if (staged.stage == KeyStage::gone) continue;
        const auto key = auth::dkim::PrivateKey::load(auth::dkim::key_path(rotation.directory, staged.selector));
        auth::dkim::KeySeen seen;
        if (key) {
            const KeyLook look = co_await look_for_key(resolver, authorities, domain, staged.selector, *key);
            seen = seen_of(look);
        } else {
            seen.words = key.error().what;
        }
        rotation.seen.emplace_back(staged.selector, std::move(seen));
    }
}

// Nothing after the mistake was told.
std::optional<Rotation> begin(RotateCommand& command) {
    text::lower_in_place(command.domain);
    auto config = load_config(command.config_path);
    if (!config) return std::nullopt;
    Rotation rotation;
    rotation.config = std::move(*config);
    for (const auth::DomainOptions& domain : rotation.config.auth.domains)
        if (domain.name == command.domain) rotation.directory = domain.key_directory;
    if (rotation.directory.empty()) {
        complain(fmt::format("{} has no [[domain]] name = \"{}\" with a key_directory, so its keys are not Posthorn's to change: add\n\n"
                             "  key_directory = \"keys/{}\"\n\nto it; docs/KEYS.md tells how the key in use is taken along",
                             command.config_path, command.domain, command.domain));
        return std::nullopt;
    }
    return rotation;
}

bool read(Rotation& rotation) {
    auto stages = auth::dkim::read_stages(rotation.directory);
    if (!stages) complain(stages.error().what);
    else rotation.stages = std::move(*stages);
    return stages.has_value();
}

void look(const RotateCommand& command, Rotation& rotation) {
    rotation.seen.clear();
    const Result<void> looked = run_dns_errand(
        rotation.config.dns, [&](dns::Resolver& resolver) { return look_for_coming(resolver, command.domain, rotation); });
    if (!looked) complain(looked.error().what);
}

const auth::dkim::KeySeen* seen_of_key(const Rotation& rotation, const std::string& selector) {
    for (const auto& [name, seen] : rotation.seen)
        if (text::iequals(name, selector)) return &seen;
    return nullptr;
}

std::string record_of(const RotateCommand& command, const Rotation& rotation, const std::string& selector) {
    const auto key = auth::dkim::PrivateKey::load(auth::dkim::key_path(rotation.directory, selector));
    return key ? auth::zone_file(auth::dkim::key_record(command.domain, selector, **key)) : std::string();
}

void print_status(const RotateCommand& command, const Rotation& rotation, TimePoint now) {
    const auth::dkim::RotationOptions options = rotation_options(rotation.config);
    if (rotation.stages.keys.empty()) print(fmt::format("{} has no key in {} yet.\n", command.domain, rotation.directory));
    for (const StagedKey& key : rotation.stages.keys) {
        print(fmt::format("{:<9} {} ({}) since {}\n          {}\n", to_string(key.stage), key.selector,
                          key.algorithm == auth::dkim::Algorithm::rsa ? fmt::format("rsa, {} bits", key.bits) : "ed25519", utc_text(key.since),
                          auth::dkim::outlook(key, rotation.stages, rotation.seen, options, now)));
        const auth::dkim::KeySeen* seen = seen_of_key(rotation, key.selector);
        if (key.stage == KeyStage::gone || seen == nullptr || seen->everywhere) continue;
        if (key.stage == KeyStage::active || key.stage == KeyStage::retiring)
            print(fmt::format("          but DNS lacks it: {}\n", seen->words));
        print(fmt::format("\n{}\n\n", record_of(command, rotation, key.selector)));
    }
}

json::object to_json(const RotateCommand& command, const Rotation& rotation, TimePoint now) {
    const auth::dkim::RotationOptions options = rotation_options(rotation.config);
    json::array keys;
    for (const StagedKey& key : rotation.stages.keys) {
        json::object one;
        one["selector"] = key.selector;
        one["stage"] = to_string(key.stage);
        one["since"] = utc_text(key.since);
        one["algorithm"] = key.algorithm == auth::dkim::Algorithm::rsa ? "rsa" : "ed25519";
        one["bits"] = key.bits;
        one["words"] = auth::dkim::outlook(key, rotation.stages, rotation.seen, options, now);
        if (const auth::dkim::KeySeen* seen = seen_of_key(rotation, key.selector)) {
            one["at_all_servers"] = seen->everywhere;
            one["at_resolver"] = seen->at_resolver;
        }
        keys.push_back(std::move(one));
    }
    return json::object{{"domain", command.domain}, {"directory", rotation.directory}, {"keys", std::move(keys)}};
}

// What a running daemon has to know at once; it would find out at its next look.
void tell_daemon(const Rotation& rotation) {
    const auto answer = admin::request(rotation.config.admin.socket, "POST", "/v1/reload");
    if (!answer)
        print("No daemon runs; it takes the keys as they are now when it starts.\n");
    else if (answer->status != 200)
        complain("the daemon could not read its configuration again, and takes the keys as they are now at its next look: " + answer->body);
}

int done_or(const Result<void>& result, const Rotation& rotation, const std::string& words) {
    if (!result) {
        complain(result.error().what);
        return exit_code::kFailure;
    }
    print(words + "\n");
    tell_daemon(rotation);
    return exit_code::kOk;
}

RotationStep step_of(RotationStep::Kind kind, const std::string& selector) {
    RotationStep step;
    step.kind = kind;
    step.selector = selector;
    return step;
}

int make(const RotateCommand& command, Rotation& rotation) {
    const auto algorithm = command.type == "ed25519" ? auth::dkim::Algorithm::ed25519 : auth::dkim::Algorithm::rsa;
    if (const StagedKey* coming = rotation.stages.coming(algorithm)) {
        complain(fmt::format("the key {} is {} already: --status tells what it waits for, --abort {} takes it back", coming->selector,
                             to_string(coming->stage), coming->selector));
        return exit_code::kFailure;
    }
    std::error_code error;
    make_private_directories(rotation.directory, error);
    if (error) {
        complain(fmt::format("cannot make the directory {}: {}", rotation.directory, error.message()));
        return exit_code::kCannotCreate;
    }
    const std::string selector = command.selector.empty() ? auth::dkim::default_selector(wall_now(), rotation.stages) : command.selector;
    const auto key = auth::dkim::make_key(rotation.directory, selector, algorithm, command.bits, wall_now());
    if (!key) {
        complain(key.error().what);
        return exit_code::kCannotCreate;
    }
    print(fmt::format("The key {} waits for its record. Publish\n\n{}\n\nThe daemon takes it into use when all servers of the zone have it.\n", selector,
                      auth::zone_file(auth::dkim::key_record(command.domain, selector, **key))));
    print(ownership_hint(auth::dkim::key_path(rotation.directory, selector), command.config_path));
    tell_daemon(rotation);
    return exit_code::kOk;
}

int activate(const RotateCommand& command, Rotation& rotation) {
    const StagedKey* key = rotation.stages.find(command.activate);
    const auth::dkim::KeySeen* seen = seen_of_key(rotation, command.activate);
    if (key != nullptr && !command.force && (seen == nullptr || !seen->everywhere || !seen->at_resolver)) {
        complain(fmt::format("receivers cannot find the key {} yet: {}; --force signs with it all the same", command.activate,
                             seen == nullptr ? std::string("DNS was not asked") : seen->words));
        return exit_code::kFailure;
    }
    return done_or(auth::dkim::carry_out(rotation.directory, step_of(RotationStep::Kind::activate, command.activate), wall_now()), rotation,
                   fmt::format("{} signs from now on. The record of the key before must stay in DNS: --status tells how long.", command.activate));
}

int publish(Rotation& rotation) {
    int code = exit_code::kFailure;
    for (const StagedKey& key : rotation.stages.keys) {
        if (key.stage != KeyStage::pending) continue;
        const auth::dkim::KeySeen* seen = seen_of_key(rotation, key.selector);
        if (seen == nullptr || !seen->everywhere) {
            complain(fmt::format("the record of {} is not at all servers of the zone: {}", key.selector, seen == nullptr ? "not asked" : seen->words));
            continue;
        }
        code = done_or(auth::dkim::carry_out(rotation.directory, step_of(RotationStep::Kind::publish, key.selector), wall_now()), rotation,
                       key.selector + " is published at all servers of the zone.");
    }
    return code;
}

int rotate(RotateCommand command) {
    std::optional<Rotation> rotation = begin(command);
    if (!rotation || !read(*rotation)) return exit_code::kConfig;
    const std::string& directory = rotation->directory;
    if (!command.adopt.empty())
        return done_or(auth::dkim::adopt_key(directory, command.adopt, wall_now()), *rotation, command.adopt + " is Posthorn's to look after, and signs.");
    if (!command.abort.empty())
        return done_or(auth::dkim::abandon_key(directory, command.abort), *rotation,
                       command.abort + " is taken back, and its file deleted. Take its record out of DNS.");
    if (!command.retire.empty())
        return done_or(auth::dkim::carry_out(directory, step_of(RotationStep::Kind::retire, command.retire), wall_now()), *rotation,
                       command.retire + " signs no more. Its record must stay in DNS: --status tells how long.");
    if (!command.status && !command.publish && command.activate.empty()) return make(command, *rotation);
    look(command, *rotation);
    if (command.publish) return publish(*rotation);
    if (!command.activate.empty()) return activate(command, *rotation);
    if (command.json)
        print_json(json::serialize(to_json(command, *rotation, wall_now())));
    else
        print_status(command, *rotation, wall_now());
    return exit_code::kOk;
}

}  // namespace

void add_dkim_rotate_command(CLI::App& group, Action& action) {
    auto* command = group.add_subcommand("rotate", "Make the next key of a domain, show the stages of its keys, or move them by hand");
    auto options = std::make_shared<RotateCommand>();
    command->add_option("DOMAIN", options->domain, "A [[domain]] with a key_directory")->required();
    auto* what = command->add_option_group("instead of making the next key");
    what->add_flag("--status", options->status, "Show each key, its stage, and what it waits for");
    what->add_flag("--publish", options->publish, "Look in DNS for the records of pending keys");
    what->add_option("--activate", options->activate, "Sign with this key from now on; also back to one that retires")->type_name("SELECTOR");
    what->add_option("--retire", options->retire, "Sign no more with this key, where another signs, too")->type_name("SELECTOR");
    what->add_option("--abort", options->abort, "Take a key back that has not signed yet")->type_name("SELECTOR");
    what->add_option("--adopt", options->adopt, "Take SELECTOR.pem, put into the directory by hand, as a key that signs")->type_name("SELECTOR");
    what->require_option(0, 1);
    command->add_flag("--force", options->force, "With --activate: even if receivers cannot find the key");
    command->add_option("-s,--selector", options->selector, "The new key's name [mta-YYYYMM]");
    command->add_option("--type", options->type, "The new key: rsa or ed25519")->check(CLI::IsMember({"rsa", "ed25519"}))->capture_default_str();
    command->add_option("--bits", options->bits, "Its size, of rsa")->check(CLI::IsMember({2048, 3072, 4096}))->capture_default_str();
    command->add_flag("--json", options->json, "With --status: print JSON");
    add_config_option(*command, options->config_path);
    command->footer("Exit code 0: done; 1: not done, and why. docs/KEYS.md tells the stages.");
    command->callback([options, &action] { action = [options] { return rotate(*options); }; });
}

}  // namespace posthorn::app
