// The parser of aliases(5): /etc/aliases, .forward files and :include: lists, as Debian's tools and administrators write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace posthorn::mail {

// Syntax only, without I/O and without IDNA, so that `newaliases` can be linked without libidn2. Whether an address can be
// sent to is asked where a name is expanded (intake/local_names.hpp).
inline constexpr std::size_t kMaxAliasFile = 4 * 1024 * 1024;  // octets; what is longer is not read
inline constexpr std::size_t kMaxAliasFaults = 100;            // told; the rest is counted

// One member of an alias.
struct AliasValue {
    enum class Kind : std::uint8_t {
        address,     // "user@example.com"
        name,        // "user": a local name, expanded further
        final_name,  // "\user": a local name that is not expanded any further (SM-46)
        include,     // ":include:/path": the members are in that file
        discard,     // "/dev/null"
        command,     // "|command": never run; kept so that the reason can be told (SM-41)
        file,        // "/path": never written; kept for the same reason
    };
    Kind kind = Kind::name;
    std::string text;        // address as written without comments; name without backslash; path; command
    std::uint32_t line = 0;  // where it stands, counted from 1
    friend bool operator==(const AliasValue&, const AliasValue&) = default;
};
// Why mail to such a member cannot go on, and what to do: for commands and files. Empty for all others.
[[nodiscard]] std::string_view why_refused(AliasValue::Kind kind);

struct AliasFault {
    std::uint32_t line = 0;
    std::string what;        // one sentence; no octets of the file but names and what stood there, made safe to show
};

struct Alias {
    std::string name;        // lower case, without quotes
    std::uint32_t line = 0;
    std::vector<AliasValue> values;  // in order; empty where nothing usable stands behind the colon
};

// A list of members, of a .forward or an :include: file, or behind an alias's colon.
struct AliasList {
    std::vector<AliasValue> values;
    std::vector<AliasFault> faults;
};

// A whole file. Faults cost the member or the line they are in and nothing else; of two entries of one name the first counts.
struct AliasTable {
    std::vector<Alias> aliases;      // in order
    std::vector<AliasFault> faults;  // mistakes, in order; at most kMaxAliasFaults
    std::size_t more_faults = 0;     // beyond them

    // Without case. Null: no such alias.
    [[nodiscard]] const Alias* find(std::string_view name) const;

    std::unordered_map<std::string, std::size_t> index;  // of aliases, by name
};

// "name: value, value". Lines that begin with white space continue the one before; empty lines and lines whose first sign is
// "#" are passed over, also between the two; so is what follows a "#" with white space before it. Names and values may be in
// double quotes (with \" and \\ inside); comments in parentheses and "Name <address>" are understood. CRLF and a byte order
// mark do no harm.
[[nodiscard]] AliasTable parse_aliases(std::string_view text);

// The same without "name:", each line a list of its own.
[[nodiscard]] AliasList parse_alias_list(std::string_view text);

}  // namespace posthorn::mail
