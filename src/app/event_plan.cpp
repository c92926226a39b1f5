// Reading the secrets of webhooks.
#include "app/event_plan.hpp"

#include <unistd.h>

#include "auth/secret_file.hpp"
#include "events/signature.hpp"
#include "net/certificate.hpp"
#include "net/tls_context.hpp"

namespace posthorn::app {
namespace {

void add_secret(const std::string& what, const std::string& path, std::vector<std::string>& secrets, std::vector<std::string>& problems,
                std::vector<std::string>& warnings) {
    const Result<auth::SecretFile> file = auth::read_secret_file(path);
    if (!file) {
        problems.push_back(what + ": " + file.error().what);
        return;
    }
    if (!file->exposed_to.empty()) warnings.push_back(what + ": " + file->exposed_to);
    std::string secret = events::secret_of_file(file->content);
    if (secret.size() < 16) {
        problems.push_back(what + ": " + path + " has less than 16 octets in its first line; make it with `openssl rand -hex 32 > " + path + "`");
        return;
    }
    secrets.push_back(std::move(secret));
}

}  // namespace

EventPlan make_event_plan(const config::Config& config, std::vector<std::string>& problems, std::vector<std::string>& warnings) {
    EventPlan plan;
    plan.ca_file = config.delivery.tls_ca_file;
    for (const events::WebhookOptions& options : config.events.webhooks) {
        const std::string what = "webhook \"" + options.name + "\"";
        const Result<WebAddress> address = WebAddress::parse(options.url);
        if (!address) continue;   // config's checks have told
        events::Webhook webhook;
        webhook.options = options;
        webhook.address = *address;
        if (!options.secret.empty()) webhook.secrets.push_back(options.secret);
        if (!options.secret_file.empty()) add_secret(what, options.secret_file, webhook.secrets, problems, warnings);
        if (!options.old_secret_file.empty()) add_secret(what, options.old_secret_file, webhook.secrets, problems, warnings);
        if (!options.ca_file.empty())
            if (const Result<void> found = net::check_authorities(options.ca_file); !found) problems.push_back(what + ": " + found.error().what);
        plan.webhooks.push_back(std::move(webhook));
    }
    const events::AlarmOptions& alarm = config.events.alarm;
    plan.alarms.options = alarm;
    plan.alarms.server = config.hostname;
    plan.alarms.ca_file = config.delivery.tls_ca_file;
    if (const Result<WebAddress> address = WebAddress::parse(alarm.webhook); !alarm.webhook.empty() && address) {
        plan.alarms.webhook = *address;
        if (!alarm.webhook_secret_file.empty())
            add_secret("alarm.webhook_secret_file", alarm.webhook_secret_file, plan.alarms.secrets, problems, warnings);
    }
    if (!alarm.command.empty() && ::access(alarm.command.front().c_str(), X_OK) != 0)
        warnings.push_back("alarm.command: " + alarm.command.front() + " cannot be run by this user; `posthorn alarms test` tries it");
    return plan;
}

}  // namespace posthorn::app
