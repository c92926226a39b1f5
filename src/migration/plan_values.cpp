// Settings that are a number, a time or a list on both sides.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

struct Value {
    enum class Kind { seconds, octets, number };
    std::string_view theirs;
    char unit;  // of a time without one
    std::string_view section;
    std::string_view ours;
    Kind kind;
    long least, most;  // what ours takes
};

constexpr long kDay = 86400;
constexpr std::array<Value, 14> kValues{{
    {"message_size_limit", 's', "submission.limits", "max_message_size", Value::Kind::octets, 65536,
     1L << 30},
    {"smtpd_recipient_limit", 's', "submission.limits", "max_recipients", Value::Kind::number, 100, 100000},
    {"line_length_limit", 's', "submission.limits", "max_command_line", Value::Kind::number, 512, 65536},
    {"header_size_limit", 's', "submission.limits", "max_header_size", Value::Kind::octets, 16384, 16L << 20},
    {"hopcount_limit", 's', "submission.limits", "max_received_fields", Value::Kind::number, 10, 1000},
    {"smtpd_hard_error_limit", 's', "submission.limits", "max_errors", Value::Kind::number, 1, 10000},
    {"smtpd_client_connection_count_limit", 's', "submission.limits", "max_connections_per_client",
     Value::Kind::number, 1, 100000},
    {"smtpd_client_connection_rate_limit", 's', "submission.guard", "connections_per_minute",
     Value::Kind::number, 0, 100000},
    {"maximal_queue_lifetime", 'd', "queue", "lifetime", Value::Kind::seconds, 1, 30 * kDay},
    {"bounce_queue_lifetime", 'd', "queue", "dsn_lifetime", Value::Kind::seconds, 1, 30 * kDay},
    {"minimal_backoff_time", 's', "retry", "first", Value::Kind::seconds, 1, kDay},
    {"maximal_backoff_time", 's', "retry", "max", Value::Kind::seconds, 1, kDay},
    {"smtp_destination_concurrency_limit", 's', "delivery", "connections_per_site", Value::Kind::number, 1,
     1000},
    {"smtp_destination_recipient_limit", 's', "delivery", "recipients_per_transaction", Value::Kind::number,
     1, 1000},
}};

void carry(Planner& planner, const Value& value) {
    if (!planner.main.is_set(value.theirs)) return;
    long number = 0;
    if (value.kind == Value::Kind::seconds) {
        number = planner.main.seconds(value.theirs, value.unit).value_or(-1);
    } else {
        const auto parsed = text::parse_unsigned(planner.main.value(value.theirs), 1UL << 62);
        number = parsed ? static_cast<long>(*parsed) : -1;
    }
    if (number < 0) {
        planner.mistake(value.theirs, planner.main.origin(value.theirs),
                        fmt::format("\"{}\" is no such value.",
                                    text::safe_for_log(planner.main.value(value.theirs), 60)));
        planner.dealt_with.emplace(value.theirs);
        return;
    }
    // In Postfix 0 is "no limit" for what is counted, and "at once" for times.
    const long wanted =
        number == 0 && value.kind != Value::Kind::seconds && value.least > 0 ? value.most : number;
    const long kept = std::clamp(wanted, value.least, value.most);
    const std::string origin =
        planner.from(value.theirs) + (kept == number ? ""
                                                     : fmt::format(" = {}; {} allows {} to {}", number,
                                                                   value.ours, value.least, value.most));
    planner.draft.section(value.section)
        .set(value.ours, value.kind == Value::Kind::seconds ? toml_duration(kept) : std::to_string(kept),
             origin);
    planner.carried(value.theirs, fmt::format("{}.{}", value.section, value.ours));
}

void plan_delay_notice(Planner& planner) {
    if (!planner.main.is_set("delay_warning_time")) return;
    const auto seconds = planner.main.seconds("delay_warning_time", 'h');
    if (!seconds) return;
    planner.draft.section("retry").set(
        "delay_notice", toml_duration(std::min(*seconds, 30 * kDay)),
        planner.from("delay_warning_time") + "; here for those who ask (NOTIFY=DELAY)");
    planner.carried("delay_warning_time", "retry.delay_notice");
}

// "/^X-Originating-IP:/ IGNORE": the one thing of header_checks that Posthorn does, too.
void plan_header_checks(Planner& planner) {
    std::vector<std::string> fields{"X-PHP-Originating-Script", "X-PHP-Script", "X-Originating-IP"};
    const std::size_t usual = fields.size();
    std::string origins;
    for (const char* parameter : {"header_checks", "smtp_header_checks", "mime_header_checks"}) {
        const std::vector<LookupTable> tables = planner.tables(parameter);
        // By default it is $header_checks: the same rows again.
        if (parameter == std::string_view("mime_header_checks") && !planner.main.is_set(parameter)) continue;
        for (const LookupTable& table : tables) {
            for (const TableEntry& entry : table.entries) {
                std::string_view pattern = entry.key;
                const bool ignore = text::istarts_with(entry.value, "IGNORE");
                if (pattern.starts_with("/^")) pattern.remove_prefix(2);
                const std::size_t colon = pattern.find(':');
                const std::string name(pattern.substr(0, colon));
                const std::string_view rest =
                    colon == std::string_view::npos ? std::string_view() : pattern.substr(colon + 1);
                const bool whole =
                    rest == "/" || rest == "/i" || rest == ".*/" || rest == ".*$/" || rest == ".*/i";
                const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
                    return text::is_alnum(c) || c == '-';
                });
                if (ignore && plain && whole && name != "Received" &&
                    is_acceptable(fmt::format("[repair]\nremove_fields = [{}]\n", toml_string(name)))) {
                    if (std::none_of(fields.begin(), fields.end(),
                                     [&](const std::string& f) { return text::iequals(f, name); }))
                        fields.push_back(name);
                    origins += (origins.empty() ? "" : ", ") + entry.origin.to_string() + " " + parameter;
                    continue;
                }
                const bool received = ignore && name == "Received";
                planner.not_carried_at(
                    parameter, entry.origin,
                    text::safe_for_log(entry.key + " " + entry.value, 120) +
                        (received ? ": repair.remove_private_received takes Received fields of private "
                                    "addresses out; others are needed against loops."
                                  : ": Posthorn only takes whole fields out (repair.remove_fields)."));
            }
        }
    }
    if (fields.size() > usual)
        planner.draft.section("repair").set("remove_fields", toml_list(fields), origins);
}

}  // namespace

void plan_values(Planner& planner) {
    for (const Value& value : kValues) carry(planner, value);
    if (planner.main.is_set("default_destination_concurrency_limit") &&
        !planner.main.is_set("smtp_destination_concurrency_limit"))
        carry(planner, {"default_destination_concurrency_limit", 's', "delivery", "connections_per_site",
                        Value::Kind::number, 1, 1000});
    plan_delay_notice(planner);
    plan_header_checks(planner);
}

}  // namespace posthorn::migration
