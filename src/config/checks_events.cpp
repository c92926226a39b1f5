// [journal], [[webhook]] and [alarm]: webhooks without a journal, without a signature or in the clear are refused here.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "base/web_address.hpp"
#include "config/checks.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

using events::WebhookOptions;

constexpr std::array<std::string_view, 4> kEvents = {"delivered", "deferred", "failed", "suppressed"};
// HMAC-SHA256 is as strong as its key: RFC 2104 s3 asks for no less than the hash's length, 32 octets; 16 is what nobody guesses.
constexpr std::size_t kShortestSecret = 16;

void check_url(std::string_view key, const std::string& url, bool allow_http, const Place& place, Findings& findings) {
    const Result<WebAddress> address = WebAddress::parse(url);
    if (!address) {
        findings.mistake(place, fmt::format("{} is {}, {}; allowed: an address such as \"https://example.com/mail-events\"", key, quote(without_secrets(url)),
                                            address.error().what));
    } else if (!address->tls && !address->is_near() && !allow_http) {
        findings.mistake(place, fmt::format("{} is {}: what is told there would be readable on the way; allowed: https://, or http:// to this "
                                            "machine or a private address{}",
                                            key, quote(without_secrets(url)), key == "webhook.url" ? ", or allow_http = true" : ""));
    }
}

void check_secret(std::string_view what, const std::string& secret, const std::string& file, const Place& secret_place,
                  const Place& none_place, Findings& findings) {
    if (secret.empty() && file.empty()) {
        findings.mistake(none_place, fmt::format("{0} is not set, so that its receiver could not tell our requests from anybody's; make one "
                                                 "with `openssl rand -hex 32 > FILE` and name the file in {0}_file",
                                                 what));
    } else if (!secret.empty() && !file.empty()) {
        findings.mistake(secret_place, fmt::format("{0} and {0}_file are both set; allowed: one of them", what));
    } else if (!secret.empty() && secret.size() < kShortestSecret) {
        findings.mistake(secret_place,
                         fmt::format("{} is shorter than {} octets; make one with `openssl rand -hex 32`", what, kShortestSecret));
    }
}

bool is_domain_pattern(std::string_view domain) {
    if (domain.starts_with("*.")) domain.remove_prefix(2);
    return is_domain_name(domain);
}

void check_webhook(const Config& config, std::size_t index, const Places& places, Findings& findings) {
    const WebhookOptions& hook = config.events.webhooks[index];
    const std::string path = fmt::format("webhook[{}]", index);
    const auto& all = config.events.webhooks;
    const bool plain = !hook.name.empty() && hook.name.size() <= 64 && std::all_of(hook.name.begin(), hook.name.end(), [](char c) {
        return text::is_alnum(c) || c == '.' || c == '-' || c == '_';
    });
    if (!plain) {
        findings.mistake(places.of(path + ".name"),
                         fmt::format("webhook.name is {}; allowed: a name of letters, digits, '.', '-' and '_'", quote(hook.name)));
    } else if (std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(index),
                           [&](const WebhookOptions& earlier) { return earlier.name == hook.name; })) {
        findings.mistake(places.of(path + ".name"), fmt::format("there are two webhooks named {}; each needs a name of its own", quote(hook.name)));
    }
    check_url("webhook.url", hook.url, hook.allow_http, places.of(path + ".url"), findings);
    check_secret("webhook.secret", hook.secret, hook.secret_file, places.of(path + ".secret"), places.of(path + ".name"), findings);
    for (const std::string& event : hook.events) {
        if (std::find(kEvents.begin(), kEvents.end(), event) != kEvents.end()) continue;
        findings.mistake(places.of(path + ".events"),
                         fmt::format("webhook.events has {}; allowed: \"delivered\", \"deferred\", \"failed\" and \"suppressed\"", quote(event)));
    }
    for (const std::string& domain : hook.senders) {
        if (is_domain_pattern(domain)) continue;
        findings.mistake(places.of(path + ".senders"),
                         fmt::format("webhook.senders has {}; allowed: a domain such as \"example.com\", or \"*.example.com\" for all below it",
                                     quote(domain)));
    }
    for (const std::string& stream : hook.streams) {
        const auto& streams = config.auth.streams;
        if (std::any_of(streams.begin(), streams.end(), [&](const auto& one) { return one.name == stream; })) continue;
        findings.mistake(places.of(path + ".streams"), fmt::format("webhook.streams has {}, but there is no [[stream]] of this name", quote(stream)));
    }
    if (hook.retry_first > hook.retry_max)
        findings.mistake(places.of(path + ".retry_first"), "webhook.retry_first is longer than webhook.retry_max; allowed: at most as long");
}

}  // namespace

void check_events(const Config& config, const Places& places, Findings& findings) {
    const events::EventOptions& options = config.events;
    for (std::size_t i = 0; i < options.webhooks.size(); ++i) check_webhook(config, i, places, findings);
    if (!options.webhooks.empty() && config.queue.journal.max_rows == 0)
        findings.mistake(places.of("journal.max_rows"),
                         "journal.max_rows is 0, but there is a [[webhook]]; webhooks tell what is in the journal: set it to 10000 or more, or "
                         "remove the webhooks");
    const events::AlarmOptions& alarm = options.alarm;
    if (!alarm.webhook.empty()) {
        check_url("alarm.webhook", alarm.webhook, false, places.of("alarm.webhook"), findings);
        check_secret("alarm.webhook_secret", {}, alarm.webhook_secret_file, places.of("alarm.webhook"), places.of("alarm.webhook"), findings);
    }
    if (!alarm.command.empty() && (alarm.command.front().empty() || alarm.command.front().front() != '/'))
        findings.mistake(places.of("alarm.command"),
                         fmt::format("alarm.command begins with {}; allowed: the whole path of a program, such as \"/usr/local/bin/alarm\"; no "
                                     "shell looks for it",
                                     quote(alarm.command.front())));
}

}  // namespace posthorn::config
