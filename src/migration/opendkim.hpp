// opendkim.conf, KeyTable, SigningTable and lists of hosts as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migration/files.hpp"

namespace posthorn::migration {

struct DkimSetting {
    std::string name;
    std::string value;
    Origin origin;
};

// A key of KeyTable, or of Domain, Selector and KeyFile.
struct DkimKey {
    std::string name;    // what SigningTable calls it
    std::string domain;  // d=; "%": the domain of the From address
    std::string selector;
    std::string file;  // absolute; empty where the key itself stands in the table
    Origin origin;
};

// A line of SigningTable: whose mail is signed with which key.
struct DkimRule {
    std::string pattern;  // "*@example.com", "alice@example.com", "example.com", ".example.com", "*"
    std::string key;
    bool wildcards = false;  // refile:, whose "*" stands for anything
    Origin origin;
};

struct OpenDkim {
    std::string file;                   // opendkim.conf
    std::vector<DkimSetting> settings;  // in order, duplicates too
    std::vector<DkimKey> keys;
    std::vector<DkimRule> rules;
    std::vector<std::string> trusted;  // InternalHosts, as they are written
    struct Fault {
        Origin origin;
        std::string what;
    };
    std::vector<Fault> faults;  // what OpenDKIM would not start with, or would pass over

    // The last of this name, without case.
    [[nodiscard]] const DkimSetting* find(std::string_view name) const;
    [[nodiscard]] std::string value(std::string_view name) const;
};

// `path`: opendkim.conf, or a directory: then DIRECTORY/opendkim.conf, else DIRECTORY.conf beside it
// (Debian's and Red Hat's place, /etc/opendkim.conf with /etc/opendkim). Nothing where there is neither.
[[nodiscard]] std::optional<OpenDkim> read_opendkim(const std::string& path, const Files& files);

// The names that opendkim.conf(5) of 2.11 knows.
[[nodiscard]] const std::vector<std::string_view>& opendkim_names();

}  // namespace posthorn::migration
