// What an image without a shell needs as commands: `posthorn healthcheck`, and `posthorn install-sendmail` for other containers.
#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "auth/secret_file.hpp"
#include "toml/units.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// Docker knows 0 and 1 and keeps 2 to itself.
constexpr int kUnhealthy = 1;
constexpr Duration kHealthDeadline = std::chrono::seconds(8);

struct HealthCommand : DaemonOptions {
    std::string max_age;
};

int unhealthy(const std::string& why) {
    complain("unhealthy: " + why);
    return kUnhealthy;
}

// The object of one answer, or why there is none.
Result<json::object> told(const std::string& socket, const std::string& target) {
    const auto answer = admin::request(socket, "GET", target, kHealthDeadline);
    if (!answer) return answer.error();
    boost::system::error_code failed;
    const json::value value = json::parse(answer->body, failed);
    if (failed || !value.is_object()) return Error{"the daemon's answer is no JSON object: " + answer->body.substr(0, 200)};
    return value.as_object();
}

int healthcheck(const HealthCommand& command) {
    const auto most = command.max_age.empty() ? std::optional<Duration>() : toml::parse_duration(command.max_age);
    if (!command.max_age.empty() && !most) {
        complain("--max-age is " + command.max_age + "; allowed: a duration such as \"30m\" or \"6h\"");
        return exit_code::kUsage;
    }
    const std::string socket = command.socket.empty() ? config::load(command.config_path).config.admin.socket : command.socket;
    const auto health = told(socket, "/v1/health");
    if (!health) return unhealthy(health.error().what);
    const json::value* healthy = health->if_contains("healthy");
    if (healthy == nullptr || !healthy->is_bool() || !healthy->as_bool()) {
        const json::value* why = health->if_contains("error");
        return unhealthy(why != nullptr && why->is_string() ? std::string(why->as_string()) : "mail cannot be stored");
    }
    if (most) {
        const auto status = told(socket, "/v1/status");
        if (!status) return unhealthy(status.error().what);
        const json::value* daemon = status->if_contains("daemon");
        const json::value* oldest = daemon != nullptr && daemon->is_object() ? daemon->as_object().if_contains("oldest_seconds") : nullptr;
        if (oldest == nullptr || !oldest->is_int64()) return unhealthy("the daemon does not say how old its oldest message is; is it of another version?");
        if (std::chrono::seconds(oldest->as_int64()) > *most)
            return unhealthy(fmt::format("the oldest message waits for {} s; `posthorn queue list` and `posthorn doctor` say why", oldest->as_int64()));
    }
    print("healthy\n");
    return exit_code::kOk;
}

struct InstallCommand {
    std::string directory;
    std::string from = "/usr/sbin/sendmail";
};

// Replaced as a whole: who runs the old one meanwhile goes on with it.
int install_sendmail(const InstallCommand& command) {
    std::ifstream file(command.from, std::ios::binary);
    const std::string program{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (!file || program.empty()) {
        complain("cannot read " + command.from + "; name the sendmail program of this Posthorn with --from");
        return exit_code::kNoInput;
    }
    const fs::path target = fs::path(command.directory) / "sendmail";
    std::error_code error;
    fs::create_directories(command.directory, error);
    const Result<void> written = auth::write_secret_file(target.string(), program, auth::Existing::replace, 0755);
    if (!written || ::chmod(target.c_str(), 0755) != 0) {
        complain(fmt::format("cannot put the program there: {}; the directory must belong to the user this runs as",
                             written ? target.string() : written.error().what));
        return exit_code::kCannotCreate;
    }
    for (const char* name : {"mailq", "newaliases"}) {
        const fs::path link = fs::path(command.directory) / name;
        fs::remove(link, error);
        fs::create_symlink("sendmail", link, error);
        if (error) {
            complain("cannot make the link " + link.string() + ": " + error.message());
            return exit_code::kCannotCreate;
        }
    }
    print(fmt::format("{}: version {}, {} octets\n", target.string(), POSTHORN_VERSION, program.size()));
    return exit_code::kOk;
}

}  // namespace

void add_container_commands(CLI::App& app, Action& action) {
    auto* health = app.add_subcommand("healthcheck", "Tell by the exit code whether the daemon answers and can store mail (0), or not (1)");
    auto command = std::make_shared<HealthCommand>();
    health->add_option("-c,--config", command->config_path, "The configuration file")
        ->envname("POSTHORN_CONFIG")
        ->default_val(kDefaultConfig)
        ->type_name("FILE");
    health->add_option("--socket", command->socket, "The daemon's admin socket, in place of the configuration's")->type_name("PATH");
    health->add_option("--max-age", command->max_age, "Also unhealthy while a message waits for longer (6h); not meant for what restarts containers")
        ->type_name("DURATION");
    health->callback([command, &action] { action = [command] { return healthcheck(*command); }; });

    auto* install = app.add_subcommand("install-sendmail", "Copy the static sendmail program into a directory, for containers that mount it");
    auto place = std::make_shared<InstallCommand>();
    install->add_option("directory", place->directory, "Where to, such as a volume")->required()->type_name("DIRECTORY");
    install->add_option("--from", place->from, "The program")->type_name("FILE")->capture_default_str();
    install->callback([place, &action] { action = [place] { return install_sendmail(*place); }; });
}

}  // namespace posthorn::app
