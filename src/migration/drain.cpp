// Text changes to main.cf and master.cf, and reading one JSON object a line.
#include "migration/drain.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/text.hpp"
#include "migration/logical_lines.hpp"
#include "migration/master_cf.hpp"

namespace posthorn::migration {
namespace {

// In place of what main.cf says.
constexpr std::string_view kOverrides = R"(
# --- by `posthorn import postfix --drain` ---
transport_maps =
sender_dependent_relayhost_maps =
sender_dependent_default_transport_maps =
default_transport = smtp
relay_transport = smtp
local_header_rewrite_clients =
defer_transports =
disable_dns_lookups = yes
smtp_fallback_relay =
smtp_bind_address = 127.0.0.1
smtp_bind_address6 =
smtp_sasl_auth_enable = no
smtp_use_tls = no
smtp_enforce_tls = no
smtp_tls_security_level = none
smtp_tls_policy_maps =
smtp_tls_wrappermode = no
smtp_tls_per_site =
smtp_destination_rate_delay = 0s
smtp_destination_concurrency_limit = 10
smtp_connection_cache_on_demand = yes
non_smtpd_milters =
soft_bounce = yes
maximal_queue_lifetime = 100d
bounce_queue_lifetime = 100d
minimal_backoff_time = 30s
queue_run_delay = 30s
delay_warning_time = 0h
inet_interfaces = loopback-only
inet_protocols = ipv4
multi_instance_enable = no
multi_instance_wrapper =
multi_instance_directories =
)";

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
    return text;
}

}  // namespace

std::string drain_main_cf(std::string_view main_cf, std::string_view directory, std::string_view next_hop) {
    const Parameters theirs(main_cf, std::string(directory) + "/main.cf", {});
    const std::string ours = std::string(kOverrides) + "relayhost = " + std::string(next_hop) + "\n";
    const Parameters overrides(ours, "main.cf", {});
    // Each name once: Postfix's processes warn of every other, and its postlogd can choke on warnings of its
    // own.
    std::string text;
    for (const Assignment& assignment : theirs.assignments()) {
        if (overrides.is_set(assignment.name) || theirs.origin(assignment.name) != assignment.origin)
            continue;
        std::string value = assignment.value;
        for (const std::string_view form :
             {"${config_directory}", "$(config_directory)", "$config_directory"})
            value = replaced(std::move(value), form, directory);
        text += assignment.name + " = " + value + "\n";
    }
    return text + ours;
}

std::string drain_master_cf(std::string_view master_cf) {
    std::string made;
    for (const LogicalLine& line : logical_lines(master_cf)) {
        const MasterCf parsed = parse_master_cf(line.text, "");
        if (parsed.services.empty()) continue;
        const Service& service = parsed.services.front();
        if (service.type == "inet" || service.type == "pass") continue;
        // Options of a client (its own relay, TLS, address) would come before those of main.cf; a chroot may
        // lack what it needs.
        if (service.command == "smtp")
            made += service.name + " unix - - n - - smtp\n";
        else
            made += line.text + "\n";
    }
    return made;
}

std::size_t QueueCount::in(const std::string& queue) const {
    const auto found = messages.find(queue);
    return found == messages.end() ? 0 : found->second;
}

std::size_t QueueCount::total() const {
    std::size_t sum = 0;
    for (const auto& [queue, count] : messages) sum += count;
    return sum;
}

std::size_t QueueCount::moving() const {
    return total() - in("deferred") - in("hold");
}

QueueCount count_queue(std::string_view postqueue_json) {
    QueueCount count;
    while (!postqueue_json.empty()) {
        const std::string_view line = text::trim(text::take_field(postqueue_json, '\n'));
        boost::system::error_code failed;
        const boost::json::value parsed =
            boost::json::parse(boost::json::string_view(line.data(), line.size()), failed);
        if (failed || !parsed.is_object()) continue;
        const boost::json::value* queue = parsed.as_object().if_contains("queue_name");
        if (queue == nullptr || !queue->is_string()) continue;
        const std::string name(queue->as_string().c_str());
        ++count.messages[name];
        const boost::json::value* recipients = parsed.as_object().if_contains("recipients");
        if (name != "deferred" || recipients == nullptr || !recipients->is_array()) continue;
        for (const boost::json::value& recipient : recipients->as_array()) {
            const boost::json::value* reason =
                recipient.is_object() ? recipient.as_object().if_contains("delay_reason") : nullptr;
            if (reason != nullptr && reason->is_string())
                ++count.reasons[std::string(reason->as_string().c_str())];
        }
    }
    return count;
}

}  // namespace posthorn::migration
