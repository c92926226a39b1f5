// Reading the files of tokens.
#include "app/admin_access.hpp"

#include <fmt/format.h>

#include "auth/secret_file.hpp"
#include "events/signature.hpp"

namespace posthorn::app {
namespace {

std::string token_of_file(const std::string& key, const std::string& path, std::vector<std::string>& problems, std::vector<std::string>& warnings) {
    const Result<auth::SecretFile> file = auth::read_secret_file(path);
    if (!file) {
        problems.push_back(fmt::format("admin.{}: {}", key, file.error().what));
        return {};
    }
    if (!file->exposed_to.empty()) warnings.push_back(fmt::format("admin.{}: {}", key, file->exposed_to));
    std::string token = events::secret_of_file(file->content);
    const bool good = token.size() >= admin::kShortestToken && token.find_first_of(" \t") == std::string::npos;
    if (!good)
        problems.push_back(fmt::format("admin.{0}: the first line of {1} is no token of at least {2} octets without blanks; make one with "
                                       "`openssl rand -hex 32 > {1}`", key, path, admin::kShortestToken));
    return token;
}

}  // namespace

admin::AccessRules make_access(const config::Config& config, std::vector<std::string>& problems, std::vector<std::string>& warnings) {
    const admin::AdminOptions& options = config.admin;
    admin::AccessRules rules;
    rules.hostname = config.hostname;
    rules.names = options.names;
    rules.token = options.token_file.empty() ? options.token : token_of_file("token_file", options.token_file, problems, warnings);
    rules.read_only_token = options.read_only_token_file.empty()
                                ? options.read_only_token
                                : token_of_file("read_only_token_file", options.read_only_token_file, problems, warnings);
    if (!rules.token.empty() && rules.token == rules.read_only_token)
        problems.push_back("admin.read_only_token is the same as admin.token, and would open everything; make another one");
    rules.read_only = options.read_only;
    rules.dashboard = options.dashboard;
    return rules;
}

}  // namespace posthorn::app
