// Fuzzes alias files and lists: what users and administrators write, and what attackers put into a .forward.
#include <string>

#include "base/text.hpp"
#include "law.hpp"
#include "mail/aliases.hpp"

using namespace posthorn;

namespace {

void check(const mail::AliasFault& fault, std::size_t lines) {
    fuzz::require(fault.line >= 1 && fault.line <= lines, "a fault stands in the file");
    fuzz::require(!text::has_control(fault.what) && text::is_utf8(fault.what), "what is told of a file can be shown");
}

void check(const mail::AliasValue& value, std::size_t lines) {
    fuzz::require(value.line >= 1 && value.line <= lines, "a member stands in the file");
    using Kind = mail::AliasValue::Kind;
    // What comes out goes on to be an address or a path.
    for (const char c : value.text) fuzz::require(!text::is_control(c) || c == '\t', "no control character gets through");
    if (value.kind == Kind::address) fuzz::require(value.text.find('@') != std::string::npos, "an address has a domain");
    if (value.kind == Kind::name || value.kind == Kind::final_name)
        fuzz::require(!value.text.empty() && value.text.find_first_of(" \t@,\"\\") == std::string::npos, "a name is one word");
    if (value.kind == Kind::include || value.kind == Kind::file)
        fuzz::require(value.text.starts_with('/'), "a path is a whole one");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t lines = text::split(input, '\n').size();
    const mail::AliasTable table = mail::parse_aliases(input);
    fuzz::require(table.faults.size() <= mail::kMaxAliasFaults, "faults are bounded");
    fuzz::require(table.index.size() == table.aliases.size(), "a name stands once");
    for (const mail::AliasFault& fault : table.faults) check(fault, lines);
    for (const mail::Alias& alias : table.aliases) {
        fuzz::require(table.find(alias.name) == &alias, "what stands there is found");
        fuzz::require(!alias.name.empty() && alias.name == text::to_lower(alias.name), "names are in lower case");
        for (const mail::AliasValue& value : alias.values) check(value, lines);
    }
    const mail::AliasList list = mail::parse_alias_list(input);
    for (const mail::AliasFault& fault : list.faults) check(fault, lines);
    for (const mail::AliasValue& value : list.values) check(value, lines);
    return 0;
}
