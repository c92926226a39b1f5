// The table of settings: every key once, with its type, range, default and words; all else about keys is made
// from it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/binding.hpp"
#include "config/config.hpp"

namespace posthorn::config {

struct Section {
    std::string_view name;  // "" for the top of the file, "submission.limits"
    std::string_view doc;
};

// In the order of the example file. Keys of a section stand together.
[[nodiscard]] const std::vector<Section>& sections();
[[nodiscard]] const std::vector<Setting<Config>>& settings();

// Those of the queue and its retries, and of what leaves: [dns] to [warmup] (schema_delivery.cpp).
[[nodiscard]] std::vector<Setting<Config>> queue_settings();
[[nodiscard]] std::vector<Setting<Config>> delivery_settings();

// Those that keep the door (schema_guard.cpp).
[[nodiscard]] std::vector<Setting<Config>> guard_settings();

// [local]: who sends as whom without logging in (schema_local.cpp).
[[nodiscard]] std::vector<Setting<Config>> local_settings();

// And what it leaves in spool directories (schema_pickup.cpp).
[[nodiscard]] std::vector<Setting<Config>> pickup_settings();

// [sandbox]: what the daemon may still do (schema_sandbox.cpp).
[[nodiscard]] std::vector<Setting<Config>> sandbox_settings();

// The keys of [[listener]], [[certificate]], [[domain]] and its dkim tables, [[user]], [[site]], [[stream]], [[relay]], [[route]] and
// [[provider]].
[[nodiscard]] const std::vector<Setting<smtp::server::ListenerOptions>>& listener_settings();
[[nodiscard]] const std::vector<Setting<smtp::server::CertificateOptions>>& certificate_settings();
[[nodiscard]] const std::vector<Setting<auth::DomainOptions>>& domain_settings();
[[nodiscard]] const std::vector<Setting<auth::DkimKeyOptions>>& dkim_key_settings();
[[nodiscard]] const std::vector<Setting<auth::AccountOptions>>& user_settings();
[[nodiscard]] const std::vector<Setting<intake::SiteOptions>>& site_settings();
[[nodiscard]] const std::vector<Setting<auth::StreamOptions>>& stream_settings();
[[nodiscard]] const std::vector<Setting<delivery::RelayOptions>>& relay_settings();
[[nodiscard]] const std::vector<Setting<delivery::RouteOptions>>& route_settings();
[[nodiscard]] const std::vector<Setting<delivery::ProviderOptions>>& provider_settings();

// [journal] and [alarm], and the keys of [[webhook]] (schema_events.cpp).
[[nodiscard]] std::vector<Setting<Config>> event_settings();
[[nodiscard]] const std::vector<Setting<events::WebhookOptions>>& webhook_settings();

// The variable that holds a relay's password: "POSTHORN_RELAY_ISP_PASSWORD" of "isp".
[[nodiscard]] std::string relay_password_variable(std::string_view relay);

// "delivery.port" and "POSTHORN_DELIVERY_PORT".
[[nodiscard]] std::string dotted(std::string_view section, std::string_view key);
[[nodiscard]] std::string environment_name(std::string_view section, std::string_view key);

// A Config with all defaults, as it is when no key is given.
[[nodiscard]] Config defaults();

}  // namespace posthorn::config
