// The rules that choose a list stream.
#include "auth/stream.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "mail/header.hpp"

namespace posthorn::auth {
namespace {

std::string known_names(std::span<const StreamOptions> streams) {
    if (streams.empty()) return "no stream is configured";
    std::string names = "known:";
    for (const auto& stream : streams) names += " " + stream.name;
    return names;
}

// The first word of a structured value, without parameters and comments: "auto-replied; x=y" gives
// "auto-replied".
std::string_view keyword(std::string_view value) {
    value = text::trim(value);
    return value.substr(0, value.find_first_of(" \t\r\n;("));
}

// RFC 3834 s5: anything but "no" was made by a machine for one person; multipart/report is a DSN or MDN (RFC
// 6522).
bool is_automatic(const mail::HeaderBlock& header) {
    for (const auto& field : header.all("Auto-Submitted")) {
        if (!text::iequals(keyword(mail::unfold(field.value)), "no")) return true;
    }
    const auto type = header.value("Content-Type");
    return type && text::iequals(keyword(*type), "multipart/report");
}

// RFC 2919 s3: the identifier is in the last angle brackets, a phrase may come before.
std::string_view list_id(std::string_view value) {
    const auto close = value.rfind('>');
    const auto open = value.rfind('<', close);
    if (close == std::string_view::npos || open == std::string_view::npos) return text::trim(value);
    return text::trim(value.substr(open + 1, close - open - 1));
}

bool from_matches(std::string_view from, std::string_view rule) {
    if (from.empty()) return false;
    if (!rule.starts_with('@')) return text::iequals(from, rule);
    const auto at = from.rfind('@');
    return at != std::string_view::npos && text::iequals(from.substr(at), rule);
}

template <class Predicate>
const StreamOptions* find_stream(std::span<const StreamOptions> streams, Predicate predicate) {
    const auto found = std::find_if(streams.begin(), streams.end(), predicate);
    return found == streams.end() ? nullptr : &*found;
}

const StreamOptions* stream_by_rules(std::span<const StreamOptions> streams, const StreamFacts& facts,
                                     const mail::HeaderBlock& header) {
    const auto contains = [](const std::vector<std::string>& values, auto matches) {
        return std::any_of(values.begin(), values.end(), matches);
    };
    if (!facts.user.empty()) {
        if (const auto* s = find_stream(streams, [&](const auto& stream) {
                return contains(stream.users, [&](const auto& user) { return user == facts.user; });
            }))
            return s;
    }
    // An address says more than its domain, whatever the order of the streams.
    for (const bool whole_domain : {false, true}) {
        if (const auto* s = find_stream(streams, [&](const auto& stream) {
                return contains(stream.from, [&](const auto& rule) {
                    return rule.starts_with('@') == whole_domain && from_matches(facts.from, rule);
                });
            }))
            return s;
    }
    if (const auto value = header.value("List-Id")) {
        if (const auto* s = find_stream(streams, [&](const auto& stream) {
                return contains(stream.list_ids,
                                [&](const auto& id) { return text::iequals(id, list_id(*value)); });
            }))
            return s;
    }
    if (const auto value = header.value("Precedence")) {
        const auto precedence = keyword(*value);
        if (text::iequals(precedence, "bulk") || text::iequals(precedence, "list"))
            return find_stream(streams, [](const auto& stream) { return stream.precedence_bulk; });
    }
    return nullptr;
}

}  // namespace

StreamChoice choose_stream(std::span<const StreamOptions> streams, const StreamFacts& facts) {
    const mail::HeaderBlock header{std::string(facts.header)};
    const auto refuse = [](std::string why) { return StreamChoice{nullptr, std::move(why)}; };

    for (const std::string_view name : {"List-Unsubscribe", "List-Unsubscribe-Post"}) {
        if (header.count(name) > 1)
            return refuse(fmt::format("the message has more than one {} field (RFC 2369, RFC 8058)", name));
    }
    const auto controls = header.all(kStreamField);
    const StreamOptions* chosen = nullptr;
    bool chosen_none = false;
    if (controls.size() > 1)
        return refuse(fmt::format("the message has more than one {} field", kStreamField));
    if (!controls.empty()) {
        const auto name = mail::unfold(controls.front().value);
        chosen = find_stream(streams, [&](const auto& stream) { return text::iequals(stream.name, name); });
        chosen_none = text::iequals(name, kNoStream);
        if (chosen == nullptr && !chosen_none)
            return refuse(fmt::format("{} names the stream \"{}\", which is not configured ({})",
                                      kStreamField, text::safe_for_log(name, 64), known_names(streams)));
    }
    if (chosen_none || facts.null_sender || is_automatic(header)) return {};
    if (header.contains("List-Unsubscribe")) return {};  // the application knows its list better (LU-19)
    if (chosen == nullptr) chosen = stream_by_rules(streams, facts, header);
    return {chosen, {}};
}

}  // namespace posthorn::auth
