// One request to the daemon, and what its answer means for a command.
#include "app/daemon_call.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "admin/client.hpp"
#include "base/text.hpp"

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

int code_of(unsigned status) {
    switch (status) {
        case 200:
            return exit_code::kOk;
        case 400:
            return exit_code::kUsage;
        case 403:
            return exit_code::kNoPermission;
        case 404:
            return exit_code::kNoInput;
        case 429:
        case 503:
            return exit_code::kTempFail;
        default:
            return exit_code::kSoftware;
    }
}

// An error in words, or as JSON where no endpoint was reached.
std::string words_of(const std::string& body) {
    boost::system::error_code ec;
    const json::value value = json::parse(body, ec);
    const json::value* what = !ec && value.is_object() ? value.as_object().if_contains("error") : nullptr;
    if (what != nullptr && what->is_string()) return std::string(what->as_string());
    return std::string(text::trim(body));
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
    asked.code = code_of(status);
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

int print_answer(const DaemonOptions& options, const std::string& target) {
    return follow_answer(options, target, [](std::string_view piece) { print(piece); });
}

int follow_answer(const DaemonOptions& options, const std::string& target, const std::function<void(std::string_view)>& sink) {
    const auto answer = admin::request_long(socket_of(options), "GET", target, sink);
    if (!answer) {
        complain(answer.error().what);
        return exit_code::kUnavailable;
    }
    if (answer->status != 200) complain(words_of(answer->body));
    return code_of(answer->status);
}

int order(const DaemonOptions& options, const std::string& target) {
    unsigned status = 0;
    const Asked asked = request(options, "POST", target, status);
    if (asked.code != exit_code::kOk) return asked.code;
    if (status == 200) {
        print(words_of(asked.text) + "\n");
    } else {
        complain(words_of(asked.text));
    }
    return code_of(status);
}

Asked ask_for_text(const DaemonOptions& options, const std::string& target) {
    unsigned status = 0;
    Asked asked = request(options, "GET", target, status);
    if (asked.code == exit_code::kOk && status != 200) judge(asked, status);
    return asked;
}

}  // namespace posthorn::app
