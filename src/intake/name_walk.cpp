// One walk from a local name to addresses: see local_names.hpp.
#include "intake/local_names.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace posthorn::intake {
namespace {

using Kind = mail::AliasValue::Kind;

// Sendmail's and Postfix's convention for lists (aliases(5)): who answers for NAME, and where people write to him.
constexpr std::string_view kOwner = "owner-";
constexpr std::string_view kRequest = "-request";

std::string ascii(std::string_view text) {
    std::string out = text::safe_for_log(text, 200);
    for (char& c : out)
        if (text::is_8bit(c)) c = '?';
    return out;
}

std::string_view local_part(std::string_view address) {
    return address.substr(0, address.rfind('@'));
}

// The name of a local part: without quotes and their backslashes, lower case.
std::string name_of(std::string_view address) {
    const std::string_view local = local_part(address);
    if (!local.starts_with('"')) return text::to_lower(local);
    std::string name;
    for (std::size_t at = 1; at + 1 < local.size(); ++at) {
        if (local[at] == '\\' && at + 2 < local.size()) ++at;
        name += text::to_lower(local[at]);
    }
    return name;
}

// The rules a name goes through, in order (SM-43).
enum class Rule : std::uint8_t { aliases, forward, users_to, root, nobody };

Rule next(Rule rule) {
    return static_cast<Rule>(static_cast<std::uint8_t>(rule) + 1);
}

class Walk {
public:
    // What was spent on one name, on its owner- alias too.
    struct Spent {
        std::size_t steps = 0;
        std::size_t octets = 0;
    };

    Walk(const LocalNames& names, NameFiles& files, Spent& spent) : names_(names), files_(files), spent_(spent) {
        const std::string& path = names_.options.aliases_file;
        if (!path.empty()) aliases_ = files_.aliases(path);
        if (aliases_.state == NameFile::State::unreadable) warn("cannot read " + path + ": " + aliases_.trouble);
    }

    // owners false: owner- aliases are not asked (they are what is being expanded).
    Expansion run(std::string_view recipient, bool owners) {
        out_.recipient = recipient;
        owners_ = owners;
        const std::string name = name_of(recipient);
        out_.delivered_to = text::to_lower(local_part(recipient)) + "@" + names_.hostname;
        follow(name, Rule::aliases, nullptr);
        finish(name);
        return std::move(out_);
    }

private:
    struct Frame {
        std::string name;
        Rule rule;
    };
    // What a member's file says of it and to it.
    struct Source {
        std::string file;                         // "/etc/aliases"
        std::optional<std::uint32_t> trusted;     // whose :include: files may be read beside root's and ours; then only his
        const std::string* owner = nullptr;       // the reverse-path of an owner- alias, or null
    };

    void say(std::string line) { out_.steps.push_back(std::string(2 * stack_.size(), ' ') + std::move(line)); }
    void warn(std::string line) {
        say(line);
        if (out_.warnings.size() < kMaxAliasWarnings) {
            out_.warnings.push_back(std::move(line));
        } else if (out_.warnings.size() == kMaxAliasWarnings) {
            out_.warnings.emplace_back("and more");
        }
    }
    // Too much for one name: nobody gets it, rather than some.
    void give_up(std::string why) {
        if (over_.empty()) over_ = std::move(why);
    }
    [[nodiscard]] bool counted() {
        if (++spent_.steps > kMaxAliasSteps) give_up("it names more than " + std::to_string(kMaxAliasSteps) + " members on its way");
        return over_.empty();
    }
    // A file that is included again and again would else keep the disk's thread for minutes.
    NameFile read(const std::string& path, bool linked) {
        NameFile file = files_.file(path, linked);
        spent_.octets += file.text.size();
        if (spent_.octets > kMaxAliasOctets) give_up("its files have more than " + std::to_string(kMaxAliasOctets) + " octets in all");
        return file;
    }
    [[nodiscard]] static std::string at(const Source& source, std::uint32_t line) {
        return source.file + ":" + std::to_string(line);
    }

    // True when the name comes to somebody, or to /dev/null.
    bool follow(const std::string& name, Rule from, const std::string* owner) {
        if (!counted()) return false;
        if (from == Rule::aliases) {
            if (const auto known = reached_.find(name); known != reached_.end()) return known->second;
            if (!stack_.empty() && stack_.back().name == name) {
                // SM-42: an alias that lists its own name means the user himself, whose mailbox is not here.
                const Rule rule = stack_.back().rule;
                say(name + ": itself, a user without a mailbox here");
                return follow(name, next(rule), owner);
            }
            if (std::any_of(stack_.begin(), stack_.end(), [&](const Frame& frame) { return frame.name == name; })) {
                std::string circle;
                for (const Frame& frame : stack_) circle += frame.name + " -> ";
                circle_ = circle + name;
                warn("goes in a circle: " + circle_);
                return false;
            }
        }
        if (stack_.size() >= kMaxAliasDepth) {
            give_up("it goes through more than " + std::to_string(kMaxAliasDepth) + " names one behind the other");
            return false;
        }
        bool reached = false;
        for (Rule rule = from; rule != Rule::nobody; rule = next(rule)) {
            stack_.push_back(Frame{name, rule});
            const std::optional<bool> result = apply(rule, name, owner);
            stack_.pop_back();
            if (!result) continue;
            reached = *result;
            break;
        }
        if (from == Rule::aliases && over_.empty()) reached_[name] = reached;
        return reached;
    }

    // Nothing: the rule has nothing to say about this name.
    std::optional<bool> apply(Rule rule, const std::string& name, const std::string* owner) {
        switch (rule) {
            case Rule::aliases:
                return by_alias(name, owner);
            case Rule::forward:
                return by_forward(name, owner);
            case Rule::users_to:
                return by_users_to(name, owner);
            case Rule::root:
                return by_root(name, owner);
            case Rule::nobody:
                break;
        }
        return std::nullopt;
    }

    std::optional<bool> by_alias(const std::string& name, const std::string* owner) {
        if (!aliases_.table) return std::nullopt;
        const std::string& path = names_.options.aliases_file;
        const mail::Alias* alias = aliases_.table->find(name);
        if (alias == nullptr && name.size() > kRequest.size() && name.ends_with(kRequest)) {
            alias = aliases_.table->find(std::string(kOwner) + name.substr(0, name.size() - kRequest.size()));
        }
        if (alias == nullptr) {
            say(name + ": no alias in " + path);
            return std::nullopt;
        }
        say(name + ": alias in " + path + ":" + std::to_string(alias->line));
        const std::optional<std::string> own = owner_of(alias->name);
        Source source;
        source.file = path;
        source.owner = own ? &*own : owner;
        const bool reached = members(alias->values, source);
        if (!reached && dead_end_.empty()) dead_end_ = path + ":" + std::to_string(alias->line);
        return reached;
    }

    // SM-47. The reverse-path is one address, and has to be one that passes as ours.
    std::optional<std::string> owner_of(const std::string& name) {
        if (!owners_ || name.starts_with(kOwner)) return std::nullopt;
        const std::string owner = std::string(kOwner) + name;
        if (aliases_.table->find(owner) == nullptr) return std::nullopt;
        Expansion expansion = Walk(names_, files_, spent_).run(owner, false);
        if (expansion.targets.size() != 1) {
            warn(owner + " comes to " + std::to_string(expansion.targets.size()) + " addresses; it is used as sender only if it is one");
            return std::nullopt;
        }
        std::string address = std::move(expansion.targets.front().address);
        if (!names_.is_own(address)) {
            warn(owner + " is " + address + ", which is of no [[domain]]; mail with it as its sender would fail SPF, so the sender stays");
            return std::nullopt;
        }
        say(owner + ": the sender becomes " + address);
        return address;
    }

    std::optional<bool> by_forward(const std::string& name, const std::string* owner) {
        if (!names_.options.forward_files) return std::nullopt;
        const std::optional<PasswdEntry> user = files_.user(name);
        if (!user) {
            say(name + ": no user of this system, so no .forward");
            return std::nullopt;
        }
        Source source;
        source.file = "~" + name + "/.forward";
        source.trusted = user->uid;
        source.owner = owner;
        if (!user->home.starts_with('/')) return std::nullopt;
        const NameFile file = read(user->home + (user->home.ends_with('/') ? "" : "/") + ".forward", false);
        if (file.state == NameFile::State::missing) {
            say(source.file + ": there is none");
            return std::nullopt;
        }
        if (const std::string unsafe = fault_of(file, *user); !unsafe.empty()) {
            warn(source.file + " is not used: " + unsafe);
            return std::nullopt;
        }
        const mail::AliasList list = mail::parse_alias_list(file.text);
        tell(list.faults, source);
        if (list.values.empty()) {
            say(source.file + ": names nobody");
            return std::nullopt;
        }
        say(name + ": " + source.file);
        // Whose alias lists a user must not lose everybody's mail by what that user wrote.
        const auto kept = std::tuple(spent_, reached_, seen_, out_.targets.size());
        const bool reached = members(list.values, source);
        if (!over_.empty() && stack_.size() > 1) {
            warn(source.file + " is not used: " + std::exchange(over_, {}));
            std::size_t targets = 0;
            std::tie(spent_, reached_, seen_, targets) = kept;
            out_.targets.erase(out_.targets.begin() + static_cast<std::ptrdiff_t>(targets), out_.targets.end());
            return std::nullopt;
        }
        if (!reached && dead_end_.empty()) dead_end_ = source.file;
        return reached;
    }

    std::optional<bool> by_users_to(const std::string& name, const std::string* owner) {
        if (names_.options.users_to.empty()) return std::nullopt;
        say(name + ": local.users_to");
        bool reached = false;
        for (const std::string& address : names_.options.users_to) {
            if (address_or_name(address, "local.users_to", owner)) reached = true;
        }
        return reached ? std::optional(true) : std::nullopt;
    }

    std::optional<bool> by_root(const std::string& name, const std::string* owner) {
        const bool is_root = name == "root" || std::any_of(stack_.begin(), stack_.end() - 1, [](const Frame& frame) { return frame.name == "root"; });
        if (!is_root && aliases_.table && aliases_.table->find("root") != nullptr) {
            say(name + ": to root, like all mail nobody else gets");
            return follow("root", Rule::aliases, owner);
        }
        if (name != "postmaster" || names_.postmaster.empty()) return std::nullopt;
        say(name + ": the setting postmaster");
        return address_or_name(names_.postmaster, "postmaster", owner);
    }

    void tell(const std::vector<mail::AliasFault>& faults, const Source& source) {
        for (const mail::AliasFault& fault : faults) warn(at(source, fault.line) + ": " + fault.what);
    }

    bool members(const std::vector<mail::AliasValue>& values, const Source& source) {
        bool reached = false;
        for (const mail::AliasValue& value : values) {
            if (!counted()) return false;
            if (member(value, source)) reached = true;
        }
        return reached;
    }

    bool member(const mail::AliasValue& value, const Source& source) {
        switch (value.kind) {
            case Kind::address:
                return address_or_name(value.text, at(source, value.line), source.owner);
            case Kind::name:
                return follow(text::to_lower(value.text), Rule::aliases, source.owner);
            case Kind::final_name: {
                // SM-46: neither aliases nor .forward.
                const std::string name = text::to_lower(value.text);
                say(name + ": as it is, a user without a mailbox here");
                return follow(name, Rule::users_to, source.owner);
            }
            case Kind::include:
                return include(value, source);
            case Kind::discard:
                say("/dev/null: thrown away");
                discarded_ = true;
                return true;
            case Kind::command:
            case Kind::file:
                refused_ = at(source, value.line) + ": " + (value.kind == Kind::command ? "|" : "") + text::safe_for_log(value.text, 100) +
                           " is refused: " + std::string(mail::why_refused(value.kind));
                warn(refused_);
                return false;
        }
        return false;
    }

    bool include(const mail::AliasValue& value, const Source& source) {
        const std::string where = at(source, value.line);
        if (std::find(includes_.begin(), includes_.end(), value.text) != includes_.end()) {
            circle_ = value.text + " includes itself";
            warn(where + ": goes in a circle: " + circle_);
            return false;
        }
        if (includes_.size() >= kMaxAliasDepth) {
            give_up("it goes through more than " + std::to_string(kMaxAliasDepth) + " :include: files one in the other");
            return false;
        }
        const NameFile file = read(value.text, true);
        if (!over_.empty()) return false;
        const PasswdEntry owner{source.trusted.value_or(files_.own_uid()), {}};
        std::string fault = file.state == NameFile::State::missing ? "there is no such file" : fault_of(file, owner, !source.trusted);
        if (!fault.empty()) {
            refused_ = where + ": :include:" + value.text + " is not used: " + fault;
            warn(refused_);
            return false;
        }
        say(":include:" + value.text);
        const mail::AliasList list = mail::parse_alias_list(file.text);
        Source inner = source;
        inner.file = value.text;
        tell(list.faults, inner);
        includes_.push_back(value.text);
        const bool reached = members(list.values, inner);
        includes_.pop_back();
        return reached;
    }

    bool address_or_name(const std::string& address, const std::string& via, const std::string* owner) {
        if (names_.is_local(address)) return follow(name_of(address), Rule::aliases, owner);
        const auto parsed = mail::parse_address(address, true);
        if (!parsed) {
            warn(via + ": " + text::safe_for_log(address, 100) + " is no address: " + parsed.error().what);
            return false;
        }
        if (parsed->has_utf8()) {
            warn(via + ": " + text::safe_for_log(address, 100) + " has letters before the @ that only SMTPUTF8 mail may have");
            return false;
        }
        Target target;
        target.address = parsed->to_string();
        target.via = via;
        if (owner != nullptr) target.reverse_path = *owner;
        say(target.address);
        if (!seen_.insert(target.address).second) return true;
        if (out_.targets.size() >= kMaxAliasRecipients) {
            give_up("it comes to more than " + std::to_string(kMaxAliasRecipients) + " addresses");
            return false;
        }
        out_.targets.push_back(std::move(target));
        return true;
    }

    void refuse(std::uint16_t code, std::string_view enhanced, const std::string& text) {
        out_.kind = Expansion::Kind::refused;
        out_.targets.clear();
        out_.code = code;
        out_.enhanced = enhanced;
        out_.text = ascii(out_.recipient) + ": " + ascii(text);
    }

    void finish(const std::string& name) {
        const std::string& path = names_.options.aliases_file;
        if (!over_.empty()) {
            warn("nobody gets it: " + over_);
            refuse(554, "5.4.6", over_);
        } else if (!out_.targets.empty()) {
            out_.kind = Expansion::Kind::recipients;
        } else if (discarded_) {
            out_.kind = Expansion::Kind::discarded;
        } else if (!circle_.empty()) {
            refuse(554, "5.4.6", "The name goes in a circle: " + circle_);
        } else if (!refused_.empty()) {
            refuse(550, "5.2.4", refused_);
        } else if (aliases_.state == NameFile::State::unreadable) {
            refuse(451, "4.3.5", "The names of this machine are not known: cannot read " + path + ": " + aliases_.trouble);
        } else if (!dead_end_.empty()) {
            refuse(550, "5.2.4", dead_end_ + " names nobody who could get mail; `posthorn check-config` shows why");
        } else {
            refuse(550, "5.1.1",
                   "Nobody here gets mail for \"" + name + "\": " + (path.empty() ? "" : "it is no alias in " + path + ", ") +
                       "and neither local.users_to nor an alias for root says who does");
        }
    }

    const LocalNames& names_;
    NameFiles& files_;
    Spent& spent_;
    bool owners_ = true;
    NameFiles::Aliases aliases_;
    std::vector<Frame> stack_;
    std::vector<std::string> includes_;
    std::map<std::string, bool> reached_;        // names that were followed to their end
    std::unordered_set<std::string> seen_;
    Expansion out_;
    bool discarded_ = false;
    std::string over_;
    std::string circle_;
    std::string refused_;                        // the last member that was
    std::string dead_end_;                       // the first alias or file that came to nobody
};

}  // namespace

Expansion expand(const LocalNames& names, NameFiles& files, std::string_view recipient) {
    Walk::Spent spent;
    return Walk(names, files, spent).run(recipient, true);
}

}  // namespace posthorn::intake
