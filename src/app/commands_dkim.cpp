// `posthorn dkim genkey|record`: keys, several domains at a time, and the DNS records that publish them.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <span>

#include "app/command_line.hpp"
#include "app/ownership.hpp"
#include "auth/dkim/key.hpp"
#include "auth/dkim/key_directory.hpp"
#include "auth/dkim/record.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;

struct DkimCommand {
    std::string config_path;
    std::string domain;
    std::vector<std::string> domains;  // of genkey
    std::string selector;
    std::string type = "rsa";
    int bits = 2048;
    std::string directory;
    std::string key_file;
};

// Names that are safe as a directory and as a label; more is checked by check-config.
bool is_name(std::string_view text) {
    return !text.empty() && text.front() != '.' && text.front() != '-' &&
           text.find("..") == std::string_view::npos &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               std::string_view::npos;
}

int check_names(DkimCommand& options) {
    text::lower_in_place(options.domain);
    if (!is_name(options.domain) || options.domain.find('.') == std::string::npos) {
        complain(
            fmt::format("--domain {}: not a domain name; write it as example.com, an international one in "
                        "its ASCII form (xn--)",
                        options.domain));
        return exit_code::kUsage;
    }
    if (!is_name(options.selector) && !(options.selector.empty() && !options.domains.empty())) {
        complain(fmt::format("--selector {}: letters, digits, hyphens and dots only, such as m1 or 2026a",
                             options.selector));
        return exit_code::kUsage;
    }
    return exit_code::kOk;
}

void print_record(const DkimCommand& options, const auth::dkim::PrivateKey& key) {
    const auto record = auth::dkim::key_record(options.domain, options.selector, key);
    print(fmt::format(
        "Publish this TXT record. A web panel of the zone {} wants\n\n"
        "  name   {}\n  value  {}\n\n"
        "others want the whole name\n\n  {}\n\n"
        "a zone file wants\n\n{}\n\n"
        "and Route 53 (aws route53 change-resource-record-sets --hosted-zone-id ID --change-batch "
        "FILE)\n\n{}\n",
        options.domain, host_part(record), one_line(record), record.name, zone_file(record),
        auth::route53_batch(std::span(&record, 1), record.purpose)));
}

// Where the key of one domain goes. A key directory of the configuration takes it as its next key.
struct KeyPlace {
    std::string domain;
    std::string selector;
    fs::path directory;
    bool managed = false;
    std::string waits;  // the selector of a key of the same type whose record is awaited, where none was named
    fs::path path() const { return directory / (selector + ".pem"); }
};

// The default selector of a directory that nobody keeps a list of: one that no file there has.
std::string free_selector(const fs::path& directory) {
    auth::dkim::KeyStages taken;
    while (true) {
        auth::dkim::StagedKey next;
        next.selector = auth::dkim::default_selector(wall_now(), taken);
        std::error_code error;
        if (!fs::exists(directory / (next.selector + ".pem"), error)) return next.selector;
        taken.keys.push_back(std::move(next));
    }
}

// A second key would only be one more record to publish.
std::string waiting_key(const DkimCommand& options, const auth::DomainOptions& domain) {
    const auto keys = auth::dkim::domain_keys(domain);
    if (!keys) return {};  // make_key says what is wrong with the list
    const auto wanted = options.type == "ed25519" ? auth::dkim::Algorithm::ed25519 : auth::dkim::Algorithm::rsa;
    for (const auth::dkim::DomainKey& key : *keys) {
        if (key.stage != auth::dkim::KeyStage::pending && key.stage != auth::dkim::KeyStage::published) continue;
        const auto loaded = auth::dkim::PrivateKey::load(key.key_file);
        if (loaded && (*loaded)->algorithm() == wanted) return key.selector;
    }
    return {};
}

KeyPlace place_of(const DkimCommand& options, const std::string& domain) {
    KeyPlace place;
    place.domain = domain;
    place.selector = options.selector;
    place.directory = fs::path(options.config_path).parent_path() / "keys" / domain;
    if (!options.directory.empty()) {
        place.directory = options.directory;
    } else {
        for (const auth::DomainOptions& known : config::load(options.config_path).config.auth.domains) {
            if (known.name != domain || known.key_directory.empty()) continue;
            place.directory = known.key_directory;
            place.managed = true;
            if (options.selector.empty()) place.waits = waiting_key(options, known);
        }
    }
    if (place.selector.empty()) place.selector = free_selector(place.directory);
    return place;
}

int make_one(const DkimCommand& options, const KeyPlace& place) {
    const auto algorithm = options.type == "ed25519" ? auth::dkim::Algorithm::ed25519 : auth::dkim::Algorithm::rsa;
    std::error_code error;
    make_private_directories(place.directory, error);
    if (error) {
        complain(fmt::format("cannot make the directory {}: {}; name another with --directory", place.directory.string(), error.message()));
        return exit_code::kCannotCreate;
    }
    Result<auth::dkim::PrivateKeyPtr> key =
        place.managed ? auth::dkim::make_key(place.directory.string(), place.selector, algorithm, options.bits, wall_now())
                      : auth::dkim::PrivateKey::generate(algorithm, options.bits);
    if (!key) {
        complain(key.error().what);
        return place.managed ? exit_code::kCannotCreate : exit_code::kSoftware;
    }
    if (!place.managed) {
        if (const auto written = (*key)->write(place.path().string()); !written) {
            complain(written.error().what);
            return exit_code::kCannotCreate;
        }
    }
    DkimCommand shown = options;
    shown.domain = place.domain;
    shown.selector = place.selector;
    print(fmt::format("The key is in {} (mode 0600): keep it secret, and keep a copy.\n", place.path().string()));
    print(ownership_hint(place.path(), options.config_path) + "\n");
    print_record(shown, **key);
    if (place.managed) {
        print(fmt::format("\nThe daemon takes it into use when all servers of the zone have the record: posthorn dkim rotate {} --status\n", place.domain));
    } else {
        print(fmt::format("\nThen name it in the configuration, and reload:\n\n"
                          "  [[domain]]\n  name = \"{}\"\n  dkim = [{{ selector = \"{}\", key_file = \"{}\" }}]\n",
                          place.domain, place.selector, fs::absolute(place.path(), error).string()));
    }
    return exit_code::kOk;
}

// All keys can be made, or none is.
int genkey(DkimCommand& options) {
    std::vector<KeyPlace> places;
    for (const std::string& domain : options.domains) {
        options.domain = domain;
        if (const int code = check_names(options); code != exit_code::kOk) return code;
        places.push_back(place_of(options, options.domain));
        const KeyPlace& place = places.back();
        if (!place.waits.empty()) {
            complain(fmt::format("{0} has a key already that waits for its record, {1}: no other is made. Its record: posthorn dkim record "
                                 "--domain {0} --selector {1}{2}; what is missing: posthorn dkim rotate {0} --status{2}. Another key all the "
                                 "same: name it with --selector",
                                 place.domain, place.waits, options.config_path == kDefaultConfig ? "" : " --config " + options.config_path));
            return exit_code::kCannotCreate;
        }
        std::error_code error;
        if (fs::exists(place.path(), error)) {
            complain(fmt::format("{} exists and is not overwritten: mail may be signed with it now. Choose another --selector, or move it "
                                 "away; `posthorn dkim record` prints its record",
                                 place.path().string()));
            return exit_code::kCannotCreate;
        }
    }
    if (!options.directory.empty() && places.size() > 1) {
        complain("--directory is for the key of one domain: several domains have a directory each");
        return exit_code::kUsage;
    }
    for (const KeyPlace& place : places)
        if (const int code = make_one(options, place); code != exit_code::kOk) return code;
    return exit_code::kOk;
}

// --key, or what the configuration names for this domain and selector.
int find_key_file(DkimCommand& options) {
    if (!options.key_file.empty()) {
        return exit_code::kOk;
    }
    const auto config = load_config(options.config_path);
    if (!config) {
        return exit_code::kConfig;
    }
    for (const auto& domain : config->auth.domains) {
        if (domain.name != options.domain) continue;
        const auto keys = auth::dkim::domain_keys(domain);
        if (!keys) {
            complain(keys.error().what);
            return exit_code::kNoInput;
        }
        for (const auto& key : *keys) {
            if (text::iequals(key.selector, options.selector)) {
                options.key_file = key.key_file;
                return exit_code::kOk;
            }
        }
    }
    complain(fmt::format("{} has no key with the selector {} for {}; name its file with --key",
                         options.config_path, options.selector, options.domain));
    return exit_code::kNoInput;
}

int record(DkimCommand& options) {
    if (const int code = check_names(options); code != exit_code::kOk) {
        return code;
    }
    if (const int code = find_key_file(options); code != exit_code::kOk) {
        return code;
    }
    const auto key = auth::dkim::PrivateKey::load(options.key_file);
    if (!key) {
        complain(key.error().what);
        return exit_code::kNoInput;
    }
    for (const std::string& warning : (*key)->warnings()) {
        complain(warning);
    }
    print_record(options, **key);
    return exit_code::kOk;
}

}  // namespace

void add_dkim_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("dkim", "Signing keys and their DNS records");
    group->require_subcommand(1);

    auto* make = group->add_subcommand("genkey", "Make a key and print its DNS record");
    auto making = std::make_shared<DkimCommand>();
    make->add_option("-d,--domain", making->domains, "The domain of the From address; several domains have a key each")->required();
    make->add_option("-s,--selector", making->selector, "The key's name below _domainkey, such as m1 [mta-YYYYMM]");
    add_config_option(*make, making->config_path);
    make->add_option("--type", making->type, "rsa, or ed25519 beside an RSA key")
        ->check(CLI::IsMember({"rsa", "ed25519"}))
        ->capture_default_str();
    make->add_option("--bits", making->bits, "Size of an RSA key")
        ->check(CLI::IsMember({2048, 3072, 4096}))
        ->capture_default_str();
    make->add_option("--directory", making->directory,
                     "Where to put it [the domain's key_directory, else keys/DOMAIN beside the configuration]")
        ->type_name("DIR");
    make->callback([making, &action] { action = [making] { return genkey(*making); }; });

    auto* show = group->add_subcommand("record", "Print the DNS record of a key again");
    auto showing = std::make_shared<DkimCommand>();
    show->add_option("-d,--domain", showing->domain, "The domain of the From address")->required();
    show->add_option("-s,--selector", showing->selector, "The key's name below _domainkey, such as m1")->required();
    add_config_option(*show, showing->config_path);
    show->add_option("--key", showing->key_file, "The key's file, instead of the configuration's")
        ->type_name("FILE");
    show->callback([showing, &action] { action = [showing] { return record(*showing); }; });

    add_dkim_testkey_command(*group, action);
    add_dkim_verify_command(*group, action);
    add_dkim_rotate_command(*group, action);
}

}  // namespace posthorn::app
