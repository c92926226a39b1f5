// JSON from what is in force and from trials, and text from that JSON.
#include "app/sandbox_view.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "app/json_members.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

constexpr std::array kStatusLines = std::to_array<std::string_view>(
    {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters"});

json::object kernel_words() {
    json::object words;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos || std::find(kStatusLines.begin(), kStatusLines.end(), line.substr(0, colon)) == kStatusLines.end()) continue;
        const std::size_t value = line.find_first_not_of(" \t", colon + 1);
        words[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
    }
    return words;
}

json::array paths_of(const sandbox::Places& places, sandbox::Access access) {
    json::array paths;
    for (const sandbox::Place& place : places.all()) {
        if (place.access == access) paths.emplace_back(place.path);
    }
    return paths;
}

std::string joined(const json::object& told, std::string_view key) {
    std::string all;
    for (const json::value& path : told.at(key).as_array()) all += (all.empty() ? "" : " ") + text::safe_for_log(path.as_string(), 400);
    return all.empty() ? "nothing" : all;
}

}  // namespace

json::object examine_sandbox(const Confined& confined, const std::string& state_directory) {
    const sandbox::InForce& now = confined.in_force;
    sandbox::TrialPlan plan;
    plan.landlock = now.landlock != 0;
    plan.seccomp = now.system_calls != 0;
    plan.ports = now.landlock >= sandbox::kLandlockWithPorts || first_free_port() > 1;
    plan.programs = confined.programs;
    plan.places = now.places;
    plan.own_directory = state_directory;
    json::array trials;
    for (const sandbox::Trial& trial : sandbox::try_everything(plan)) {
        json::object one;
        one["what"] = trial.what;
        one["guard"] = trial.guard;
        one["as_wanted"] = trial.as_wanted;
        one["answer"] = trial.answer;
        trials.push_back(std::move(one));
    }
    json::object told;
    told["user"] = now.user;
    told["root"] = now.root;
    told["landlock"] = now.landlock;
    told["no_landlock"] = now.no_landlock;
    told["system_calls"] = now.system_calls;
    told["no_seccomp"] = now.no_seccomp;
    told["programs"] = confined.programs;
    told["read"] = paths_of(now.places, sandbox::Access::read);
    told["write"] = paths_of(now.places, sandbox::Access::write);
    told["run"] = paths_of(now.places, sandbox::Access::run);
    told["kernel"] = kernel_words();
    told["trials"] = std::move(trials);
    return told;
}

bool sandbox_holds(const json::object& told) {
    const json::array& trials = told.at("trials").as_array();
    return std::all_of(trials.begin(), trials.end(), [](const json::value& one) { return one.as_object().at("as_wanted").as_bool(); });
}

std::string sandbox_text(const json::object& told, bool verbose) {
    const json::object& kernel = told.at("kernel").as_object();
    const std::uint64_t landlock = number_of(told, "landlock"), calls = number_of(told, "system_calls");
    std::string all;
    const auto line = [&all](std::string_view name, const std::string& value) { all += fmt::format("{:<21} {}\n", name, value); };
    line("user", text_of(told, "user") + (told.at("root").as_bool() ? " (give state_directory to a user of its own; docs/SANDBOX.md)" : ""));
    line("capabilities", fmt::format("{} (can be had: {})", text_of(kernel, "CapEff"), text_of(kernel, "CapBnd")));
    line("no_new_privs", text_of(kernel, "NoNewPrivs") == "1" ? "yes" : "NO");
    line("files, ports (landlock)", landlock != 0 ? fmt::format("version {}", landlock) : "NOT CONFINED: " + text_of(told, "no_landlock"));
    line("system calls (seccomp)", calls != 0 ? fmt::format("{} rules, the rest is refused{}", calls, told.at("programs").as_bool() ? "; programs may be started (alarm.command)" : "")
                                              : "NOT CONFINED: " + text_of(told, "no_seccomp"));
    if (landlock != 0 && verbose) {
        line("may read", joined(told, "read"));
        line("may run programs of", joined(told, "run"));
    }
    if (landlock != 0) line("may write to", joined(told, "write"));
    all += "\nTried from inside the daemon:\n";
    for (const json::value& each : told.at("trials").as_array()) {
        const json::object& one = each.as_object();
        const bool needed = text_of(one, "guard") == "nobody";
        const std::string_view verdict = one.at("as_wanted").as_bool() ? (needed ? "works" : "refused") : (needed ? "FAILS" : "ALLOWED");
        all += fmt::format("  {:<8} {:<58} {} ({})\n", verdict, text_of(one, "what"), text_of(one, "answer"), needed ? "needed" : text_of(one, "guard"));
    }
    return all;
}

}  // namespace posthorn::app
