// What the passwd database says of a user id, asked on a pool thread: behind NSS may be a directory server far away.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"
#include "net/asio.hpp"

namespace posthorn::net {

struct SystemUser {
    std::string name;       // empty: passwd has nobody of that id
    std::string full_name;  // the first part of GECOS
    std::string home;
};
using SystemUserPtr = std::shared_ptr<const SystemUser>;

// getpwuid(3), blocking. An error of NSS counts as nobody.
[[nodiscard]] SystemUser look_up_user(std::uint32_t uid);

// getpwnam(3), blocking: of a name, or of a number, which need not be anybody's. Nothing: there is no such user.
[[nodiscard]] std::optional<std::uint32_t> look_up_uid(const std::string& name_or_number);

// Remembers answers for kFresh, so that a program that sends all day costs one question in a while. Lives on one shard; outlives who
// waits for an answer. Memory: kMost answers.
class SystemUsers {
public:
    static constexpr Duration kFresh = std::chrono::minutes(5);
    static constexpr std::size_t kMost = 4096;

    explicit SystemUsers(asio::thread_pool& pool) : pool_(pool) {}

    // What is known without asking; null: find() has to.
    [[nodiscard]] SystemUserPtr known(std::uint32_t uid) const;
    awaitable<SystemUserPtr> find(std::uint32_t uid);  // never null

private:
    struct Answer {
        SystemUserPtr user;
        SteadyTime at{};
    };
    asio::thread_pool& pool_;
    std::unordered_map<std::uint32_t, Answer> answers_;
};

}  // namespace posthorn::net
