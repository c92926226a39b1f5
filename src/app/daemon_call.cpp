// One request to the daemon, and what its answer means for a command.
#include "app/daemon_call.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <cstdio>
#include <cstdlib>

#include "admin/client.hpp"
#include "auth/secret_file.hpp"
#include "base/text.hpp"
#include "base/web_address.hpp"
#include "events/signature.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

// A configuration with mistakes still tells where its daemon listens, since a running daemon keeps its old one.
std::string socket_of(const DaemonOptions& options) {
    return options.socket.empty() ? config::load(options.config_path).config.admin.socket : options.socket;
}

// Where to ask; or an exit code, after the reason was told.
int find_daemon(const DaemonOptions& given, admin::DaemonAddress& where) {
    DaemonOptions options = given;
    const auto variable = [](const char* name) { return std::string(std::getenv(name) == nullptr ? "" : std::getenv(name)); };
    if (options.url.empty() && options.socket.empty()) options.url = variable("POSTHORN_ADMIN_URL");
    if (options.token_file.empty()) options.token_file = variable("POSTHORN_ADMIN_TOKEN_FILE");
    if (options.url.empty()) {
        where.socket = socket_of(options);
        return exit_code::kOk;
    }
    const Result<WebAddress> url = WebAddress::parse(options.url);
    if (!url || url->tls || (url->is_literal() && !url->is_near())) {
        complain(!url ? fmt::format("--url: \"{}\" {}", options.url, url.error().what)
                      : fmt::format("--url: {} is asked in clear text alone, on this machine or in a private network; make a tunnel (ssh -L "
                                    "2580:127.0.0.1:2580 HOST) and ask http://127.0.0.1:2580", options.url));
        return exit_code::kUsage;
    }
    where.url = *url;
    if (options.token_file.empty()) {
        where.token = variable("POSTHORN_ADMIN_TOKEN");
        return exit_code::kOk;
    }
    const Result<auth::SecretFile> file = auth::read_secret_file(options.token_file);
    if (!file) {
        complain("--token-file: " + file.error().what);
        return exit_code::kNoInput;
    }
    where.token = events::secret_of_file(file->content);
    return exit_code::kOk;
}

// The answer's status and body; code says whether there is one.
Asked request(const DaemonOptions& options, const std::string& method, const std::string& target, unsigned& status) {
    Asked asked;
    admin::DaemonAddress where;
    asked.code = find_daemon(options, where);
    if (asked.code != exit_code::kOk) return asked;
    auto answer = admin::request(where, method, target);
    if (!answer) {
        complain(answer.error().what);
        // The socket may be another one only because the file that names it could not be read.
        const auto mistakes = options.socket.empty() && options.url.empty() ? config::load(options.config_path).mistakes
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
        case 401:
        case 403:
        case 421:
            return exit_code::kNoPermission;
        case 404:
            return exit_code::kNoInput;
        case 422:  // a configuration with mistakes
            return exit_code::kConfig;
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
    auto* socket = command.add_option("--socket", options.socket, "The daemon's admin socket, instead of the configuration's");
    socket->type_name("PATH");
    auto* url = command.add_option("--url", options.url, "Ask by TCP instead, at its [admin] listen: http://127.0.0.1:2580");
    url->type_name("URL")->excludes(socket);
    command.add_option("--token-file", options.token_file, "For --url: the file that holds the token")->type_name("PATH");
    command.add_flag("--json", options.json, "Print JSON");
}

Asked ask(const DaemonOptions& options, const std::string& method, const std::string& target) {
    unsigned status = 0;
    Asked asked = request(options, method, target, status);
    if (asked.code == exit_code::kOk) judge(asked, status);
    return asked;
}

int print_answer(const DaemonOptions& options, const std::string& target) {
    // The daemon has made it safe, and a piece may end within a character: not by print().
    return follow_answer(options, target, [](std::string_view piece) { std::fwrite(piece.data(), 1, piece.size(), stdout); });
}

int follow_answer(const DaemonOptions& options, const std::string& target, const std::function<void(std::string_view)>& sink) {
    admin::DaemonAddress where;
    if (const int code = find_daemon(options, where); code != exit_code::kOk) return code;
    const auto answer = admin::request_long(where, "GET", target, sink);
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
