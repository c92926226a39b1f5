// `posthorn dkim genkey|record`: keys and the DNS records that publish them.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <span>

#include "app/command_line.hpp"
#include "app/ownership.hpp"
#include "auth/dkim/key.hpp"
#include "auth/dkim/record.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;

struct DkimCommand {
    std::string config_path;
    std::string domain;
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
    if (!is_name(options.selector)) {
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

int genkey(DkimCommand& options) {
    if (const int code = check_names(options); code != exit_code::kOk) {
        return code;
    }
    const bool ed25519 = options.type == "ed25519";
    const fs::path directory = options.directory.empty()
                                   ? fs::path(options.config_path).parent_path() / "keys" / options.domain
                                   : fs::path(options.directory);
    const fs::path path = directory / (options.selector + ".pem");
    std::error_code error;
    if (fs::exists(path, error)) {
        complain(
            fmt::format("{} exists and is not overwritten: mail may be signed with it now. Choose another "
                        "--selector, or move "
                        "it away; `posthorn dkim record` prints its record",
                        path.string()));
        return exit_code::kCannotCreate;
    }
    make_private_directories(directory, error);
    if (error) {
        complain(fmt::format("cannot make the directory {}: {}; name another with --directory",
                             directory.string(), error.message()));
        return exit_code::kCannotCreate;
    }
    const auto key = auth::dkim::PrivateKey::generate(
        ed25519 ? auth::dkim::Algorithm::ed25519 : auth::dkim::Algorithm::rsa, options.bits);
    if (!key) {
        complain(key.error().what);
        return exit_code::kSoftware;
    }
    if (const auto written = (*key)->write(path.string()); !written) {
        complain(written.error().what);
        return exit_code::kCannotCreate;
    }
    print(fmt::format("The key is in {} (mode 0600): keep it secret, and keep a copy.\n", path.string()));
    print(ownership_hint(path, options.config_path) + "\n");
    print_record(options, **key);
    print(
        fmt::format("\nThen name it in the configuration, and reload:\n\n"
                    "  [[domain]]\n  name = \"{}\"\n  dkim = [{{ selector = \"{}\", key_file = \"{}\" }}]\n",
                    options.domain, options.selector, fs::absolute(path, error).string()));
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
        for (const auto& key : domain.keys) {
            if (domain.name == options.domain && text::iequals(key.selector, options.selector)) {
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

    const auto add_names = [](CLI::App& command, DkimCommand& options) {
        command.add_option("-d,--domain", options.domain, "The domain of the From address")->required();
        command.add_option("-s,--selector", options.selector, "The key's name below _domainkey, such as m1")
            ->required();
        add_config_option(command, options.config_path);
    };

    auto* make = group->add_subcommand("genkey", "Make a key and print its DNS record");
    auto making = std::make_shared<DkimCommand>();
    add_names(*make, *making);
    make->add_option("--type", making->type, "rsa, or ed25519 beside an RSA key")
        ->check(CLI::IsMember({"rsa", "ed25519"}))
        ->capture_default_str();
    make->add_option("--bits", making->bits, "Size of an RSA key")
        ->check(CLI::IsMember({2048, 3072, 4096}))
        ->capture_default_str();
    make->add_option("--directory", making->directory,
                     "Where to put it [keys/DOMAIN beside the configuration]")
        ->type_name("DIR");
    make->callback([making, &action] { action = [making] { return genkey(*making); }; });

    auto* show = group->add_subcommand("record", "Print the DNS record of a key again");
    auto showing = std::make_shared<DkimCommand>();
    add_names(*show, *showing);
    show->add_option("--key", showing->key_file, "The key's file, instead of the configuration's")
        ->type_name("FILE");
    show->callback([showing, &action] { action = [showing] { return record(*showing); }; });
}

}  // namespace posthorn::app
