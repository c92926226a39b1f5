// toml++ to plain values, and its complaints in our words.
#include "toml/reader.hpp"

#include <toml++/toml.h>

#include <algorithm>

namespace posthorn::toml {
namespace {

Position position(const ::toml::source_region& region) {
    return {region.begin.line, region.begin.column};
}

Position end_of(const ::toml::source_region& region) {
    return {region.end.line, region.end.column};
}

Value convert(const ::toml::node& node);

Table convert_table(const ::toml::table& table) {
    Table out;
    out.reserve(table.size());
    for (auto&& [key, node] : table) {
        // A table made by a header [a.b] has its place at the header, one made by dotted keys at the key.
        out.push_back(Entry{std::string(key.str()), position(key.source()), convert(node)});
    }
    std::stable_sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) {
        return a.at.line != b.at.line ? a.at.line < b.at.line : a.at.column < b.at.column;
    });
    return out;
}

Value convert(const ::toml::node& node) {
    Value value;
    value.at = position(node.source());
    value.end = end_of(node.source());
    if (const auto* table = node.as_table()) {
        value.data = convert_table(*table);
    } else if (const auto* list = node.as_array()) {
        List items;
        for (const ::toml::node& item : *list) {
            items.push_back(convert(item));
        }
        value.data = std::move(items);
    } else if (const auto* text = node.as_string()) {
        value.data = text->get();
    } else if (const auto* number = node.as_integer()) {
        value.data = number->get();
    } else if (const auto* real = node.as_floating_point()) {
        value.data = real->get();
    } else if (const auto* flag = node.as_boolean()) {
        value.data = flag->get();
    }
    return value;
}

// The line numbered from 1, without its end.
std::string_view line_of(std::string_view text, std::uint32_t line) {
    std::size_t begin = 0;
    for (std::uint32_t i = 1; i < line; ++i) {
        const auto end = text.find('\n', begin);
        if (end == std::string_view::npos) {
            return {};
        }
        begin = end + 1;
    }
    return text.substr(begin, text.find('\n', begin) - begin);
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
        text.remove_suffix(1);
    }
    return text;
}

// The commonest slips in the operator's words, the others in the library's.
std::string syntax_in_words(std::string_view what) {
    const auto has = [&](std::string_view part) { return what.find(part) != std::string_view::npos; };
    if (has("parsing string") && has("control characters")) {
        return "the string does not end in its line; close it with \"";
    }
    if (has("decimal integer") || has("floating-point") || has("determine value type")) {
        return "this is no value; texts, durations and sizes stand in quotes, such as \"75s\" or \"35MiB\"; "
               "numbers, true and "
               "false do not";
    }
    return "this is not TOML (" + std::string(what) +
           "); allowed: lines such as key = \"text\", key = 12, key = [\"a\", \"b\"], [section]";
}

bool spans_lines(std::string_view line) {
    return std::count(line.begin(), line.end(), '[') != std::count(line.begin(), line.end(), ']') ||
           line.find("\"\"\"") != std::string_view::npos || line.find("'''") != std::string_view::npos;
}

}  // namespace

TomlText read_toml(std::string_view text) {
    TomlText out;
    std::string remaining(text);
    // The library stops at the first mistake. A key given twice is taken out and the rest read again, so that
    // the operator sees all mistakes at once; a bound keeps a file of nothing but repetitions from costing
    // its length squared.
    constexpr int kRepeats = 50;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
        try {
            out.root = convert_table(::toml::parse(std::string_view(remaining)));
            out.readable = true;
            return out;
        } catch (const ::toml::parse_error& error) {
            const Position at = position(error.source());
            const std::string_view line = line_of(remaining, at.line);
            const std::string_view trimmed = trim(line);
            const std::string_view what = error.description();
            const bool twice = what.find("redefine") != std::string_view::npos;
            const auto equals = trimmed.find('=');
            if (twice && !trimmed.empty() && trimmed.front() == '[') {
                out.mistakes.push_back({{at.line, 1},
                                        "the table " + std::string(trimmed.substr(0, trimmed.find(']') + 1)) +
                                            " is given twice; put all its keys under one heading"});
                return out;
            }
            if (twice && equals != std::string_view::npos) {
                out.mistakes.push_back(
                    {{at.line, static_cast<std::uint32_t>(trimmed.data() - line.data()) + 1},
                     "the key " + std::string(trim(trimmed.substr(0, equals))) +
                         " is given twice; keep one of them"});
                if (spans_lines(line)) {
                    return out;
                }
                const auto begin = static_cast<std::size_t>(line.data() - remaining.data());
                std::fill_n(remaining.begin() + static_cast<std::ptrdiff_t>(begin), line.size(), ' ');
                continue;
            }
            out.mistakes.push_back({at, syntax_in_words(what)});
            return out;
        }
    }
    return out;
}

}  // namespace posthorn::toml
