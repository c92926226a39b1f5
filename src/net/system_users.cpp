// getpwuid_r with a buffer that grows, and its answers for a while.
#include "net/system_users.hpp"

#include <pwd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/bound.hpp"
#include "base/text.hpp"
#include "net/offload.hpp"

namespace posthorn::net {
namespace {

// passwd(5): full name, room, telephones, with commas between; "&" stands for the login name with a capital.
std::string full_name_of(std::string_view gecos, std::string_view login) {
    std::string name;
    for (const char c : gecos.substr(0, gecos.find(','))) {
        if (c != '&') {
            name += c;
            continue;
        }
        const std::size_t begin = name.size();
        name += login;
        if (begin < name.size()) name[begin] = text::to_upper(name[begin]);
    }
    return name;
}

}  // namespace

SystemUser look_up_user(std::uint32_t uid) {
    std::vector<char> text(4096);
    for (;;) {
        passwd entry{};
        passwd* found = nullptr;
        const int fault = ::getpwuid_r(uid, &entry, text.data(), text.size(), &found);
        if (fault == ERANGE && text.size() < (std::size_t{1} << 20U)) {
            text.resize(text.size() * 4);
            continue;
        }
        if (fault != 0 || found == nullptr || found->pw_name == nullptr) return {};
        SystemUser user;
        user.name = found->pw_name;
        if (found->pw_gecos != nullptr) user.full_name = full_name_of(found->pw_gecos, user.name);
        if (found->pw_dir != nullptr) user.home = found->pw_dir;
        return user;
    }
}

std::optional<std::uint32_t> look_up_uid(const std::string& name_or_number) {
    constexpr std::uint64_t kMaxUid = 0xFFFFFFFE;  // (uid_t)-1 is nobody (setresuid(2))
    std::vector<char> text(4096);
    for (;;) {
        passwd entry{};
        passwd* found = nullptr;
        const int fault = ::getpwnam_r(name_or_number.c_str(), &entry, text.data(), text.size(), &found);
        if (fault == ERANGE && text.size() < (std::size_t{1} << 20U)) {
            text.resize(text.size() * 4);
            continue;
        }
        if (fault == 0 && found != nullptr) return static_cast<std::uint32_t>(entry.pw_uid);
        const auto number = text::parse_unsigned(name_or_number, kMaxUid);
        return number ? std::optional(static_cast<std::uint32_t>(*number)) : std::nullopt;
    }
}

SystemUserPtr SystemUsers::known(std::uint32_t uid) const {
    const auto found = answers_.find(uid);
    if (found == answers_.end() || std::chrono::steady_clock::now() - found->second.at > kFresh) return nullptr;
    return found->second.user;
}

awaitable<SystemUserPtr> SystemUsers::find(std::uint32_t uid) {
    if (SystemUserPtr user = known(uid)) co_return user;
    auto ask = [uid] { return std::make_shared<SystemUser>(look_up_user(uid)); };
    std::shared_ptr<SystemUser> user = co_await offload(pool_, std::move(ask));
    if (answers_.size() >= kMost) {
        note_reached(Bound::system_users);
        answers_.clear();
    }
    Answer answer;
    answer.user = user;
    answer.at = std::chrono::steady_clock::now();
    answers_[uid] = std::move(answer);
    co_return SystemUserPtr(std::move(user));
}

}  // namespace posthorn::net
