// How a configuration is laid out: tables in a fixed order, comments where they can be read.
#include "migration/draft.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"

namespace posthorn::migration {
namespace {

constexpr std::size_t kWidth = 118;

constexpr std::array<std::string_view, 22> kOrder{"listener",
                                                  "certificate",
                                                  "domain",
                                                  "user",
                                                  "site",
                                                  "relay",
                                                  "route",
                                                  "submission",
                                                  "submission.limits",
                                                  "submission.guard",
                                                  "repair",
                                                  "tls",
                                                  "auth",
                                                  "local",
                                                  "dkim",
                                                  "queue",
                                                  "retry",
                                                  "dns",
                                                  "delivery",
                                                  "delivery.timeouts",
                                                  "admin",
                                                  "log"};

std::size_t rank(std::string_view name) {
    return static_cast<std::size_t>(std::find(kOrder.begin(), kOrder.end(), name) - kOrder.begin());
}

// What came from other programs' files: TOML allows no controls in comments, and terminals obey them.
std::string harmless(std::string_view words) {
    return text::has_control(words) || !text::is_utf8(words) ? text::safe_for_log(words, words.size() + 1)
                                                             : std::string(words);
}

// "# words", wrapped.
std::string comment(std::string_view origin) {
    const std::string whole = harmless(origin);
    std::string_view words = whole;
    std::string text;
    while (!words.empty()) {
        std::size_t cut = words.size();
        if (cut > kWidth - 2) {
            cut = words.rfind(' ', kWidth - 2);
            if (cut == std::string_view::npos || cut == 0) cut = std::min(words.size(), words.find(' '));
        }
        text += "# " + std::string(words.substr(0, cut)) + "\n";
        words.remove_prefix(std::min(words.size(), cut + 1));
    }
    return text;
}

}  // namespace

std::string toml_string(std::string_view text) {
    std::string made = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') made += '\\';
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            made += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
            made += c;
    }
    return made + "\"";
}

std::string toml_list(std::span<const std::string> items) {
    std::string made = "[";
    for (const std::string& item : items) made += (made.size() > 1 ? ", " : "") + toml_string(item);
    return made + "]";
}

std::string toml_duration(long seconds) {
    static constexpr std::array<std::pair<long, char>, 3> kUnits{{{86400, 'd'}, {3600, 'h'}, {60, 'm'}}};
    for (const auto& [size, unit] : kUnits) {
        if (seconds >= size && seconds % size == 0) return fmt::format("\"{}{}\"", seconds / size, unit);
    }
    return fmt::format("\"{}s\"", seconds);
}

Draft::Table& Draft::Table::set(std::string_view key, std::string_view value, std::string_view origin) {
    const std::string line = fmt::format("{} = {}", key, value);
    if (origin.empty())
        text_ += line + "\n";
    else if (line.size() + origin.size() + 4 <= kWidth)
        text_ += line + "  # " + harmless(origin) + "\n";
    else
        text_ += comment(origin) + line + "\n";
    keys_.emplace_back(key);
    return *this;
}

Draft::Table& Draft::Table::remark(std::string_view words) {
    text_ += comment(words);
    return *this;
}

bool Draft::Table::has(std::string_view key) const {
    return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
}

Draft::Table& Draft::add(std::string_view name) {
    tables_.push_back(std::make_unique<Named>(Named{std::string(name), true, {}}));
    return tables_.back()->table;
}

Draft::Table& Draft::section(std::string_view name) {
    for (const auto& named : tables_) {
        if (!named->list && named->name == name) return named->table;
    }
    tables_.push_back(std::make_unique<Named>(Named{std::string(name), false, {}}));
    return tables_.back()->table;
}

bool Draft::has(std::string_view name) const {
    return std::any_of(tables_.begin(), tables_.end(),
                       [&](const auto& named) { return named->list && named->name == name; });
}

std::string Draft::text(std::string_view heading) const {
    std::string made = comment(heading) + "\n" + top_.text_;
    std::vector<const Named*> order;
    for (const auto& named : tables_) {
        if (!named->table.empty()) order.push_back(named.get());
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const Named* a, const Named* b) { return rank(a->name) < rank(b->name); });
    for (const Named* named : order) {
        made += fmt::format("\n{0}{1}{2}\n{3}", named->list ? "[[" : "[", named->name,
                            named->list ? "]]" : "]", named->table.text_);
    }
    return made;
}

}  // namespace posthorn::migration
