// plan(): reads everything, lets the parts write theirs, and holds the result to the configuration's own
// checks.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/config.hpp"
#include "mail/domain.hpp"
#include "migration/equivalents.hpp"
#include "migration/planner.hpp"
#include "toml/spelling.hpp"

namespace posthorn::migration {
namespace {

// "did you mean": the nearest of names, or empty.
template <class Names>
std::string likely(std::string_view name, const Names& names) {
    const std::vector<std::string> all(names.begin(), names.end());
    return toml::nearest(name, all);
}

void rest_of_postfix(Planner& planner) {
    std::set<std::string, std::less<>> told;
    for (const Assignment& assignment : planner.main.assignments()) {
        if (planner.main.origin(assignment.name) != assignment.origin) continue;  // another one counts
        if (planner.dealt_with.contains(assignment.name)) continue;
        const std::string& name = assignment.name;
        const Equivalent* known = equivalent(Equivalent::Program::postfix, name);
        const bool is_parameter =
            built_in_default(name) || name == "myhostname" || name == "mydomain" || name == "mynetworks";
        if (known != nullptr && known->fate == Equivalent::Fate::not_needed) {
            planner.out.not_needed.push_back({name, std::string(known->words), assignment.origin});
        } else if (assignment.value.empty() ||
                   (is_parameter &&
                    planner.main.value(name) == planner.main.expanded(built_in_default(name).value_or("")))) {
            planner.out.not_needed.push_back({name, "This is what Postfix does anyway.", assignment.origin});
        } else if (known != nullptr) {
            planner.out.not_carried.push_back({name, std::string(known->words), assignment.origin});
        } else if (is_parameter || name.find("_destination_") != std::string::npos) {
            planner.out.not_carried.push_back(
                {name, "Posthorn has nothing of the kind; see docs/CONFIGURATION.md whether you need it.",
                 assignment.origin});
        } else if (!planner.main.is_referred_to(name)) {
            const std::string meant = likely(name, parameter_names());
            planner.mistake(
                name, assignment.origin,
                fmt::format("Postfix knows no such parameter, and no other refers to it{}: it has no effect.",
                            meant.empty() ? "" : "; " + meant + " is probably meant"));
        }
    }
}

void rest_of_opendkim(Planner& planner) {
    if (!planner.dkim) return;
    for (const DkimSetting& setting : planner.dkim->settings) {
        const auto& names = opendkim_names();
        if (std::none_of(names.begin(), names.end(),
                         [&](std::string_view n) { return text::iequals(n, setting.name); })) {
            const std::string meant = likely(setting.name, names);
            planner.mistake(setting.name, setting.origin,
                            fmt::format("OpenDKIM knows no such setting{} and does not start with it.",
                                        meant.empty() ? "" : "; " + meant + " is probably meant;"));
            continue;
        }
        if (planner.dealt_with.contains("opendkim." + text::to_lower(setting.name))) continue;
        const Equivalent* known = equivalent(Equivalent::Program::opendkim, setting.name);
        if (known != nullptr && known->fate == Equivalent::Fate::not_needed)
            planner.out.not_needed.push_back({setting.name, std::string(known->words), setting.origin});
        else
            planner.out.not_carried.push_back(
                {setting.name,
                 known != nullptr ? std::string(known->words) : "Posthorn's signer has nothing of the kind.",
                 setting.origin});
    }
}

}  // namespace

std::string Planner::from(std::string_view name) {
    dealt_with.emplace(name);
    const Origin origin = main.origin(name);
    return (origin.built_in() ? "Postfix's default of" : origin.to_string()) + " " + std::string(name);
}

void Planner::carried(std::string_view name, std::string words) {
    dealt_with.emplace(name);
    out.carried.push_back({std::string(name), std::move(words), main.origin(name)});
}

void Planner::not_carried(std::string_view name, std::string words) {
    dealt_with.emplace(name);
    out.not_carried.push_back({std::string(name), std::move(words), main.origin(name)});
}

void Planner::not_carried_at(std::string_view subject, const Origin& origin, std::string words) {
    out.not_carried.push_back({std::string(subject), std::move(words), origin});
}

void Planner::mistake(std::string_view subject, const Origin& origin, std::string words) {
    out.mistakes.push_back({std::string(subject), std::move(words), origin});
}

void Planner::to_do(std::string_view subject, std::string words) {
    out.to_do.push_back({std::string(subject), std::move(words), {}});
}

std::vector<LookupTable> Planner::tables(std::string_view name) {
    dealt_with.emplace(name);
    std::vector<LookupTable> found = read_tables(main.list(name), files, main.origin(name));
    for (const LookupTable& table : found) {
        if (table.problem.empty()) continue;
        if (!main.is_set(name)) continue;  // Postfix's default, such as nis:mail.aliases
        if (table.kind == LookupTable::Kind::opaque)
            not_carried_at(name, main.origin(name),
                           table.spec + " " + table.problem + ": what is in it is yours to carry over.");
        else
            mistake(name, main.origin(name), table.spec + " " + table.problem + ".");
    }
    return found;
}

bool Planner::is_ours(std::string_view name) const {
    return std::any_of(domains.begin(), domains.end(), [&](const std::string& domain) {
        return text::iequals(name, domain) ||
               (name.size() > domain.size() && text::iends_with(name, "." + domain));
    });
}

bool is_acceptable(std::string_view toml) {
    std::string text(toml);
    if (!toml.starts_with("hostname")) text = "hostname = \"mail.example.com\"\n" + text;
    if (text.find("[[listener]]") == std::string::npos)
        text += "\n[[listener]]\naddress = \"127.0.0.1:25\"\nauth = \"none\"\n";
    return config::parse(text, "/etc/posthorn/posthorn.toml", {}).mistakes.empty();
}

bool is_address(std::string_view text) {
    const std::size_t at = text.rfind('@');
    return at != std::string_view::npos && at > 0 && text.find_first_of(" \t,") == std::string_view::npos &&
           text.find('.', at) != std::string_view::npos && !text.ends_with('.');
}

bool is_name_of_machine(std::string_view domain) {
    if (domain.find('.') == std::string_view::npos) return true;
    static constexpr std::string_view kInner[] = {".localdomain", ".local",     ".lan",       ".internal",
                                                  ".home",        ".localhost", ".home.arpa", ".intranet"};
    return std::any_of(std::begin(kInner), std::end(kInner),
                       [&](std::string_view end) { return text::iends_with(domain, end); });
}

void account_for_the_rest(Planner& planner) {
    rest_of_postfix(planner);
    rest_of_opendkim(planner);
}

namespace {

// They have octets of other programs' files in them, and go to terminals and into JSON.
void make_harmless(std::vector<Note>& notes) {
    for (Note& note : notes) {
        for (std::string* text : {&note.subject, &note.words, &note.origin.file}) {
            std::string safe;
            for (const std::string_view line : text::split(*text, '\n'))
                safe += (line.data() == text->data() ? "" : "\n") + (text::has_control(line) || !text::is_utf8(line)
                                                          ? text::safe_for_log(line, line.size() + 1)
                                                          : std::string(line));
            *text = std::move(safe);
        }
    }
}

}  // namespace

Result<Migration> plan(const Files& files, const Sources& sources) {
    const std::string main_file = absolute_path(sources.postfix, "main.cf");
    const auto main_text = files.text(main_file);
    if (!main_text) {
        return Error{main_file,
                     files.facts(main_file)
                         ? " cannot be read; run this as root"
                         : " does not exist; name Postfix's directory: posthorn import postfix DIR"};
    }
    const std::string master_file = absolute_path(sources.postfix, "master.cf");
    Planner planner{files,
                    sources,
                    Parameters(*main_text, main_file, sources.machine),
                    parse_master_cf(files.text(master_file).value_or(""), master_file),
                    read_opendkim(sources.opendkim, files),
                    read_dovecot(sources.dovecot, files),
                    {},
                    {},
                    {},
                    {},
                    {}};
    planner.draft.top().set("config_version", fmt::format("{}", config::kConfigVersion), "");
    plan_domains(planner);
    plan_users(planner);
    plan_doors(planner);
    plan_delivery(planner);
    plan_ways(planner);
    plan_senders(planner);
    plan_values(planner);
    find_mistakes(planner);
    account_for_the_rest(planner);
    Migration made = std::move(planner.out);
    made.toml = planner.draft.text(fmt::format(
        "Made by `posthorn import postfix` of {}{}{}. Behind each value stands where it comes from.",
        main_file, planner.dkim ? ", " + planner.dkim->file : "",
        planner.dovecot ? ", " + planner.dovecot->file : ""));
    for (const config::Mistake& mistake : config::parse(made.toml, sources.output, {}).mistakes)
        made.blocked.push_back(mistake.to_string());
    for (std::vector<Note>* notes :
         {&made.carried, &made.not_carried, &made.not_needed, &made.mistakes, &made.to_do})
        make_harmless(*notes);
    std::stable_sort(made.mistakes.begin(), made.mistakes.end(),
                     [](const Note& a, const Note& b) { return a.origin < b.origin; });
    return made;
}

}  // namespace posthorn::migration
