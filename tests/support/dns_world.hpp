// The worlds of tests/worlds: a sender and what DNS says of him, right but for one thing, and what must be found there. See tests/worlds/README.md.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/key.hpp"
#include "support/dns_view.hpp"
#include "toml/reader.hpp"

namespace posthorn::test {

struct WorldKey {
    std::string domain, selector, file;  // file: of tests/worlds/keys, "rsa2048"
};

struct WorldSender {
    std::string hostname;
    std::vector<std::string> ips;
    std::string domain;    // From
    std::string envelope;  // MAIL FROM's domain; empty: the null sender
    std::vector<WorldKey> keys;
    std::string report_to;
    bool prefers_v4 = true;
    std::vector<std::string> block_lists;
};

struct WorldExpectation {
    std::string check;    // a check of the doctor; of other kinds empty
    std::string subject;  // empty: any finding of the check
    std::string verdict;  // "FAIL"; testkey: "other_key"; spf: "softfail"
    std::vector<std::string> words;
    std::vector<std::string> not_words;
    std::string ip, from, helo, term;        // spf
    std::optional<std::int64_t> lookups, voids;  // spf
};

struct DnsWorld {
    std::string name, about, kind;  // kind: doctor, testkey, spf
    WorldSender sender;
    DnsView resolver;
    std::vector<DnsView> servers;   // the first server of each zone, the second
    std::vector<WorldExpectation> expected;

    friend void PrintTo(const DnsWorld& world, std::ostream* out) { *out << world.name; }
};

class WorldFiles {
public:
    static std::filesystem::path folder() { return std::filesystem::path(POSTHORN_SOURCE_DIR) / "tests" / "worlds"; }

    // All worlds of all files, by name of file. Throws where a world is not as it must be.
    static std::vector<DnsWorld> read_all() {
        std::vector<std::filesystem::path> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder()))
            if (entry.path().extension() == ".toml" && entry.path().stem() != "base") files.push_back(entry.path());
        std::sort(files.begin(), files.end());
        std::vector<DnsWorld> worlds;
        std::set<std::string> names;
        for (const auto& file : files) {
            for (DnsWorld& world : read(file)) {
                if (!names.insert(world.kind + ": " + world.name).second) throw std::runtime_error(world.name + ": two worlds have this name");
                worlds.push_back(std::move(world));
            }
        }
        return worlds;
    }

    static std::string pem(const std::string& key) { return content(folder() / "keys" / (key + ".pem")); }

private:
    using Table = toml::Table;

    static std::string content(const std::filesystem::path& file) {
        std::ifstream in(file);
        if (!in) throw std::runtime_error("cannot read " + file.string());
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }
    static Table table_of(const std::filesystem::path& file) {
        toml::TomlText text = toml::read_toml(content(file));
        if (!text.mistakes.empty())
            throw std::runtime_error(file.string() + ":" + std::to_string(text.mistakes[0].at.line) + ": " + text.mistakes[0].what);
        return std::move(text.root);
    }

    static std::vector<DnsWorld> read(const std::filesystem::path& file) {
        const Table base = table_of(folder() / "base.toml"), root = table_of(file);
        std::string kind;
        DnsView zones;
        WorldSender sender;
        std::vector<DnsWorld> worlds;
        const auto read_head = [&](const Table& table) {
            for (const toml::Entry& entry : table) {
                if (entry.key == "kind") kind = text_of(entry);
                else if (entry.key == "zones") zones = DnsView(), zones.add(with_keys(text_of(entry)));
                else if (entry.key == "add") zones.add(with_keys(text_of(entry)));
                else if (entry.key == "sender") read_sender(sender, entry);
                else if (entry.key != "world" && entry.key != "about") throw std::runtime_error(file.string() + ": no such key: " + entry.key);
            }
        };
        read_head(base);
        read_head(root);
        for (const toml::Entry& entry : root)
            if (entry.key == "world")
                for (const toml::Value& one : *entry.value.as<toml::List>()) {
                    try {
                        worlds.push_back(read_world(*one.as<Table>(), kind, zones, sender));
                    } catch (const std::exception& mistake) {
                        throw std::runtime_error(file.string() + ":" + std::to_string(one.at.line) + ": " + mistake.what());
                    }
                }
        return worlds;
    }

    static DnsWorld read_world(const Table& table, const std::string& kind, DnsView zones, const WorldSender& sender) {
        DnsWorld world;
        world.kind = kind;
        world.sender = sender;
        for (const toml::Entry& entry : table) {  // what holds everywhere first
            if (entry.key == "zones") zones = DnsView(), zones.add(with_keys(text_of(entry)));
            if (entry.key != "remove") continue;
            for (const std::string& what : list_of(entry))
                if (!zones.remove(what)) throw std::runtime_error("nothing to remove: " + what);
        }
        for (const toml::Entry& entry : table) {
            if (entry.key == "add") zones.add(with_keys(text_of(entry)));
            if (entry.key == "silent")
                for (const std::string& what : list_of(entry)) zones.is_silent_about(what);
        }
        world.resolver = zones;
        world.servers = {zones, zones};
        for (const toml::Entry& entry : table) {
            const std::string& key = entry.key;
            if (key == "name") world.name = text_of(entry);
            else if (key == "about") world.about = text_of(entry);
            else if (key == "sender") read_sender(world.sender, entry);
            else if (key == "resolver") read_differences(world.resolver, entry);
            else if (key == "server1") read_differences(world.servers[0], entry);
            else if (key == "server2") read_differences(world.servers[1], entry);
            else if (key == "expect") read_expectations(world, entry);
            else if (key != "zones" && key != "remove" && key != "add" && key != "silent") throw std::runtime_error("no such key: " + key);
        }
        if (world.name.empty()) throw std::runtime_error("a world without a name");
        return world;
    }

    static void read_differences(DnsView& view, const toml::Entry& entry) {
        for (const toml::Entry& one : *entry.value.as<Table>()) {
            if (one.key == "has") {
                view.has(with_keys(text_of(one)));
                continue;
            }
            for (const std::string& what : list_of(one)) {
                if (one.key == "denies") view.denies(what);
                else if (one.key == "silent") view.is_silent_about(what);
                else throw std::runtime_error("no such key: " + one.key);
            }
        }
    }

    static void read_sender(WorldSender& sender, const toml::Entry& entry) {
        for (const toml::Entry& one : *entry.value.as<Table>()) {
            if (one.key == "hostname") sender.hostname = text_of(one);
            else if (one.key == "ips") sender.ips = list_of(one);
            else if (one.key == "domain") sender.domain = sender.envelope = text_of(one);
            else if (one.key == "envelope") sender.envelope = text_of(one);
            else if (one.key == "report_to") sender.report_to = text_of(one);
            else if (one.key == "prefers_v4") sender.prefers_v4 = *one.value.as<bool>();
            else if (one.key == "block_lists") sender.block_lists = list_of(one);
            else if (one.key == "keys") {
                sender.keys.clear();
                for (const std::string& key : list_of(one)) {  // "selector.domain file"
                    const std::size_t dot = key.find('.'), space = key.find(' ');
                    sender.keys.push_back(WorldKey{key.substr(dot + 1, space - dot - 1), key.substr(0, dot), key.substr(space + 1)});
                }
            } else throw std::runtime_error("no such key: sender." + one.key);
        }
    }

    static void read_expectations(DnsWorld& world, const toml::Entry& entry) {
        for (const toml::Value& value : *entry.value.as<toml::List>()) {
            WorldExpectation& one = world.expected.emplace_back();
            for (const toml::Entry& field : *value.as<Table>()) {
                if (field.key == "check") one.check = text_of(field);
                else if (field.key == "subject") one.subject = text_of(field);
                else if (field.key == "verdict") one.verdict = text_of(field);
                else if (field.key == "words") one.words = list_of(field);
                else if (field.key == "not") one.not_words = list_of(field);
                else if (field.key == "ip") one.ip = text_of(field);
                else if (field.key == "from") one.from = text_of(field);
                else if (field.key == "helo") one.helo = text_of(field);
                else if (field.key == "term") one.term = text_of(field);
                else if (field.key == "lookups") one.lookups = *field.value.as<std::int64_t>();
                else if (field.key == "voids") one.voids = *field.value.as<std::int64_t>();
                else throw std::runtime_error("no such key: expect." + field.key);
            }
        }
    }

    static std::string text_of(const toml::Entry& entry) {
        const auto* text = entry.value.as<std::string>();
        if (text == nullptr) throw std::runtime_error(entry.key + " is no string");
        return *text;
    }
    static std::vector<std::string> list_of(const toml::Entry& entry) {
        const auto* list = entry.value.as<toml::List>();
        if (list == nullptr) throw std::runtime_error(entry.key + " is no list");
        std::vector<std::string> texts;
        for (const toml::Value& value : *list) texts.push_back(*value.as<std::string>());
        return texts;
    }

    // Each is read once: every test is a process that reads all worlds.
    static const std::string& public_key(const std::string& name) {
        static std::map<std::string, std::string> keys;
        std::string& key = keys[name];
        if (key.empty()) key = auth::dkim::PrivateKey::parse(pem(name), name).value()->public_base64();
        return key;
    }

    // "${rsa2048}" is p= of keys/rsa2048.pem; "${rsa2048.1}" its first 200 characters, "${rsa2048.2}" the next; ":wrong" behind either: one character of it
    // is another one.
    static std::string with_keys(std::string text) {
        for (std::size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at)) {
            const std::size_t end = text.find('}', at);
            std::string name = text.substr(at + 2, end - at - 2), how;
            if (const std::size_t colon = name.find(':'); colon != std::string::npos) how = name.substr(colon), name.resize(colon);
            std::string part;
            if (const std::size_t dot = name.find('.'); dot != std::string::npos) part = name.substr(dot), name.resize(dot);
            std::string value = public_key(name);
            if (!part.empty()) value = value.substr(200 * (std::stoul(part.substr(1)) - 1), 200);
            if (how == ":wrong") value[50] = value[50] == 'A' ? 'B' : 'A';
            else if (!how.empty()) throw std::runtime_error("no such change of a key: " + how);
            text.replace(at, end + 1 - at, value);
        }
        return text;
    }
};

}  // namespace posthorn::test
