// The text of Postfix's tables, and which of their types have one.
#include "migration/lookup_table.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "migration/logical_lines.hpp"
#include "migration/parameters.hpp"

namespace posthorn::migration {
namespace {

constexpr std::array<std::string_view, 7> kCompiled{"hash", "btree", "lmdb",    "cdb",
                                                    "dbm",  "sdbm",  "texthash"};

// The end of "/pattern/flags" at the front of line.
std::size_t end_of_pattern(std::string_view line) {
    if (line.empty()) return 0;
    const char delimiter = line.front();
    std::size_t at = 1;
    while (at < line.size() && line[at] != delimiter) at += line[at] == '\\' ? 2 : 1;
    while (at < line.size() && !text::is_blank(line[at])) ++at;
    return std::min(at, line.size());
}

// inline:{ key=value, { key = value with blanks } }
void read_inline(std::string_view name, const Origin& origin, LookupTable& table) {
    name = text::trim(name);
    if (name.starts_with('{') && name.ends_with('}')) name = name.substr(1, name.size() - 2);
    for (std::string item : split_list(name)) {
        std::string_view view = item;
        if (view.starts_with('{') && view.ends_with('}')) view = text::trim(view.substr(1, view.size() - 2));
        const std::size_t equals = view.find('=');
        if (equals == std::string_view::npos) continue;
        table.entries.push_back({std::string(text::trim(view.substr(0, equals))),
                                 std::string(text::trim(view.substr(equals + 1))), origin});
    }
}

LookupTable read_table(std::string_view spec, const Files& files, const Origin& origin) {
    LookupTable table;
    table.spec = spec;
    if (spec.starts_with("proxy:")) spec.remove_prefix(6);
    const std::size_t colon = spec.find(':');
    const std::string_view type = spec.substr(0, colon);
    const std::string_view name =
        colon == std::string_view::npos ? std::string_view() : spec.substr(colon + 1);
    if (type == "inline") {
        read_inline(name, origin, table);
    } else if (type == "static") {
        table.kind = LookupTable::Kind::always;
        table.entries.push_back({"", std::string(name), origin});
    } else if (const bool pattern = type == "regexp" || type == "pcre";
               pattern || std::find(kCompiled.begin(), kCompiled.end(), type) != kCompiled.end()) {
        table.kind = pattern ? LookupTable::Kind::pattern : LookupTable::Kind::exact;
        table.file = name;
        const auto text = files.text(table.file);
        if (text)
            table.entries = parse_table(*text, table.file, table.kind);
        else
            table.problem = files.facts(table.file) ? "cannot be read" : "does not exist";
    } else {
        table.kind = LookupTable::Kind::opaque;
        table.problem = "is no text that could be read here";
    }
    return table;
}

}  // namespace

std::vector<TableEntry> parse_table(std::string_view text, const std::string& file, LookupTable::Kind kind) {
    std::vector<TableEntry> entries;
    for (const LogicalLine& line : logical_lines(text)) {
        const std::string_view whole = text::trim(line.text);
        std::size_t cut = 0;
        if (kind == LookupTable::Kind::pattern) {
            if (text::istarts_with(whole, "if") || text::istarts_with(whole, "endif")) continue;
            cut = end_of_pattern(whole);
        } else {
            while (cut < whole.size() && !text::is_blank(whole[cut])) ++cut;
        }
        entries.push_back({std::string(whole.substr(0, cut)),
                           std::string(text::trim(whole.substr(cut))),
                           {file, line.line}});
    }
    return entries;
}

std::vector<LookupTable> read_tables(const std::vector<std::string>& values, const Files& files,
                                     const Origin& origin) {
    std::vector<LookupTable> tables;
    for (const std::string& spec : values) tables.push_back(read_table(spec, files, origin));
    return tables;
}

}  // namespace posthorn::migration
