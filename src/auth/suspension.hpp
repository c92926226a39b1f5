// Users who may not send for now, whoever keeps their passwords: the list, and the small file that keeps it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::auth {

struct Suspension {
    TimePoint since{};   // whole seconds
    std::string reason;  // the operator's words; may be empty
    std::optional<std::uint32_t> uid{};  // of the system user of that name: his own mail is stopped, too, however he hands it in
};

// One line a user: seconds since 1970, name, reason, and "uid=33" where there is a system user of that name, separated by tabs;
// lines that begin with '#' are comments. A name stands for the login and for the system user who are called so.
class Suspensions {
public:
    // All mistakes at once in the error, one a line, each "file:line: what is wrong". A list that cannot be
    // read is never taken for an empty one.
    [[nodiscard]] static Result<Suspensions> parse(std::string_view text, const std::string& file_name);
    // A file that is not there is an empty list.
    [[nodiscard]] static Result<Suspensions> load(const std::string& path);
    [[nodiscard]] std::string to_text() const;

    [[nodiscard]] bool empty() const { return users_.empty(); }
    [[nodiscard]] const Suspension* find(std::string_view user) const;
    [[nodiscard]] const Suspension* find_uid(std::uint32_t uid) const;
    // By the words of mail::Message::source: "user=NAME", "uid=33".
    [[nodiscard]] const Suspension* find_source(std::string_view source) const;
    [[nodiscard]] const std::map<std::string, Suspension, std::less<>>& users() const { return users_; }

    void add(std::string user, Suspension suspension);  // keeps the date of one who is suspended already
    // The entry of that name, and any other of that uid: suspended as a number and resumed by name, he is resumed.
    bool remove(std::string_view user, std::optional<std::uint32_t> uid = std::nullopt);

private:
    std::map<std::string, Suspension, std::less<>> users_;
};

// "user=NAME"; what queue and log call the source of an authenticated user's mail.
[[nodiscard]] std::string source_of(std::string_view user);
// The name in it, or nothing when the mail came from elsewhere.
[[nodiscard]] std::optional<std::string_view> user_of_source(std::string_view source);

// "uid=33"; of the mail of a system user who did not log in.
[[nodiscard]] std::string source_of_uid(std::uint32_t uid);
[[nodiscard]] std::optional<std::uint32_t> uid_of_source(std::string_view source);

// Empty when a user can have this name, else why not: no control characters, 1 to 255 octets.
[[nodiscard]] std::string_view fault_of_user_name(std::string_view name);

// Where the list is kept.
[[nodiscard]] std::string suspensions_file(const std::string& state_directory);

// Changes the file as change_secret_file does: atomic, synced before it returns, no change lost between the
// daemon and a command that runs while it is down. They return the list as it is now.
[[nodiscard]] Result<Suspensions> suspend(const std::string& path, std::string_view user,
                                          Suspension suspension);
[[nodiscard]] Result<Suspensions> resume(const std::string& path, std::string_view user,
                                         std::optional<std::uint32_t> uid = std::nullopt);

}  // namespace posthorn::auth
