// Postfix's tables as far as they are text: hash: and its kin by their source file, inline:, static:, regexp:
// and pcre:.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migration/files.hpp"

namespace posthorn::migration {

struct TableEntry {
    std::string key;  // as it is written; of regexp: and pcre: the pattern with its delimiters and flags
    std::string value;
    Origin origin;
};

// One "type:name" of a parameter such as transport_maps.
struct LookupTable {
    enum class Kind {
        exact,    // keys are compared
        pattern,  // keys are regular expressions
        always,   // static: one value for every key
        opaque,   // a database or a program: what is in it cannot be seen here
    };
    Kind kind = Kind::exact;
    std::string spec;     // as written, "hash:/etc/postfix/transport"
    std::string file;     // the text it was read from; empty where there is none
    std::string problem;  // why nothing could be read; empty: all is well
    std::vector<TableEntry> entries;
};

// `values`: the parameter's list (Parameters::list). proxy: is looked through. `origin` is that of the
// parameter, for tables without a file of their own.
[[nodiscard]] std::vector<LookupTable> read_tables(const std::vector<std::string>& values, const Files& files,
                                                   const Origin& origin);

// The text of a table: "key white-space value"; patterns are "/pattern/flags value", with if/endif left out
// and told in problem.
[[nodiscard]] std::vector<TableEntry> parse_table(std::string_view text, const std::string& file,
                                                  LookupTable::Kind kind);

}  // namespace posthorn::migration
