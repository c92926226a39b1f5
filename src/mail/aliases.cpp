// Lines put together, lists taken apart, members told from one another: see aliases.hpp.
#include "mail/aliases.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace posthorn::mail {
namespace {

using Kind = AliasValue::Kind;

constexpr std::size_t kMaxShown = 80;  // octets of the file in one message about it

std::string shown(std::string_view text) {
    return "\"" + text::safe_for_log(text, kMaxShown) + "\"";
}

// The faults of one file, bounded.
class Faults {
public:
    Faults(std::vector<AliasFault>& told, std::size_t& more) : told_(told), more_(more) {}
    void add(std::uint32_t line, std::string what) {
        if (told_.size() < kMaxAliasFaults) {
            told_.push_back(AliasFault{line, std::move(what)});
        } else {
            ++more_;
        }
    }

private:
    std::vector<AliasFault>& told_;
    std::size_t& more_;
};

// A logical line: itself and those that continue it, with the number of the line each octet came from.
class LogicalLine {
public:
    void begin(std::string_view text, std::uint32_t line) {
        text_.assign(text);
        starts_.assign(1, Start{0, line});
    }
    void append(std::string_view text, std::uint32_t line) {
        text_ += ' ';
        starts_.push_back(Start{text_.size(), line});
        text_ += text;
    }
    [[nodiscard]] std::string_view text() const { return text_; }
    [[nodiscard]] bool empty() const { return text_.empty(); }
    [[nodiscard]] std::uint32_t line_at(std::size_t offset) const {
        const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset,
                                            [](std::size_t at, const Start& start) { return at < start.offset; });
        return std::prev(after)->line;
    }

private:
    struct Start {
        std::size_t offset;
        std::uint32_t line;
    };
    std::string text_;
    std::vector<Start> starts_;
};

// Calls fn(logical line) for each. continued false: every line stands for itself (:include: files).
template <class Fn>
void for_each_line(std::string_view text, bool continued, Fn fn) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    LogicalLine pending;
    std::uint32_t number = 0;
    while (!text.empty()) {
        ++number;
        std::string_view line = text::take_field(text, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::string_view said = text::trim(line);
        if (said.empty() || said.front() == '#') continue;
        if (continued && text::is_blank(line.front()) && !pending.empty()) {
            pending.append(said, number);
            continue;
        }
        if (!pending.empty()) fn(pending);
        pending.begin(line, number);
    }
    if (!pending.empty()) fn(pending);
}

// Takes a list apart at the commas that stand outside quotes and comments.
class ListReader {
public:
    ListReader(const LogicalLine& line, std::size_t from, Faults& faults) : line_(line), at_(from), faults_(faults) {}

    std::vector<AliasValue> read() {
        std::vector<AliasValue> values;
        const std::string_view all = line_.text();
        while (at_ < all.size()) {
            const std::size_t begin = at_;
            std::string member = next();
            std::size_t offset = begin;
            while (offset + 1 < all.size() && (text::is_blank(all[offset]) || all[offset] == ',')) ++offset;
            const std::uint32_t line = line_.line_at(offset);
            const std::string_view said = text::trim(member);
            if (said.empty()) continue;  // "a,,b" and a comma at the end mean nothing
            if (auto value = member_of(said, line)) values.push_back(std::move(*value));
        }
        return values;
    }

private:
    // Up to the next comma, without comments.
    std::string next() {
        const std::string_view all = line_.text();
        std::string out;
        bool quoted = false;
        unsigned depth = 0;
        for (; at_ < all.size(); ++at_) {
            const char c = all[at_];
            if (quoted) {
                out += c;
                if (c == '\\' && at_ + 1 < all.size()) {
                    out += all[++at_];
                } else if (c == '"') {
                    quoted = false;
                }
                continue;
            }
            if (depth > 0) {
                if (c == '\\') ++at_;
                else if (c == '(') ++depth;
                else if (c == ')') --depth;
                continue;
            }
            if (c == ',') {
                ++at_;
                return out;
            }
            if (c == '#' && (at_ == 0 || text::is_blank(all[at_ - 1]))) {
                // The rest of this line; what continues it is another.
                const std::uint32_t line = line_.line_at(at_);
                while (at_ + 1 < all.size() && line_.line_at(at_ + 1) == line) ++at_;
                out += ' ';
                continue;
            }
            // A command's parentheses are its own.
            if (c == '(' && !text::trim_left(out).starts_with('|')) {
                depth = 1;
                continue;
            }
            if (c == '"') quoted = true;
            out += c;
        }
        if (quoted) unclosed_quote_ = true;
        return out;
    }

    std::optional<AliasValue> fault(std::uint32_t line, std::string what) {
        faults_.add(line, std::move(what));
        return std::nullopt;
    }

    std::optional<AliasValue> member_of(std::string_view said, std::uint32_t line);
    std::optional<AliasValue> address_of(std::string_view said, std::uint32_t line);

    const LogicalLine& line_;
    std::size_t at_;
    Faults& faults_;
    bool unclosed_quote_ = false;
};

// The inside of a text that is one quoted string; nothing when it is not.
std::optional<std::string> unquoted(std::string_view text) {
    if (text.size() < 2 || text.front() != '"') return std::nullopt;
    std::string out;
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (text[at] == '"') return at + 1 == text.size() ? std::optional(std::move(out)) : std::nullopt;
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        out += text[at];
    }
    return std::nullopt;
}

// What may stand in a local name: what may stand in an address without quotes, and the 8-bit octets of names.
bool is_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return text::is_alnum(c) || text::is_8bit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
    });
}

// Enough to tell a slip of the pen; whether the domain is one is asked when the name is expanded.
bool is_domain_text(std::string_view domain) {
    if (domain.starts_with('[')) return domain.size() > 2 && domain.ends_with(']');
    if (domain.empty() || domain.front() == '.' || domain.back() == '.' || domain.find("..") != std::string_view::npos) return false;
    return std::all_of(domain.begin(), domain.end(),
                       [](char c) { return text::is_alnum(c) || text::is_8bit(c) || c == '-' || c == '.' || c == '_'; });
}

// "local@domain" with a local part that may be quoted.
bool is_address_text(std::string_view text) {
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos || at == 0) return false;
    const std::string_view local = text.substr(0, at);
    return (is_name(local) || (local.front() == '"' && unquoted(local))) && is_domain_text(text.substr(at + 1));
}

std::optional<AliasValue> ListReader::address_of(std::string_view said, std::uint32_t line) {
    // "Name <user@example.com>"
    std::string_view text = said;
    if (text.back() == '>') {
        const std::size_t open = text.rfind('<');
        if (open == std::string_view::npos) return fault(line, shown(said) + " has a \">\" without its \"<\"");
        text = text::trim(text.substr(open + 1, text.size() - open - 2));
    }
    if (is_address_text(text)) return AliasValue{Kind::address, std::string(text), line};
    if (text.find('@') != std::string_view::npos)
        return fault(line, shown(said) + " is no address; write user@example.com");
    if (is_name(text)) return AliasValue{Kind::name, std::string(text), line};
    if (text.find_first_of(" \t") != std::string_view::npos)
        return fault(line, shown(said) + " is neither an address nor a name; members are separated by commas");
    return fault(line, shown(said) + " is neither an address nor a name");
}

std::optional<AliasValue> ListReader::member_of(std::string_view said, std::uint32_t line) {
    if (unclosed_quote_) return fault(line, shown(said) + " has a quotation mark that is not closed");
    if (std::any_of(said.begin(), said.end(), [](char c) { return text::is_control(c) && c != '\t'; }))
        return fault(line, shown(said) + " has a control character");
    // "|command with arguments" in quotes, :include:"/a path": what is quoted as a whole is read without its quotes.
    const std::optional<std::string> inside = unquoted(said);
    const std::string_view text = inside ? text::trim(std::string_view(*inside)) : said;
    if (text.empty()) return fault(line, "\"\" names nobody");
    constexpr std::string_view kInclude = ":include:";
    if (text.front() == '|') return AliasValue{Kind::command, std::string(text::trim(text.substr(1))), line};
    if (text == "/dev/null") return AliasValue{Kind::discard, std::string(text), line};
    if (text::istarts_with(text, kInclude)) {
        const std::string_view path = text::trim(text.substr(kInclude.size()));
        const std::optional<std::string> quoted = unquoted(path);
        const std::string_view name = quoted ? std::string_view(*quoted) : path;
        if (!name.starts_with('/')) return fault(line, shown(said) + " needs the whole path of a file: :include:/etc/mail/list");
        return AliasValue{Kind::include, std::string(name), line};
    }
    if (text.front() == ':') return fault(line, shown(said) + " is not known here; of these there is :include:/path");
    // "/bin@example.com" would be an address; nobody has one.
    if (text.front() == '/' && text.find('@') == std::string_view::npos) return AliasValue{Kind::file, std::string(text), line};
    if (text.front() == '\\') {
        const std::string_view name = text.substr(1);
        if (is_address_text(name)) return AliasValue{Kind::address, std::string(name), line};
        if (!is_name(name)) return fault(line, shown(said) + " has no name behind its backslash");
        return AliasValue{Kind::final_name, std::string(name), line};
    }
    // A quoted name is a name; a quoted local part with its domain is an address and keeps its quotes.
    if (inside && is_name(text)) return AliasValue{Kind::name, std::string(text), line};
    return address_of(inside ? text : said, line);
}

// The name before the colon, lower case; `after` is where the list begins. Nothing: a fault, told.
std::optional<std::string> name_of(const LogicalLine& line, std::size_t& after, Faults& faults) {
    const std::string_view all = line.text();
    const std::uint32_t number = line.line_at(0);
    if (text::is_blank(all.front())) {
        faults.add(number, "the line begins with white space, but there is no alias before it to continue");
        return std::nullopt;
    }
    std::size_t at = 0;
    std::string name;
    if (all.front() == '"') {
        for (++at; at < all.size() && all[at] != '"'; ++at) {
            if (all[at] == '\\' && at + 1 < all.size()) ++at;
            name += all[at];
        }
        if (at == all.size()) {
            faults.add(number, shown(all) + " has a quotation mark that is not closed");
            return std::nullopt;
        }
        ++at;
        while (at < all.size() && text::is_blank(all[at])) ++at;
    } else {
        at = std::min(all.find(':'), all.size());
        name = text::trim(all.substr(0, at));
    }
    if (at == all.size() || all[at] != ':') {
        faults.add(number, shown(all) + " has no colon; an alias is written \"name: address, address\"");
        return std::nullopt;
    }
    after = at + 1;
    if (name.empty()) {
        faults.add(number, "there is no name before the colon");
        return std::nullopt;
    }
    if (name.find('@') != std::string::npos) {
        faults.add(number, shown(name) + " has a domain; an alias is a name of this machine, mail to other domains goes to their MX");
        return std::nullopt;
    }
    if (text::has_control(name) || (all.front() != '"' && !is_name(name))) {
        faults.add(number, shown(name) + " is no name; names with blanks or other signs stand in double quotes");
        return std::nullopt;
    }
    text::lower_in_place(name);
    return name;
}

}  // namespace

std::string_view why_refused(AliasValue::Kind kind) {
    switch (kind) {
        case Kind::command:
            return "Posthorn runs no commands for mail; let cron or the program itself fetch from a mailbox, or send to an address";
        case Kind::file:
            return "Posthorn writes no mailboxes; name an address, or /dev/null to throw such mail away";
        default:
            return {};
    }
}

const Alias* AliasTable::find(std::string_view name) const {
    const auto found = index.find(text::to_lower(name));
    return found == index.end() ? nullptr : &aliases[found->second];
}

AliasTable parse_aliases(std::string_view text) {
    AliasTable table;
    Faults faults(table.faults, table.more_faults);
    for_each_line(text, true, [&](const LogicalLine& line) {
        std::size_t after = 0;
        std::optional<std::string> name = name_of(line, after, faults);
        if (!name) return;
        Alias alias;
        alias.line = line.line_at(0);
        if (const auto found = table.index.find(*name); found != table.index.end()) {
            faults.add(alias.line, shown(*name) + " stands in line " + std::to_string(table.aliases[found->second].line) +
                                       " already, and that counts; put all its members into one line");
            return;
        }
        const std::size_t before = table.faults.size() + table.more_faults;
        alias.values = ListReader(line, after, faults).read();
        if (alias.values.empty() && table.faults.size() + table.more_faults == before)
            faults.add(alias.line, shown(*name) + " names nobody; mail to it is refused. /dev/null throws mail away");
        alias.name = *name;
        table.index.emplace(std::move(*name), table.aliases.size());
        table.aliases.push_back(std::move(alias));
    });
    return table;
}

AliasList parse_alias_list(std::string_view text) {
    AliasList list;
    std::size_t more = 0;
    Faults faults(list.faults, more);
    for_each_line(text, false, [&](const LogicalLine& line) {
        std::vector<AliasValue> values = ListReader(line, 0, faults).read();
        std::move(values.begin(), values.end(), std::back_inserter(list.values));
    });
    return list;
}

}  // namespace posthorn::mail
