// Lines and words, and the parser of aliases.
#include "setup/machine_text.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"
#include "mail/aliases.hpp"

namespace posthorn::setup {

std::string full_name(std::string_view name, std::string_view hosts) {
    if (name.find('.') != std::string_view::npos) return std::string(name);
    for (std::string_view line : text::split(hosts, '\n')) {
        line = line.substr(0, line.find('#'));
        std::vector<std::string_view> words;
        for (const std::string_view tabbed : text::split(line, ' '))
            for (const std::string_view word : text::split(text::trim(tabbed), '\t'))
                if (!word.empty()) words.push_back(word);
        if (words.size() < 2) continue;
        words.erase(words.begin());  // the address
        if (std::none_of(words.begin(), words.end(),
                         [&](std::string_view word) { return text::iequals(word, name); }))
            continue;
        for (const std::string_view word : words)
            if (word.find('.') != std::string_view::npos) return std::string(word);
    }
    return std::string(name);
}

std::string root_alias(std::string_view aliases) {
    const mail::AliasTable table = mail::parse_aliases(aliases);
    const mail::Alias* root = table.find("root");
    const bool one = root != nullptr && root->values.size() == 1 &&
                     root->values.front().kind == mail::AliasValue::Kind::address;
    return one ? root->values.front().text : std::string();
}

}  // namespace posthorn::setup
