// Places in words, mistakes in order, and the guess at what was meant.
#include "config/findings.hpp"

#include <algorithm>
#include <tuple>

namespace posthorn::config {

Place Places::of(std::string path) const {
    if (const auto found = missing_.find(path); found != missing_.end() && !given(path)) return found->second;
    while (!path.empty()) {
        if (const auto found = places_.find(path); found != places_.end()) {
            return found->second;
        }
        // "domain[1].dkim[0].selector" -> "domain[1].dkim[0]" -> "domain[1].dkim" -> "domain[1]" -> "domain".
        const auto cut = path.find_last_of(".[");
        path.resize(cut == std::string::npos ? 0 : cut);
    }
    return {};
}

void Findings::mistake(const Place& place, std::string what) {
    const bool somewhere = place.at.line != 0 || !place.variable.empty();
    const bool known = std::any_of(mistakes_.begin(), mistakes_.end(), [&](const Found& found) {
        return found.place.at.line == place.at.line && found.place.at.column == place.at.column &&
               found.place.variable == place.variable;
    });
    if (!somewhere || !known) {
        mistakes_.push_back({place, std::move(what)});
    }
}

std::vector<Mistake> Findings::ordered(std::vector<Found>& found) const {
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
        return std::tuple(!a.place.variable.empty(), a.place.at.line, a.place.at.column) <
               std::tuple(!b.place.variable.empty(), b.place.at.line, b.place.at.column);
    });
    std::vector<Mistake> out;
    for (Found& one : found) {
        std::string where = file_name_;
        if (!one.place.variable.empty()) {
            where = "environment variable " + one.place.variable;
        } else if (one.place.at.line != 0) {
            where += ":" + std::to_string(one.place.at.line) + ":" + std::to_string(one.place.at.column);
        }
        out.push_back({std::move(where), std::move(one.what)});
    }
    return out;
}

void Findings::move_to(Loaded& loaded) {
    loaded.mistakes = ordered(mistakes_);
    loaded.warnings = ordered(warnings_);
}

}  // namespace posthorn::config
