// Places from the values' positions, which the TOML library counts in lines and code points.
#include "setup/toml_layout.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::setup {

namespace {

bool continues_code_point(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

}  // namespace

TomlLayout::TomlLayout(std::string_view text, const toml::Table& root) : text_(text), lines_{0} {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n') lines_.push_back(i + 1);
    }
    collect(root);
    std::sort(headings_.begin(), headings_.end());
}

void TomlLayout::collect(const toml::Table& table) {
    const auto look_at = [&](const toml::Value& value) {
        const auto* below = value.as<toml::Table>();
        if (below == nullptr) return;
        if (has_heading(value)) headings_.push_back(offset(value.at));
        collect(*below);
    };
    for (const toml::Entry& entry : table) {
        look_at(entry.value);
        if (const auto* list = entry.value.as<toml::List>())
            std::for_each(list->begin(), list->end(), look_at);
    }
}

std::size_t TomlLayout::offset(toml::Position at) const {
    if (at.line == 0 || at.line > lines_.size()) return text_.size();
    std::size_t place = lines_[at.line - 1];
    if (at.line == 1 && text_.starts_with("\xEF\xBB\xBF")) place += 3;  // a byte order mark is no column
    for (std::uint32_t column = 1; column < at.column && place < text_.size(); ++column) {
        ++place;
        while (place < text_.size() && continues_code_point(text_[place])) ++place;
    }
    return place;
}

std::size_t TomlLayout::line_begin(std::size_t offset) const {
    return *std::prev(std::upper_bound(lines_.begin(), lines_.end(), offset));
}

std::size_t TomlLayout::line_end(std::size_t offset) const {
    const auto next = std::upper_bound(lines_.begin(), lines_.end(), offset);
    return next == lines_.end() ? text_.size() : *next;
}

std::string_view TomlLayout::line(std::size_t offset) const {
    const std::size_t begin = line_begin(offset);
    return text::trim(text_.substr(begin, line_end(offset) - begin));
}

bool TomlLayout::has_heading(const toml::Value& table) const {
    const std::size_t at = offset(table.at);
    const auto* entries = table.as<toml::Table>();
    if (entries == nullptr || at >= text_.size() || text_[at] != '[') return false;
    // [a.b] makes a, too, in the same place.
    return std::none_of(entries->begin(), entries->end(), [&](const toml::Entry& entry) {
        const auto* list = entry.value.as<toml::List>();
        const toml::Value& below = list != nullptr && !list->empty() ? list->front() : entry.value;
        return below.as<toml::Table>() != nullptr && offset(below.at) == at;
    });
}

std::size_t TomlLayout::next_heading(std::size_t offset) const {
    const auto next = std::lower_bound(headings_.begin(), headings_.end(), offset);
    return next == headings_.end() ? text_.size() : *next;
}

std::size_t TomlLayout::end_of_lines(const toml::Value& value) const {
    const std::size_t end = offset(value.end);
    std::size_t last = line_end(end == 0 ? 0 : end - 1);
    if (const auto* list = value.as<toml::List>()) {
        for (const toml::Value& item : *list) last = std::max(last, end_of_lines(item));
    } else if (const auto* table = value.as<toml::Table>()) {
        for (const toml::Entry& entry : *table) last = std::max(last, end_of_lines(entry.value));
    }
    return last;
}

std::size_t TomlLayout::end_of_own_lines(const toml::Table& table) const {
    std::size_t last = 0;
    for (const toml::Entry& entry : table) {
        const auto* list = entry.value.as<toml::List>();
        const bool headed =
            has_heading(entry.value) || (list != nullptr && !list->empty() && has_heading(list->front()));
        if (headed) continue;
        if (const auto* dotted = entry.value.as<toml::Table>();
            dotted != nullptr && text_[offset(entry.value.at)] != '{') {
            last = std::max(last, end_of_own_lines(*dotted));
        } else {
            last = std::max(last, end_of_lines(entry.value));
        }
    }
    return last;
}

std::size_t TomlLayout::end_of_paragraph(std::size_t end) const {
    std::size_t after = end;
    while (after < text_.size() && is_comment(after)) after = line_end(after);
    return after == text_.size() || is_blank(after) ? after : end;
}

bool TomlLayout::has_commented_out_heading(std::size_t begin, std::size_t end) const {
    for (std::size_t at = begin; at < end; at = line_end(at)) {
        const std::string_view shown = line(at);
        if (!shown.starts_with('#')) continue;
        const std::string_view words = text::trim(shown.substr(1));
        if (words.starts_with('[') && words.ends_with(']')) return true;
    }
    return false;
}

std::size_t TomlLayout::begin_of_comments(std::size_t begin) const {
    while (begin > 0 && is_comment(begin - 1)) begin = line_begin(begin - 1);
    return begin;
}

std::optional<std::size_t> TomlLayout::after_commented_out(std::string_view key, std::size_t begin,
                                                           std::size_t end) const {
    for (std::size_t at = begin; at < end; at = line_end(at)) {
        std::string_view shown = line(at);
        if (!shown.starts_with('#')) continue;
        shown.remove_prefix(1);
        if (!shown.starts_with(key)) continue;
        if (text::trim(shown.substr(key.size())).starts_with('=')) return line_end(at);
    }
    return std::nullopt;
}

}  // namespace posthorn::setup
