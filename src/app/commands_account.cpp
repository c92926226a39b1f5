// `posthorn user suspend|resume|list`, `posthorn suspend|resume --user`: who may send, whoever keeps the passwords.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "admin/client.hpp"
#include "admin/queue_json.hpp"
#include "app/command_line.hpp"
#include "app/daemon_call.hpp"
#include "auth/suspension.hpp"
#include "auth/user_file.hpp"
#include "base/clock.hpp"
#include "base/text.hpp"
#include "net/system_users.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct AccountCommand : DaemonOptions {
    std::string name;
    std::string reason;
    std::string file;
};

// True when no daemon listens there, so that its files are nobody's but ours.
bool nobody_answers(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty()) return true;
    if (path.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const bool refused = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
                         (errno == ENOENT || errno == ECONNREFUSED);
    ::close(fd);
    return refused;
}

std::string socket_of(const AccountCommand& options, const config::Config& config) {
    return options.socket.empty() ? config.admin.socket : options.socket;
}

// The users file, as far as this user may read it.
std::optional<auth::UserFile> users_of(const config::Config& config) {
    if (config.auth.credentials.users_file.empty()) return std::nullopt;
    auto users = auth::UserFile::load(config.auth.credentials.users_file);
    return users ? std::optional(std::move(*users)) : std::nullopt;
}

std::string shown(std::string_view name) { return text::safe_for_log(name, 300); }

// Whom a name means: a login, and the system user of that name. Numbers are system users': "33", "uid=33", or as log and queue
// have them where passwd knows no name, "uid33".
struct Who {
    std::string name;
    std::optional<std::uint32_t> uid;

    [[nodiscard]] std::string shown() const {
        const std::string safe = text::safe_for_log(name, 300);
        return uid && name != std::to_string(*uid) ? fmt::format("{} (uid {})", safe, *uid) : uid ? "uid " + safe : safe;
    }
    [[nodiscard]] std::string query() const {
        return "?user=" + admin::url_encode(name) + (uid ? "&uid=" + std::to_string(*uid) : "");
    }
};

Who who_is(const std::string& name, bool is_login) {
    Who who{name, net::look_up_uid(name)};
    std::string_view number = name;
    for (const std::string_view prefix : {"uid=", "uid"}) {
        if (!who.uid && number.starts_with(prefix)) number.remove_prefix(prefix.size());
    }
    if (!who.uid && !is_login) who.uid = net::look_up_uid(std::string(number));
    const bool by_number = who.uid && number == std::to_string(*who.uid);
    if (by_number && !is_login) {
        const std::string known = net::look_up_user(*who.uid).name;
        who.name = known.empty() ? std::string(number) : known;
    }
    return who;
}

// Straight into the file, while no daemon runs that would have to learn of it.
int change_file(const AccountCommand& options, const config::Config& config, const Who& who, bool suspend) {
    const std::string file = auth::suspensions_file(config.state_directory);
    const auto before = auth::Suspensions::load(file);
    if (!before) {
        complain(before.error().what);
        return exit_code::kNoInput;
    }
    const bool known = before->find(who.name) != nullptr || (who.uid && before->find_uid(*who.uid) != nullptr);
    const bool changed = known != suspend;
    const auto written = suspend ? auth::suspend(file, who.name, {wall_now(), options.reason, who.uid})
                                 : auth::resume(file, who.name, who.uid);
    if (!written) {
        complain(written.error().what);
        return exit_code::kCannotCreate;
    }
    if (options.json) {
        json::object out;
        out["user"] = admin::printable(who.name);
        if (who.uid) out["uid"] = *who.uid;
        out["suspended"] = suspend;
        out["changed"] = changed;
        out["running"] = false;
        print_json(json::serialize(out));
        return exit_code::kOk;
    }
    print(fmt::format("{} is {} (written to {}). No daemon answers, so no mail was touched; one that starts, or reads its "
                      "configuration again, acts on it.\n",
                      who.shown(), suspend ? "suspended" : "resumed", file));
    return exit_code::kOk;
}

int change(const AccountCommand& options, bool suspend) {
    const config::Loaded loaded = config::load(options.config_path);
    if (const auto fault = auth::fault_of_user_name(options.name); !fault.empty()) {
        complain(fault);
        return exit_code::kUsage;
    }
    const auto users = users_of(loaded.config);
    const auth::UserFile::User* user = users ? users->find(options.name) : nullptr;
    const Who who = who_is(user != nullptr ? user->name : options.name, user != nullptr);
    if (users && user == nullptr && !who.uid && suspend) {
        complain(fmt::format("{} has no user {}, nor has this machine; he is suspended all the same, should Dovecot know him by "
                             "that name",
                             loaded.config.auth.credentials.users_file, shown(options.name)));
    }
    if (loaded.config.auth.credentials.users_file.empty() && !who.uid && suspend) {
        complain(fmt::format("this machine has no user {}; is the name right? `posthorn senders` shows who sends. The name is suspended all the same{}",
                             shown(options.name),
                             loaded.config.auth.credentials.dovecot_socket.empty() ? "" : ", should Dovecot know a user by it"));
    }
    if (nobody_answers(socket_of(options, loaded.config))) {
        if (!loaded.mistakes.empty()) {
            for (const config::Mistake& mistake : loaded.mistakes) complain(mistake.to_string());
            return exit_code::kConfig;
        }
        return change_file(options, loaded.config, who, suspend);
    }
    std::string target = std::string(suspend ? "/v1/users/suspend" : "/v1/users/resume") + who.query();
    if (suspend && !options.reason.empty()) target += "&reason=" + admin::url_encode(options.reason);
    const Asked asked = ask(options, "POST", target);
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.json) {
        print(asked.text + "\n");
        return exit_code::kOk;
    }
    const json::object& body = asked.body.as_object();
    const bool changed = body.at("changed").as_bool();
    const auto recipients = body.at("recipients").to_number<std::uint64_t>();
    const bool finished = body.at("finished").as_bool();
    std::string out;
    if (suspend) {
        out = fmt::format("{} {} suspended: he cannot log in or send. Of his queued mail {} recipient{} held{}.\n", who.shown(),
                          changed ? "is" : "was already", recipients, recipients == 1 ? " is" : "s are",
                          finished ? "" : " so far; the rest follows");
        out += fmt::format("`posthorn queue list` shows it, `posthorn user resume {}` lets it go on.\n", shown(who.name));
    } else {
        out = fmt::format("{} {}. {} recipient{} of his queued mail {} on{}.\n", who.shown(),
                          changed ? "may log in and send again" : "was not suspended", recipients, recipients == 1 ? "" : "s",
                          recipients == 1 ? "goes" : "go", finished ? "" : " so far; the rest follows");
    }
    print(out);
    if (const json::value* trouble = body.if_contains("trouble")) {
        complain(fmt::format("this holds only until the daemon ends, for the list could not be written: {}; repair that and "
                             "say it again",
                             std::string_view(trouble->as_string())));
        return exit_code::kIoError;
    }
    return exit_code::kOk;
}

// Who is suspended: the daemon's list, or the file while none runs. An exit code where neither can be had.
int find_suspended(const AccountCommand& options, const config::Config& config, json::array& suspended) {
    if (!nobody_answers(socket_of(options, config))) {
        Asked asked = ask(options, "GET", "/v1/users/suspended");
        if (asked.code == exit_code::kOk) suspended = std::move(asked.body.as_object()["suspended"].as_array());
        return asked.code;
    }
    const auto list = auth::Suspensions::load(auth::suspensions_file(config.state_directory));
    if (!list) {
        complain(list.error().what);
        return exit_code::kNoInput;
    }
    for (const auto& [name, suspension] : list->users()) {
        json::object user = admin::to_json(suspension);
        user["user"] = admin::printable(name);
        if (suspension.uid) user["uid"] = *suspension.uid;
        suspended.push_back(std::move(user));
    }
    return exit_code::kOk;
}

// One line a user: the bare name of one who may send, else what keeps him from it.
std::string account_line(const json::object& user) {
    std::string line = shown(std::string(user.at("user").as_string()));
    if (const json::value* uid = user.if_contains("uid"); uid != nullptr && json::serialize(*uid) != line) {
        line += " (uid " + json::serialize(*uid) + ")";
    }
    if (user.at("state").as_string() == "locked") line += "  locked: his hash begins with '!' or '*'";
    if (user.at("state").as_string() == "suspended") {
        line += "  suspended since " + std::string(user.at("since").as_string());
        const std::string reason(user.at("reason").as_string());
        if (!reason.empty()) line += ": " + shown(reason);
    }
    return line + "\n";
}

int list(const AccountCommand& options) {
    config::Loaded loaded = config::load(options.config_path);
    config::Config* config = &loaded.config;
    if (!options.file.empty()) config->auth.credentials.users_file = options.file;
    const std::string& file = config->auth.credentials.users_file;
    if (file.empty() && !loaded.mistakes.empty()) {
        for (const config::Mistake& mistake : loaded.mistakes) complain(mistake.to_string());
        return exit_code::kConfig;
    }
    json::array users;
    if (!file.empty()) {
        std::string warning;
        const auto read = auth::UserFile::load(file, &warning);
        if (!read) {
            complain(read.error().what);
            return exit_code::kNoInput;
        }
        if (!warning.empty()) complain(warning);
        for (const auth::UserFile::User* known : read->users()) {
            json::object user;
            user["user"] = admin::printable(known->name);
            user["state"] = known->locked() ? "locked" : "active";
            users.push_back(std::move(user));
        }
    }
    json::array suspended;
    if (const int code = find_suspended(options, *config, suspended); code != exit_code::kOk) return code;
    for (json::value& entry : suspended) {
        json::object& stopped = entry.as_object();
        stopped["state"] = "suspended";
        json::value* known = nullptr;
        for (json::value& user : users) {
            if (user.as_object()["user"] == stopped["user"]) known = &user;
        }
        if (known != nullptr) {
            *known = std::move(entry);
        } else {
            users.push_back(std::move(entry));  // Dovecot's, or removed from the file since
        }
    }
    if (options.json) {
        json::object out;
        out["users"] = std::move(users);
        print_json(json::serialize(out));
        return exit_code::kOk;
    }
    for (const json::value& user : users) print(account_line(user.as_object()));
    return exit_code::kOk;
}

struct PairCommand {
    std::string sender, provider, duration;
};

// docs/SUSPENSIONS.md: the daemon's own list; without a daemon there is nobody to hold anything.
int change_pair(const AccountCommand& options, const PairCommand& pair, bool suspend) {
    if (pair.sender.empty() || pair.provider.empty()) {
        complain(fmt::format("name a domain and a provider, `posthorn {0} example.org google`, or a user, `posthorn {0} --user NAME`",
                             suspend ? "suspend" : "resume"));
        return exit_code::kUsage;
    }
    std::string query = "?sender=" + admin::url_encode(pair.sender) + "&provider=" + admin::url_encode(pair.provider);
    if (!pair.duration.empty()) query += "&for=" + admin::url_encode(pair.duration);
    if (!options.reason.empty()) query += "&reason=" + admin::url_encode(options.reason);
    const Asked asked = ask(options, "POST", std::string("/v1/suspensions/") + (suspend ? "suspend" : "resume") + query);
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.json) {
        print_json(json::serialize(asked.body));
        return exit_code::kOk;
    }
    const json::array& pairs = asked.body.as_object().at("pairs").as_array();
    for (const json::value& name : pairs)
        print(fmt::format("{}: {}\n", shown(name.as_string()), suspend ? "suspended; its mail waits" : "goes on"));
    if (!pairs.empty() && !suspend) print("What was suspended begins with one connection; twice as many follow each time.\n");
    if (pairs.empty())
        print(suspend ? "Nothing was suspended: there are too many suspended pairs already.\n"
                      : "Nothing was suspended or slowed down there; `posthorn status` shows what is.\n");
    return exit_code::kOk;
}

}  // namespace

void add_account_commands(CLI::App& app, Action& action) {
    CLI::App* group = app.get_subcommand("user");
    const auto add = [&](const char* name, const char* help) {
        auto* command = group->add_subcommand(name, help);
        auto options = std::make_shared<AccountCommand>();
        add_daemon_options(*command, *options);
        return std::pair(command, options);
    };
    {
        const auto [command, options] =
            add("suspend", "Stop a user at once: no login, no mail, and what he has in the queue is held");
        command->add_option("NAME", options->name, "The name that he logs in with, or a system user or his number")->required();
        command->add_option("--reason", options->reason, "Shown by `user list` and `queue show`; he does not see it")
            ->type_name("TEXT");
        command->footer(
            "For a user whose password was stolen, whoever keeps the passwords: Posthorn's users file or Dovecot; or for a system "
            "user such as www-data one of whose sites was broken into: what he hands in by sendmail is refused, what is in the "
            "spool stays there. Open sessions of his end at their next message. It survives restarts, and works while the daemon is down.");
        command->callback([options = options, &action] { action = [options] { return change(*options, true); }; });
    }
    {
        const auto [command, options] =
            add("resume", "Let a suspended user send again, and the mail go on that his suspension held");
        command->add_option("NAME", options->name, "The name that he logs in with, or a system user or his number")->required();
        command->footer(
            "First change his password, and look through what is held: `posthorn queue list`; `posthorn queue delete` takes out "
            "what must not go. Mail that was held by `posthorn queue hold` stays held.");
        command->callback([options = options, &action] { action = [options] { return change(*options, false); }; });
    }
    // The same by the words that come to mind for www-data; and by the same words a pair of sender and provider.
    const auto add_short = [&](const char* name, const char* help, bool suspend) {
        auto* command = app.add_subcommand(name, help);
        auto options = std::make_shared<AccountCommand>();
        auto pair = std::make_shared<PairCommand>();
        add_daemon_options(*command, *options);
        auto* user = command->add_option("--user", options->name, "The user, a login or a system user, or the latter's number")
                         ->type_name("NAME");
        command->add_option("DOMAIN", pair->sender, "Whose mail: a domain of ours (with all below its organisation's), one of our addresses, or ip for all of it")
            ->excludes(user);
        command->add_option("PROVIDER", pair->provider, "To whom: a provider's name (google), a mail host, or a recipient domain")
            ->excludes(user);
        if (suspend) {
            command->add_option("--for", pair->duration, "So long: 30m, 2h, 3d; else until it is resumed")->type_name("TIME")->excludes(user);
            command->add_option("--reason", options->reason, "For `status`, `user list` and `queue show`; no user sees it")
                ->type_name("TEXT");
        }
        command->callback([options, pair, suspend, &action] {
            action = [options, pair, suspend] {
                if (options->name.empty()) return change_pair(*options, *pair, suspend);
                return change(*options, suspend);
            };
        });
    };
    add_short("suspend", "Hold a domain's mail to a provider (DOMAIN PROVIDER), or stop a user at once (--user NAME)", true);
    add_short("resume", "Let mail go on that is suspended or slowed down (DOMAIN PROVIDER), or that a user's suspension holds (--user NAME)", false);
    {
        const auto [command, options] = add("list", "List the users, and who of them is locked or suspended");
        command->add_option("--file", options->file, "The users file, instead of the configuration's")->type_name("FILE");
        command->callback([options = options, &action] { action = [options] { return list(*options); }; });
    }
}

}  // namespace posthorn::app
