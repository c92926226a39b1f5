// main.cf and the layers above it; the defaults below it.
#include "migration/parameters.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/text.hpp"
#include "migration/expansion.hpp"
#include "migration/logical_lines.hpp"
#include "migration/postfix_parameters.hpp"

namespace posthorn::migration {
namespace {

const std::unordered_map<std::string_view, std::string_view>& defaults() {
    static const auto table = [] {
        std::unordered_map<std::string_view, std::string_view> made;
        for (std::string_view rest = postfix_parameters(); !rest.empty();) {
            std::string_view line = text::take_field(rest, '\n');
            const std::string_view name = text::trim(text::take_field(line, '='));
            if (!name.empty()) made.emplace(name, text::trim(line));
        }
        return made;
    }();
    return table;
}

constexpr std::string_view kMachineNames[] = {"config_directory", "mail_release_date", "mydomain",
                                              "myhostname",       "mynetworks",        "process_id",
                                              "process_name"};

// Expanded later, by the program that uses them, with names of its own such as $user.
constexpr std::string_view kRawNames[] = {"command_execution_directory",
                                          "default_rbl_reply",
                                          "forward_path",
                                          "luser_relay",
                                          "mailbox_command",
                                          "postscreen_expansion_filter",
                                          "postscreen_reject_footer",
                                          "smtpd_expansion_filter",
                                          "smtpd_reject_footer"};

}  // namespace

std::optional<std::string_view> built_in_default(std::string_view name) {
    const auto found = defaults().find(name);
    return found == defaults().end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> parameter_names() {
    std::vector<std::string> names(std::begin(kMachineNames), std::end(kMachineNames));
    for (const auto& [name, value] : defaults()) names.emplace_back(name);
    std::sort(names.begin(), names.end());
    return names;
}

struct Parameters::State {
    std::vector<Assignment> assignments;
    std::map<std::string, std::size_t, std::less<>> in_force;  // the last of each name
    std::vector<Fault> faults;
    std::string directory;
    Machine machine;
    std::set<std::string, std::less<>> referred;

    void add(Assignment assignment) {
        in_force[assignment.name] = assignments.size();
        assignments.push_back(std::move(assignment));
    }
    [[nodiscard]] std::optional<std::string> raw(std::string_view name) const;
    void note_references();
};

// What Postfix makes of gethostname(2): a name without a dot gets $mydomain, and $mydomain is what follows
// its first dot.
std::optional<std::string> Parameters::State::raw(std::string_view name) const {
    if (const auto found = in_force.find(name); found != in_force.end())
        return assignments[found->second].value;
    if (const auto built_in = built_in_default(name)) return std::string(*built_in);
    if (name == "myhostname") {
        if (machine.hostname.find('.') != std::string::npos) return machine.hostname;
        return machine.hostname + ".$mydomain";
    }
    if (name == "mydomain") {
        std::string host = machine.hostname;
        if (in_force.contains("myhostname")) {
            const Lookup others = [&](std::string_view other) {
                return other == "mydomain" ? std::nullopt : raw(other);
            };
            const auto set = expand(*raw("myhostname"), others);
            host = set ? *set : "";
        }
        const std::size_t dot = host.find('.');
        return dot == std::string::npos ? "localdomain" : host.substr(dot + 1);
    }
    if (name == "config_directory") return directory;
    if (name == "mynetworks") return machine.ipv6 ? "127.0.0.0/8 [::1]/128" : "127.0.0.0/8";
    if (name == "process_name" || name == "process_id" || name == "mail_release_date") return "";
    return std::nullopt;
}

void Parameters::State::note_references() {
    for (const Assignment& assignment : assignments) {
        const std::string& value = assignment.value;
        for (std::size_t at = value.find('$'); at != std::string::npos; at = value.find('$', at + 1)) {
            std::size_t from = at + 1;
            while (from < value.size() &&
                   (value[from] == '{' || value[from] == '(' || text::is_blank(value[from])))
                ++from;
            std::size_t to = from;
            while (to < value.size() && (text::is_alnum(value[to]) || value[to] == '_')) ++to;
            if (to > from) referred.insert(value.substr(from, to - from));
        }
    }
}

Parameters::Parameters(std::string_view main_cf, const std::string& file, const Machine& machine) {
    auto state = std::make_shared<State>();
    state->directory = parent_directory(file);
    state->machine = machine;
    for (const LogicalLine& line : logical_lines(main_cf)) {
        const Origin origin{file, line.line};
        const std::size_t equals = line.text.find('=');
        const std::string name(text::trim(std::string_view(line.text).substr(0, equals)));
        if (equals == std::string::npos) {
            state->faults.push_back({origin, "\"" + text::safe_for_log(text::trim(line.text), 60) +
                                                 "\" has no \"=\"; Postfix stops at this line"});
        } else if (name.empty() || std::any_of(name.begin(), name.end(), text::is_blank)) {
            state->faults.push_back({origin, "\"" + text::safe_for_log(name, 60) +
                                                 "\" is no name of a parameter; Postfix stops at this line"});
        } else {
            state->add(
                {name, std::string(text::trim(std::string_view(line.text).substr(equals + 1))), origin});
        }
    }
    state->note_references();
    state_ = std::move(state);
}

Parameters Parameters::with(std::vector<Assignment> overrides) const {
    auto state = std::make_shared<State>(*state_);
    for (Assignment& assignment : overrides) state->add(std::move(assignment));
    Parameters made(*this);
    made.state_ = std::move(state);
    return made;
}

std::optional<std::string> Parameters::raw(std::string_view name) const {
    return state_->raw(name);
}

std::string Parameters::expanded(std::string_view text) const {
    const auto whole = expand(text, [&](std::string_view name) { return state_->raw(name); });
    return whole ? *whole : std::string(text);
}

std::string Parameters::value(std::string_view name) const {
    const auto unexpanded = state_->raw(name);
    if (std::find(std::begin(kRawNames), std::end(kRawNames), name) != std::end(kRawNames))
        return unexpanded.value_or("");
    return unexpanded ? expanded(*unexpanded) : std::string();
}

bool Parameters::yes(std::string_view name) const {
    return text::iequals(value(name), "yes");
}

std::vector<std::string> Parameters::list(std::string_view name) const {
    return split_list(value(name));
}

std::optional<long> Parameters::seconds(std::string_view name, char unit) const {
    const std::string text = value(name);
    std::string_view digits = text;
    if (!digits.empty() && text::is_alpha(digits.back())) {
        unit = text::to_lower(digits.back());
        digits.remove_suffix(1);
    }
    const auto number = text::parse_unsigned(digits, 1'000'000'000);
    const long size = unit == 's'   ? 1
                      : unit == 'm' ? 60
                      : unit == 'h' ? 3600
                      : unit == 'd' ? 86400
                      : unit == 'w' ? 604800
                                    : 0;
    if (!number || size == 0) return std::nullopt;
    return static_cast<long>(*number) * size;
}

bool Parameters::is_set(std::string_view name) const {
    return state_->in_force.contains(name);
}

Origin Parameters::origin(std::string_view name) const {
    const auto found = state_->in_force.find(name);
    return found == state_->in_force.end() ? Origin{} : state_->assignments[found->second].origin;
}

const std::vector<Assignment>& Parameters::assignments() const {
    return state_->assignments;
}

const std::vector<Parameters::Fault>& Parameters::faults() const {
    return state_->faults;
}

bool Parameters::is_referred_to(std::string_view name) const {
    return state_->referred.contains(name);
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> found;
    std::string item;
    int depth = 0;
    const auto finish = [&] {
        if (!item.empty()) found.push_back(std::move(item));
        item.clear();
    };
    for (const char c : text) {
        if (depth == 0 && (text::is_space(c) || c == ',')) {
            finish();
            continue;
        }
        if (c == '{') ++depth;
        if (c == '}' && depth > 0) --depth;
        item += c;
    }
    finish();
    return found;
}

}  // namespace posthorn::migration
