// The changes: find the place, change the text, read it again, compare.
#include "setup/config_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "setup/toml_layout.hpp"
#include "toml/reader.hpp"

namespace posthorn::setup {
namespace {

bool same(const toml::Value& a, const toml::Value& b);

bool same(const toml::Table& a, const toml::Table& b) {
    return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const toml::Entry& entry) {
               const auto other =
                   std::find_if(b.begin(), b.end(), [&](const toml::Entry& e) { return e.key == entry.key; });
               return other != b.end() && same(entry.value, other->value);
           });
}

// What they say, wherever it stands. A number that is none (nan) is no setting's value, so that == will do.
bool same(const toml::Value& a, const toml::Value& b) {
    if (a.data.index() != b.data.index()) return false;
    if (const auto* table = a.as<toml::Table>()) return same(*table, *b.as<toml::Table>());
    if (const auto* list = a.as<toml::List>()) {
        const auto& other = *b.as<toml::List>();
        return std::equal(list->begin(), list->end(), other.begin(), other.end(),
                          [](const toml::Value& x, const toml::Value& y) { return same(x, y); });
    }
    if (const auto* text = a.as<std::string>()) return *text == *b.as<std::string>();
    if (const auto* number = a.as<std::int64_t>()) return *number == *b.as<std::int64_t>();
    if (const auto* real = a.as<double>()) return *real == *b.as<double>();
    if (const auto* flag = a.as<bool>()) return *flag == *b.as<bool>();
    return true;
}

toml::Entry* entry_of(toml::Table& table, std::string_view key) {
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const toml::Entry& entry) { return entry.key == key; });
    return found == table.end() ? nullptr : &*found;
}

const toml::Value* value_of(const toml::Table& table, std::string_view key) {
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const toml::Entry& entry) { return entry.key == key; });
    return found == table.end() ? nullptr : &found->value;
}

std::string name_of(const toml::Value& domain) {
    const auto* table = domain.as<toml::Table>();
    const toml::Value* name = table == nullptr ? nullptr : value_of(*table, "name");
    const auto* text = name == nullptr ? nullptr : name->as<std::string>();
    return text == nullptr ? std::string() : text::to_lower(*text);
}

std::vector<std::string> lines_of(const NewDomain& domain) {
    std::vector<std::string> lines = {"name = " + toml::quote(domain.name)};
    if (!domain.keys.empty()) {
        std::string keys;
        for (const NewDomain::Key& key : domain.keys) {
            keys += fmt::format("{}{{ selector = {}, key_file = {} }}", keys.empty() ? "" : ", ",
                                toml::quote(key.selector), toml::quote(key.key_file));
        }
        lines.push_back("dkim = [" + keys + "]");
    }
    if (!domain.key_directory.empty())
        lines.push_back("key_directory = " + toml::quote(domain.key_directory));
    return lines;
}

std::string_view line_ending(std::string_view text) {
    const auto first = text.find('\n');
    return first != std::string_view::npos && first > 0 && text[first - 1] == '\r' ? "\r\n" : "\n";
}

std::string put_in(std::string_view text, std::size_t at, std::string_view what) {
    return fmt::format("{}{}{}", text.substr(0, at), what, text.substr(at));
}

// A whole line of its own, put in at the begin of a line (or at the end of a text whose last line has no
// end).
std::string put_in_line(std::string_view text, std::size_t at, std::string_view line) {
    const std::string_view eol = line_ending(text);
    const bool unended = at > 0 && text[at - 1] != '\n';
    return put_in(text, at, fmt::format("{}{}{}", unended ? eol : "", line, eol));
}

// A paragraph of its own, with one blank line on each side that has something.
std::string put_in_paragraph(std::string_view text, std::size_t at, const std::vector<std::string>& lines) {
    const std::string_view eol = line_ending(text);
    std::string what;
    if (at > 0 && text[at - 1] != '\n') what += eol;
    const std::string_view before = text.substr(0, at);
    const bool apart = before.empty() || before.ends_with("\n\n") || before.ends_with("\n\r\n");
    if (!apart) what += eol;
    for (const std::string& line : lines) what.append(line).append(eol);
    const std::string_view after = text.substr(at);
    if (!after.empty() && after.front() != '\n' && after.front() != '\r') what += eol;
    return put_in(text, at, what);
}

}  // namespace

Result<ConfigText> ConfigText::parse(std::string text, std::string name) {
    toml::TomlText read = toml::read_toml(text);
    if (!read.mistakes.empty()) {
        const toml::SyntaxMistake& first = read.mistakes.front();
        return Error{fmt::format("{}:{}:{}: {}", name, first.at.line, first.at.column, first.what)};
    }
    return ConfigText(std::move(text), std::move(name), std::move(read.root));
}

const toml::Value* ConfigText::value(std::string_view path) const {
    const toml::Table* table = &root_;
    const toml::Value* found = nullptr;
    for (const std::string_view part : text::split(path, '.')) {
        found = table == nullptr ? nullptr : value_of(*table, part);
        if (found == nullptr) return nullptr;
        table = found->as<toml::Table>();
    }
    return found;
}

std::string ConfigText::string_value(std::string_view path) const {
    const toml::Value* found = value(path);
    const auto* text = found == nullptr ? nullptr : found->as<std::string>();
    return text == nullptr ? std::string() : *text;
}

std::vector<std::string> ConfigText::domains() const {
    std::vector<std::string> names;
    const toml::Value* found = value("domain");
    const auto* list = found == nullptr ? nullptr : found->as<toml::List>();
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) names.push_back(name_of((*list)[i]));
    return names;
}

Result<void> ConfigText::become(std::string text, const toml::Table& expected, std::string_view by_hand) {
    toml::TomlText read = toml::read_toml(text);
    if (!read.mistakes.empty() || !same(read.root, expected)) {
        return Error{fmt::format(
            "{} is written in a way that cannot be changed here without changing more than that; {}", name_,
            by_hand)};
    }
    text_ = std::move(text);
    root_ = std::move(read.root);
    return {};
}

Result<void> ConfigText::add_table(std::string_view kind, const std::vector<std::string>& lines) {
    std::vector<std::string> paragraph = {fmt::format("[[{}]]", kind)};
    paragraph.insert(paragraph.end(), lines.begin(), lines.end());
    const std::string alone = fmt::format("{}", fmt::join(paragraph, "\n"));
    const toml::TomlText added = toml::read_toml(alone);
    const toml::Value* tables = added.mistakes.empty() ? value_of(added.root, kind) : nullptr;
    if (tables == nullptr || added.root.size() != 1)
        return Error{fmt::format("this is no table of the configuration:\n{}", alone)};
    toml::Table expected = root_;
    if (toml::Entry* present = entry_of(expected, kind); present == nullptr) {
        expected.push_back({std::string(kind), {}, *tables});
    } else if (auto* list = std::get_if<toml::List>(&present->value.data)) {
        list->push_back(tables->as<toml::List>()->front());
    }
    const TomlLayout layout(text_, root_);
    std::size_t at = text_.size();
    const toml::Value* present = value(kind);
    const auto* list = present == nullptr ? nullptr : present->as<toml::List>();
    if (list != nullptr && !list->empty()) at = layout.end_of_paragraph(layout.end_of_lines(list->back()));
    return become(
        put_in_paragraph(text_, at, paragraph), expected,
        fmt::format(
            "write [[{}]] once for each, with its keys in lines below it, and add this yourself:\n\n{}\n",
            kind, alone));
}

Result<bool> ConfigText::add_domain(const NewDomain& domain) {
    const std::vector<std::string> present = domains();
    if (std::find(present.begin(), present.end(), text::to_lower(domain.name)) != present.end()) return false;
    if (auto added = add_table("domain", lines_of(domain)); !added) return added.error();
    return true;
}

Result<bool> ConfigText::remove_domain(std::string_view name) {
    removed_.clear();
    const std::vector<std::string> present = domains();
    const auto found = std::find(present.begin(), present.end(), text::to_lower(name));
    if (found == present.end()) return false;
    const auto index = found - present.begin();
    const toml::Value& domain = (*value("domain")->as<toml::List>())[static_cast<std::size_t>(index)];
    toml::Table expected = root_;
    auto& list = std::get<toml::List>(entry_of(expected, "domain")->value.data);
    list.erase(list.begin() + index);
    if (list.empty()) std::erase_if(expected, [](const toml::Entry& entry) { return entry.key == "domain"; });

    const TomlLayout layout(text_, root_);
    const std::size_t begin = layout.line_begin(layout.offset(domain.at));
    const std::size_t own_end = layout.end_of_lines(domain);
    std::size_t end = layout.end_of_paragraph(own_end);
    if (layout.has_commented_out_heading(own_end, end)) end = own_end;   // the operator may want it back
    std::size_t first = begin;
    std::size_t last = end;
    // Of the blank lines on both sides one is too many.
    const bool blank_above = begin == 0 || layout.is_blank(begin - 1);
    if (blank_above && end < text_.size() && layout.is_blank(end)) {
        last = layout.line_end(end);
    } else if (begin > 0 && blank_above && end == text_.size()) {
        first = layout.line_begin(begin - 1);
    }
    std::string removed = text_.substr(begin, end - begin);
    auto changed = become(text_.substr(0, first) + text_.substr(last), expected,
                          fmt::format("take the [[domain]] of {} out yourself", name));
    if (!changed) return changed.error();
    removed_ = std::move(removed);
    return true;
}

namespace {

// The tables on the way to the key's own, made where they are missing; nullptr where something else is in the
// way.
toml::Table* make_way(toml::Table& root, const std::vector<std::string_view>& sections) {
    toml::Table* table = &root;
    for (const std::string_view section : sections) {
        toml::Entry* entry = entry_of(*table, section);
        if (entry == nullptr) {
            entry = &table->emplace_back();
            entry->key = section;
            entry->value.data = toml::Table{};
        }
        table = std::get_if<toml::Table>(&entry->value.data);
        if (table == nullptr) return nullptr;
    }
    return table;
}

// The text with the line "key = value" at the top, before all headings.
std::string put_in_at_top(std::string_view text, const toml::Table& root, const TomlLayout& layout,
                          std::string_view key, std::string_view line) {
    const std::size_t heading = layout.next_heading(0);
    if (const auto at = layout.after_commented_out(key, 0, heading)) return put_in_line(text, *at, line);
    if (const std::size_t at = layout.end_of_own_lines(root); at != 0) return put_in_line(text, at, line);
    if (heading == text.size()) return put_in_paragraph(text, heading, {std::string(line)});  // nothing but comments
    return put_in_paragraph(text, layout.begin_of_comments(layout.line_begin(heading)), {std::string(line)});
}

std::string put_in_section(std::string_view text, const toml::Value& section, const TomlLayout& layout,
                           std::string_view key, std::string_view line) {
    const std::size_t heading = layout.offset(section.at);
    const std::size_t next = layout.next_heading(heading + 1);
    if (const auto at = layout.after_commented_out(key, heading, next)) return put_in_line(text, *at, line);
    const std::size_t own = layout.end_of_own_lines(*section.as<toml::Table>());
    return put_in_line(text, std::max(own, layout.line_end(heading)), line);
}

}  // namespace

Result<bool> ConfigText::set_value(std::string_view path, std::string_view toml_value) {
    const std::string by_hand = fmt::format("set {} = {} yourself", path, toml_value);
    const toml::TomlText given = toml::read_toml(fmt::format("value = {}", toml_value));
    if (!given.mistakes.empty() || given.root.size() != 1)
        return Error{fmt::format("{} is no value in TOML", toml_value)};
    const toml::Value& wanted = given.root.front().value;

    std::vector<std::string_view> sections = text::split(path, '.');
    const std::string key(sections.back());
    sections.pop_back();
    toml::Table expected = root_;
    toml::Table* table = make_way(expected, sections);
    if (table == nullptr)
        return Error{fmt::format("{} has something else where {} would stand; {}", name_, path, by_hand)};

    const TomlLayout layout(text_, root_);
    std::string changed;
    if (const toml::Value* present = value(path)) {
        if (same(*present, wanted)) return false;
        entry_of(*table, key)->value = wanted;
        const std::size_t begin = layout.offset(present->at);
        const std::size_t end = layout.offset(present->end);
        changed = text_.substr(0, begin).append(toml_value).append(text_, end);
    } else {
        table->push_back({key, {}, wanted});
        const std::string line = fmt::format("{} = {}", key, toml_value);
        const std::string section = fmt::format("{}", fmt::join(sections, "."));
        const toml::Value* around = section.empty() ? nullptr : value(section);
        if (section.empty()) {
            changed = put_in_at_top(text_, root_, layout, key, line);
        } else if (around != nullptr && layout.has_heading(*around)) {
            changed = put_in_section(text_, *around, layout, key, line);
        } else if (const std::size_t end =
                       around == nullptr ? 0 : layout.end_of_own_lines(*around->as<toml::Table>());
                   end != 0) {
            // a.b = 1 without a heading [a]
            changed = put_in_line(text_, end, fmt::format("{} = {}", path, toml_value));
        } else {
            changed = put_in_paragraph(text_, text_.size(), {fmt::format("[{}]", section), line});
        }
    }
    if (auto done = become(std::move(changed), expected, by_hand); !done) return done.error();
    return true;
}

Result<bool> ConfigText::set_domain_value(std::string_view name, std::string_view key,
                                          std::string_view toml_value) {
    const toml::TomlText given = toml::read_toml(fmt::format("value = {}", toml_value));
    if (!given.mistakes.empty() || given.root.size() != 1)
        return Error{fmt::format("{} is no value in TOML", toml_value)};
    const std::vector<std::string> present = domains();
    const auto found = std::find(present.begin(), present.end(), text::to_lower(name));
    if (found == present.end()) return false;
    const auto index = static_cast<std::size_t>(found - present.begin());
    const toml::Value& domain = (*value("domain")->as<toml::List>())[index];
    if (value_of(*domain.as<toml::Table>(), key) != nullptr) return false;
    toml::Table expected = root_;
    auto& list = std::get<toml::List>(entry_of(expected, "domain")->value.data);
    std::get<toml::Table>(list[index].data).push_back({std::string(key), {}, given.root.front().value});
    const std::string line = fmt::format("{} = {}", key, toml_value);
    const std::string by_hand = fmt::format("add {} to the [[domain]] of {} yourself", line, name);
    const TomlLayout layout(text_, root_);
    if (!layout.has_heading(domain))
        return Error{fmt::format("{} has the [[domain]]s in one line; {}", name_, by_hand)};
    if (auto done = become(put_in_section(text_, domain, layout, key, line), expected, by_hand); !done)
        return done.error();
    return true;
}

}  // namespace posthorn::setup
