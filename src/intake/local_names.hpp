// Who gets mail for a name of this machine (root, www-data, root@localhost): aliases, .forward files, and what comes after.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "intake/options.hpp"
#include "mail/aliases.hpp"

namespace posthorn::intake {

// Posthorn has no mailboxes: a local name is another way to write addresses elsewhere. docs/LOCAL.md has the rules.
inline constexpr unsigned kMaxAliasDepth = 20;           // names one behind the other
inline constexpr std::size_t kMaxAliasRecipients = 1000; // one name may come to
inline constexpr std::size_t kMaxAliasSteps = 10000;     // looked at for one name, so that nothing takes long
inline constexpr std::size_t kMaxAliasOctets = 8 * 1024 * 1024;   // of .forward and :include: files read for one name
inline constexpr std::size_t kMaxAliasWarnings = 100;    // about one name
inline constexpr std::size_t kMaxLocalNames = 100;       // in one transaction: each may become a message of its own

// What holds until the next reload; app fills in what the machine is called.
struct LocalNames {
    LocalOptions options;
    std::string hostname;                  // of Delivered-To
    std::string postmaster;                // who gets mail for the name postmaster in the end; or empty
    std::vector<std::string> domains;      // lower case: "localhost", hostname, what the machine calls itself, /etc/mailname
    std::vector<std::string> own_domains;  // of [[domain]]: never local, they have their MX (SD-12)

    // Is this a local name (SM-45)? Bare names are, and what is at localhost, below localdomain, or at one of `domains`.
    [[nodiscard]] bool is_local(std::string_view address) const;
    // May mail leave with this in its reverse-path? Where no [[domain]] is given, anything.
    [[nodiscard]] bool is_own(std::string_view address) const;
};

// What passwd says of a name.
struct PasswdEntry {
    std::uint32_t uid = 0;
    std::string home;
};

// A file as it was opened and read; the rules about it are in the pure part.
struct NameFile {
    enum class State : std::uint8_t { missing, unreadable, read };
    State state = State::missing;
    std::string trouble;          // why unreadable, for the operator
    bool regular = true;
    std::uint32_t owner = 0;
    std::uint32_t mode = 0;       // permission bits
    std::string text;
};

// Whoever may write such a file decides where mail goes, so it must be his (SM-43), or with or_root root's. Empty: it may be used.
[[nodiscard]] std::string fault_of(const NameFile& file, const PasswdEntry& owner, bool or_root = false);

// Where expand() gets its files. Implemented by smtp/server (AliasFiles, on the disk pool) and by tests.
class NameFiles {
public:
    virtual ~NameFiles() = default;
    struct Aliases {
        NameFile::State state = NameFile::State::missing;
        std::string trouble;
        std::shared_ptr<const mail::AliasTable> table;   // when read
    };
    // The alias file as it is now.
    [[nodiscard]] virtual Aliases aliases(const std::string& path) = 0;
    // An :include: or .forward file. follow false: a symbolic link is unreadable.
    [[nodiscard]] virtual NameFile file(const std::string& path, bool follow) = 0;
    [[nodiscard]] virtual std::optional<PasswdEntry> user(const std::string& name) = 0;
    // The uid the daemon runs as: its own files are as good as root's.
    [[nodiscard]] virtual std::uint32_t own_uid() const = 0;
};

// One address at the end of a way.
struct Target {
    std::string address;
    std::string via;                        // for the log: "/etc/aliases:3", "~www-data/.forward", "local.users_to"
    std::optional<std::string> reverse_path;  // of an owner- alias on the way (SM-47)
    friend bool operator==(const Target&, const Target&) = default;
};

// What a local name comes to.
struct Expansion {
    enum class Kind : std::uint8_t {
        recipients,  // targets has them
        discarded,   // /dev/null and nothing else: taken, and forgotten
        refused,     // text says why: 5xx for good, 4xx where a file could not be read
    };
    Kind kind = Kind::refused;
    std::string recipient;                  // as it was given
    std::string delivered_to;               // "root@web1.example.com" (SM-48)
    std::vector<Target> targets;
    std::uint16_t code = 0;                 // of a refusal
    std::string_view enhanced;              // of static storage
    std::string text;                       // one line of ASCII: why, and what to do
    std::vector<std::string> steps;         // how it went, one line each: for `posthorn local test`
    std::vector<std::string> warnings;      // for the log: commands refused, unsafe files, circles
};

// Follows the name through aliases -> ~/.forward -> users_to -> the alias of root (SM-43). Pure but for `files`, which it asks as
// it goes. An alias that lists itself is a local user without a mailbox here: it takes the next rule (SM-42).
// REQUIRES: names.is_local(recipient).
[[nodiscard]] Expansion expand(const LocalNames& names, NameFiles& files, std::string_view recipient);

// How many recipients these names come to beyond one each: a user's .forward must not be a way around his limits.
[[nodiscard]] std::size_t recipients_beyond(const std::vector<Expansion>& expansions);

}  // namespace posthorn::intake
