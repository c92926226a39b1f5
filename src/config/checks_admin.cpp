// [admin]: the door by TCP has a token, stays on this machine unless it is said to leave it, and its names are names.
#include "config/checks.hpp"

#include <fmt/format.h>

#include "base/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn::config {
namespace {

void check_token(std::string_view key, const std::string& token, const std::string& file, const Places& places, Findings& findings) {
    const std::string path = fmt::format("admin.{}", key);
    if (!token.empty() && !file.empty()) {
        findings.mistake(places.of(path), fmt::format("{0} and {0}_file are both set; allowed: one of them", path));
    } else if (!token.empty() && token.size() < admin::kShortestToken) {
        findings.mistake(places.of(path), fmt::format("{} is shorter than {} octets, so that it can be guessed; make one with "
                                                      "`openssl rand -hex 32`", path, admin::kShortestToken));
    } else if (token.find_first_of(" \t\r\n") != std::string::npos) {
        findings.mistake(places.of(path), path + " has a blank in it, which no HTTP field carries; allowed: letters, digits and -._~+/=");
    }
}

// As a browser shows it before the path; one label is one, too: a container's.
bool is_host(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == std::string_view::npos;
}

}  // namespace

void check_admin(const Config& config, const Places& places, Findings& findings) {
    const admin::AdminOptions& options = config.admin;
    check_token("token", options.token, options.token_file, places, findings);
    check_token("read_only_token", options.read_only_token, options.read_only_token_file, places, findings);
    if (!options.token.empty() && options.token == options.read_only_token) {
        findings.mistake(places.of("admin.read_only_token"),
                         "admin.read_only_token is the same as admin.token, and would open everything; allowed: another one");
    }
    for (const std::string& name : options.names) {
        if (!is_host(name)) {
            findings.mistake(places.of("admin.names"), fmt::format("admin.names has {}; allowed: host names such as \"mail-admin.example.com\", "
                                                                   "without scheme, port and path", quote(name)));
        }
    }
    if (options.listen.host.empty()) {
        if (options.beyond_loopback) {
            findings.warning(places.of("admin.beyond_loopback"), "admin.beyond_loopback does nothing without admin.listen");
        }
        return;
    }
    const Result<IpAddress> address = IpAddress::parse(options.listen.host);
    if (!address || (!address->is_loopback() && !options.beyond_loopback)) {
        findings.mistake(places.of("admin.listen"),
                         fmt::format("admin.listen is {}, which other machines may reach, and there is no TLS: whoever is on the way reads the "
                                     "token, and with it deletes mail; allowed: an address of loopback such as \"127.0.0.1:2580\", with a web "
                                     "server before it for others, or admin.beyond_loopback = true where only this machine reaches the "
                                     "address (a container's port that is published on 127.0.0.1)",
                                     quote(options.listen.to_string())));
    }
    if (!options.has_token()) {
        findings.mistake(places.of("admin.listen"),
                         "admin.listen is set, but there is no token, so that nobody could ask anything there; make one with `openssl rand "
                         "-hex 32 > FILE` and name the file in admin.token_file (or admin.read_only_token_file)");
    }
}

}  // namespace posthorn::config
