// One request to the daemon, and what its answer means for a command.
#include "app/daemon_call.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "admin/client.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

// A configuration with mistakes still tells where its daemon listens, since a running daemon keeps its old one.
std::string socket_of(const DaemonOptions& options) {
    return options.socket.empty() ? config::load(options.config_path).config.admin.socket : options.socket;
}

// The answer's status and body; code says whether there is one.
Asked request(const DaemonOptions& options, const std::string& method, const std::string& target, unsigned& status) {
    Asked asked;
    auto answer = admin::request(socket_of(options), method, target);
    if (!answer) {
        complain(answer.error().what);
        // The socket may be another one only because the file that names it could not be read.
        const auto mistakes = options.socket.empty() ? config::load(options.config_path).mistakes
                                                     : std::vector<config::Mistake>();
        if (!mistakes.empty()) complain(mistakes.front().to_string());
        asked.code = exit_code::kUnavailable;
        return asked;
    }
    status = answer->status;
    asked.text = std::move(answer->body);
    return asked;
}

// Reads the JSON and tells what went wrong.
void judge(Asked& asked, unsigned status) {
    boost::system::error_code ec;
    asked.body = json::parse(asked.text, ec);
    if (ec || !asked.body.is_object()) {
        complain("the daemon's answer is not JSON: " + ec.message());
        asked.code = exit_code::kProtocol;
        return;
    }
    if (status == 200) return;
    const json::value* what = asked.body.as_object().if_contains("error");
    complain(what != nullptr && what->is_string() ? std::string(what->as_string())
                                                  : fmt::format("the daemon answered {}", status));
    asked.code = status == 404   ? exit_code::kNoInput
                 : status == 503 ? exit_code::kTempFail
                                 : exit_code::kSoftware;
}

}  // namespace

void add_daemon_options(CLI::App& command, DaemonOptions& options) {
    add_config_option(command, options.config_path);
    command.add_option("--socket", options.socket, "The daemon's admin socket, instead of the configuration's")
        ->type_name("PATH");
    command.add_flag("--json", options.json, "Print JSON");
}

Asked ask(const DaemonOptions& options, const std::string& method, const std::string& target) {
    unsigned status = 0;
    Asked asked = request(options, method, target, status);
    if (asked.code == exit_code::kOk) judge(asked, status);
    return asked;
}

Asked ask_for_text(const DaemonOptions& options, const std::string& target) {
    unsigned status = 0;
    Asked asked = request(options, "GET", target, status);
    if (asked.code == exit_code::kOk && status != 200) judge(asked, status);
    return asked;
}

}  // namespace posthorn::app
