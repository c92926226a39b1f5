// The list of suspended users and its file.
#include "auth/suspension.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "auth/secret_file.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::string_view kUserSource = "user=";
constexpr std::string_view kUidSource = "uid=";
constexpr std::uint64_t kMaxUid = 0xFFFFFFFE;  // (uid_t)-1 is nobody (setresuid(2))
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxReason = 500;

std::string one_line(std::string_view words) {
    std::size_t end = std::min(words.size(), kMaxReason);
    while (end > 0 && end < words.size() && (static_cast<unsigned char>(words[end]) & 0xC0) == 0x80)
        --end;  // not inside a character
    std::string line(words.substr(0, end));
    for (char& c : line) c = text::is_control(c) ? ' ' : c;
    return std::string(text::trim(line));
}

Result<Suspensions> change(const std::string& path, const std::function<void(Suspensions&)>& how) {
    Suspensions now;
    const Result<void> changed =
        change_secret_file(path, [&](const std::string* content) -> Result<std::string> {
            Result<Suspensions> read = content ? Suspensions::parse(*content, path) : Suspensions();
            if (!read) return read.error();
            now = std::move(*read);
            how(now);
            return now.to_text();
        });
    if (!changed) return changed.error();
    return now;
}

}  // namespace

std::string source_of(std::string_view user) {
    return std::string(kUserSource) += user;
}

std::optional<std::string_view> user_of_source(std::string_view source) {
    if (!source.starts_with(kUserSource)) return std::nullopt;
    return source.substr(kUserSource.size());
}

std::string source_of_uid(std::uint32_t uid) {
    return std::string(kUidSource) += std::to_string(uid);
}

std::optional<std::uint32_t> uid_of_source(std::string_view source) {
    if (!source.starts_with(kUidSource)) return std::nullopt;
    const auto uid = text::parse_unsigned(source.substr(kUidSource.size()), kMaxUid);
    return uid ? std::optional(static_cast<std::uint32_t>(*uid)) : std::nullopt;
}

std::string_view fault_of_user_name(std::string_view name) {
    if (name.empty()) return "the user's name is empty";
    if (name.size() > kMaxName) return "the user's name is longer than 255 octets";
    if (text::has_control(name)) return "a user's name cannot hold control characters";
    return {};
}

std::string suspensions_file(const std::string& state_directory) {
    return state_directory + "/suspended-users";
}

Result<Suspensions> Suspensions::parse(std::string_view text, const std::string& file_name) {
    Suspensions list;
    std::string mistakes;
    // What to_text() writes is never empty: this was cut off, by a full disk or a copy that failed.
    if (text.empty()) mistakes = fmt::format("{}:1: the file is empty, which a list of nobody is not", file_name);
    for (std::size_t number = 1; !text.empty(); ++number) {
        std::string_view line = text::take_field(text, '\n');
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        const auto since = text::parse_unsigned(text::take_field(line, '\t'), 1'000'000'000'000);
        const std::string_view name = text::take_field(line, '\t');
        if (!since || !fault_of_user_name(name).empty()) {
            mistakes += fmt::format("{}{}:{}: not a line of seconds, name and reason, separated by tabs",
                                    mistakes.empty() ? "" : "\n", file_name, number);
            continue;
        }
        // Behind the last tab; else all of the rest is the reason.
        const std::size_t last = line.rfind('\t');
        const auto uid = last == std::string_view::npos ? std::nullopt : uid_of_source(line.substr(last + 1));
        const std::string_view reason = uid ? line.substr(0, last) : line;
        list.users_[std::string(name)] = {TimePoint(std::chrono::seconds(*since)), std::string(reason), uid};
    }
    if (!mistakes.empty()) {
        return Error{
            mistakes,
            "\nnobody knows who is suspended before this is repaired; users are suspended again with "
            "`posthorn user suspend NAME` after the file was moved away"};
    }
    return list;
}

Result<Suspensions> Suspensions::load(const std::string& path) {
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return Suspensions();
    const Result<SecretFile> file = read_secret_file(path);
    if (!file) return file.error();
    return parse(file->content, path);
}

std::string Suspensions::to_text() const {
    std::string text =
        "# Suspended users, changed by `posthorn user suspend|resume`: seconds since 1970, name, reason, uid.\n";
    for (const auto& [name, suspension] : users_) {
        text +=
            fmt::format("{}\t{}\t{}{}\n",
                        std::chrono::floor<std::chrono::seconds>(suspension.since).time_since_epoch().count(),
                        name, suspension.reason, suspension.uid ? "\t" + source_of_uid(*suspension.uid) : "");
    }
    return text;
}

const Suspension* Suspensions::find(std::string_view user) const {
    const auto found = users_.find(user);
    return found == users_.end() ? nullptr : &found->second;
}

const Suspension* Suspensions::find_source(std::string_view source) const {
    if (users_.empty()) return nullptr;
    if (const auto uid = uid_of_source(source)) return find_uid(*uid);
    const auto user = user_of_source(source);
    return user ? find(*user) : nullptr;
}

const Suspension* Suspensions::find_uid(std::uint32_t uid) const {
    // A handful of entries at most times: no index of its own.
    for (const auto& [name, suspension] : users_) {
        if (suspension.uid == uid) return &suspension;
    }
    return nullptr;
}

void Suspensions::add(std::string user, Suspension suspension) {
    suspension.since = std::chrono::floor<std::chrono::seconds>(suspension.since);
    suspension.reason = one_line(suspension.reason);
    const auto [entry, is_new] = users_.try_emplace(std::move(user), suspension);
    if (is_new) return;
    if (!suspension.reason.empty()) entry->second.reason = std::move(suspension.reason);
    if (suspension.uid) entry->second.uid = suspension.uid;
}

bool Suspensions::remove(std::string_view user, std::optional<std::uint32_t> uid) {
    return std::erase_if(users_, [&](const auto& entry) {
               return entry.first == user || (uid && entry.second.uid == uid);
           }) > 0;
}

Result<Suspensions> suspend(const std::string& path, std::string_view user, Suspension suspension) {
    return change(path, [&](Suspensions& list) { list.add(std::string(user), suspension); });
}

Result<Suspensions> resume(const std::string& path, std::string_view user, std::optional<std::uint32_t> uid) {
    return change(path, [&](Suspensions& list) { list.remove(user, uid); });
}

}  // namespace posthorn::auth
