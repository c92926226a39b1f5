// Looks after key directories: makes keys, looks for their records in DNS, and takes them from stage to stage (SD-32, SD-45).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/first_records.hpp"
#include "auth/dkim/keys.hpp"
#include "auth/dkim/rotation.hpp"
#include "config/config.hpp"
#include "dns/authorities.hpp"
#include "dns/resolver.hpp"
#include "events/alarm_rules.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"

namespace posthorn::app {

// Pure. What [dkim] and [queue] say about stages.
[[nodiscard]] auth::dkim::RotationOptions rotation_options(const config::Config& config);

// Owned by the daemon, on the home shard. Files are touched, and keys made, on the pool's thread; each step is on disk before anything acts upon
// it, so that a crash repeats a look and loses nothing. What `posthorn dkim rotate` changes meanwhile is seen at the next look.
class KeyRounds {
public:
    using Replace = std::function<void(auth::dkim::KeyTablePtr)>;

    // replace: called with the table of all domains when a key of one begins or ends to sign. seen: called after each round, when missing()
    // is true of all domains.
    KeyRounds(net::asio::io_context& home, dns::Resolver& resolver, net::asio::thread_pool& disk, Replace replace, std::function<void()> seen);

    void start(const config::Config& config);
    void follow(const config::Config& config);  // after a reload
    void stop();
    net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

    // Keys whose records are wanted in DNS and are not there, as found last.
    [[nodiscard]] std::vector<events::Figures::KeyTrouble> missing() const;

private:
    // A directory as read, with the private keys of those whose records are looked for.
    struct Directory {
        auth::dkim::KeyStages stages;
        std::vector<std::pair<std::string, auth::dkim::PrivateKeyPtr>> coming;
        std::string trouble;
    };
    struct Domain {
        std::string in_force;  // the stages that the table in use was made of
        std::string told;      // the last words of the log, which are not repeated
        std::vector<events::Figures::KeyTrouble> missing;
        std::string publish;   // their records, in one line
        bool tell_records = false;  // its first key was made just now
    };

    net::awaitable<void> rounds();
    net::awaitable<void> look_after_all();
    // The longest wait is left in next_look_.
    net::awaitable<void> look_after(auth::DomainOptions domain);
    net::awaitable<auth::dkim::KeysSeen> look_in_dns(const std::string& domain, const Directory& directory);
    net::awaitable<void> make_table();
    void tell(Domain& state, const std::string& domain, const std::string& words, bool trouble);
    static Directory read(const std::string& directory);

    dns::Resolver& resolver_;
    net::asio::thread_pool& disk_;
    Replace replace_;
    std::function<void()> seen_;
    net::TaskGroup tasks_;
    net::Signal wake_;
    auth::AuthOptions auth_;
    auth::dkim::RotationOptions options_;
    FirstRun first_run_;
    std::uint64_t turn_ = 0;  // of follow(): a table made of older settings is thrown away
    std::map<std::string, Domain> domains_;
    bool changed_ = false;
    TimePoint next_look_{};
};

}  // namespace posthorn::app
