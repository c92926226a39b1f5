// Queue entries in words.
#include "app/queue_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "admin/queue_json.hpp"
#include "app/json_members.hpp"
#include "base/text.hpp"
#include "delivery/why_words.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

constexpr std::size_t kColumns = 80;

// How long ago, or how long until; "-" when there is no such time.
std::string since(const json::object& object, std::string_view key, TimePoint now) {
    const auto when = admin::parse_time(text_of(object, key));
    return when ? short_duration(now - *when) : "-";
}

std::string until(const json::object& object, std::string_view key, TimePoint now) {
    const auto when = admin::parse_time(text_of(object, key));
    if (!when) {
        return "-";
    }
    return *when <= now ? "now" : fmt::format("in {}", short_duration(*when - now));
}

std::string cut(std::string text, std::size_t columns) {
    if (text.size() > columns) {
        text.resize(columns - 3);
        text += "...";
    }
    return text;
}

// The reply in one line that no terminal can be fooled with.
std::string one_line(const json::object& recipient) {
    std::string reply = text_of(recipient, "reply");
    for (std::size_t at = 0; (at = reply.find_first_of("\r\n", at)) != std::string::npos;) {
        const auto end = std::min(reply.find_first_not_of("\r\n", at), reply.size());
        reply.replace(at, end - at, end < reply.size() ? " / " : "");
    }
    return text::safe_for_log(reply, 4000);
}

std::string tries(const json::object& recipient) {
    const auto attempts = number_of(recipient, "attempts");
    // What was refused in a way that is not the message's fault (class auth, throttle) used no attempt up.
    if (attempts == 0 && !text_of(recipient, "last_attempt").empty()) return "tried, which counts as no attempt";
    return attempts == 0 ? "not tried yet"
                         : fmt::format("tried {} time{}", attempts, attempts == 1 ? "" : "s");
}

std::string plan(const json::object& recipient, TimePoint now) {
    if (text_of(recipient, "class") == "bounced") {
        return "given up; the sender will be told within seconds";
    }
    if (text_of(recipient, "held_by") == "suspension") {
        return "held, since its user is suspended";
    }
    if (text_of(recipient, "state") == "held") {
        return "held for you: `posthorn queue release` or `retry`";
    }
    if (const std::string words = text_of(recipient, "held"); !words.empty()) {
        return fmt::format("held: {}", text::safe_for_log(words, 600));
    }
    return fmt::format("next try {}", until(recipient, "due_at", now));
}

const json::array* recipients_of(const json::object& message) {
    const json::value* recipients = message.if_contains("recipients");
    return recipients != nullptr ? recipients->if_array() : nullptr;
}

std::string sender(const json::object& message) {
    return fmt::format("<{}>", text::safe_for_log(text_of(message, "from"), 400));
}

std::string more_recipients(const json::object& message, std::size_t shown) {
    const auto all = number_of(message, "recipient_count");
    return all > shown ? fmt::format("    and {} more recipients\n", all - shown) : "";
}

// Who may have the message already; empty: nobody.
std::string in_doubt(const json::object& recipient) {
    const std::string host = text_of(recipient, "in_doubt");
    return host.empty() ? std::string() : "may have been delivered to " + text::safe_for_log(host, 300);
}

}  // namespace

std::string short_duration(Duration duration) {
    using std::chrono::days;
    using std::chrono::hours;
    using std::chrono::minutes;
    const auto seconds = std::max<Duration::rep>(0, duration.count() / 1000);
    if (seconds < 120) {
        return fmt::format("{}s", seconds);
    }
    if (seconds < 2 * 3600) {
        return fmt::format("{}m", seconds / 60);
    }
    if (seconds < 48 * 3600) {
        return fmt::format("{}h", seconds / 3600);
    }
    return fmt::format("{}d", seconds / 86400);
}

std::string short_size(std::uint64_t octets) {
    if (octets < 1024) {
        return fmt::format("{}", octets);
    }
    if (octets < 1024 * 1024) {
        return fmt::format("{}K", octets / 1024);
    }
    return fmt::format("{:.1f}M", static_cast<double>(octets) / (1024 * 1024));
}

namespace {

// Who handed it in, with what is known of his program.
std::string submitter(const json::object& message) {
    const std::string origin = text_of(message, "origin");
    return origin.empty() ? text_of(message, "source") : origin;
}

}  // namespace

std::string message_lines(const json::object& message, TimePoint now) {
    std::string out =
        cut(fmt::format("{:13}  {:>4}  {:>6}  {}", text_of(message, "id"), since(message, "accepted_at", now),
                        short_size(number_of(message, "size")), sender(message)),
            kColumns) +
        "\n";
    constexpr std::size_t kShown = 5;
    if (const std::string origin = text_of(message, "origin"); !origin.empty()) {
        out += cut("    by " + text::safe_for_log(origin, 1000), kColumns) + "\n";
    }
    if (const json::value* suspension = message.if_contains("suspension");
        suspension != nullptr && suspension->is_object()) {
        const std::string reason = text_of(suspension->as_object(), "reason");
        out += cut(fmt::format("    its user is suspended{}", reason.empty() ? "" : ": " + text::safe_for_log(reason, 400)),
                   kColumns) + "\n";
    }
    std::size_t shown = 0;
    const json::array* recipients = recipients_of(message);
    for (std::size_t i = 0; recipients != nullptr && i < recipients->size() && i < kShown; ++i, ++shown) {
        const json::object& recipient = (*recipients)[i].as_object();
        const bool held = text_of(recipient, "state") == "held" || !text_of(recipient, "held").empty();
        const bool ended = text_of(recipient, "class") == "bounced";
        const std::string doing = ended ? "ending" : held ? "held" : until(recipient, "due_at", now);
        out += cut(fmt::format("    {:7} {:>3}x  {}", doing, number_of(recipient, "attempts"),
                               text::safe_for_log(text_of(recipient, "address"), 400)),
                   kColumns) +
               "\n";
        if (const std::string reply = one_line(recipient); !reply.empty()) {
            out += fmt::format("{}\n", cut(fmt::format("                  {}", reply), kColumns));
        }
        // In full: it is what the operator looks for.
        if (const std::string words = text_of(recipient, "held"); !words.empty()) {
            out += fmt::format("            held: {} (see `posthorn why {}`)\n", text::safe_for_log(words, 600), text_of(message, "id"));
        }
        if (const std::string doubt = in_doubt(recipient); !doubt.empty()) {
            out += fmt::format("{}\n", cut(fmt::format("                  {}", doubt), kColumns));
        }
    }
    return out + more_recipients(message, shown);
}

std::string message_page(const json::object& message, TimePoint now) {
    const auto dash = [](std::string text) {
        return text.empty() ? std::string("-") : text::safe_for_log(text, 1000);
    };
    std::string out = fmt::format(
        "message     {}\nsender      {}\naccepted    {} ({} ago)\ngives up    {} ({})\nsize        {} "
        "octets\nsubmitted   {}\n"
        "stream      {}\nrecipients  {} still waiting\n",
        text_of(message, "id"), sender(message), text_of(message, "accepted_at"),
        since(message, "accepted_at", now), text_of(message, "expires_at"), until(message, "expires_at", now),
        number_of(message, "size"), dash(submitter(message)), dash(text_of(message, "stream")),
        number_of(message, "recipient_count"));
    if (message.contains("require_tls")) {
        out += "requires    TLS all the way to the mailbox (REQUIRETLS)\n";
    }
    if (const json::value* suspension = message.if_contains("suspension");
        suspension != nullptr && suspension->is_object()) {
        const std::string source = text_of(message, "source");
        const std::string user = text::safe_for_log(source.substr(source.find('=') + 1), 300);
        const std::string reason = text_of(suspension->as_object(), "reason");
        out += fmt::format("suspended   {} is, since {}{}; `posthorn user resume {}`\n", user,
                           text_of(suspension->as_object(), "since"),
                           reason.empty() ? "" : " (" + text::safe_for_log(reason, 400) + ")", user);
    }
    const json::array* recipients = recipients_of(message);
    std::size_t shown = 0;
    for (; recipients != nullptr && shown < recipients->size(); ++shown) {
        const json::object& recipient = (*recipients)[shown].as_object();
        out += fmt::format("\n{}\n    {}, {}\n", text::safe_for_log(text_of(recipient, "address"), 400),
                           tries(recipient), plan(recipient, now));
        if (text_of(recipient, "state") != "held" && !text_of(recipient, "due_at").empty()) {
            out += fmt::format("    due        {}\n", text_of(recipient, "due_at"));
        }
        if (const std::string end = text_of(recipient, "given_up"); !end.empty()) {
            out += fmt::format("    gives up   {} ({}), if it is not repaired by then (retry.auth_lifetime)\n", end, until(recipient, "given_up", now));
        }
        if (!text_of(recipient, "last_attempt").empty()) {
            out += fmt::format("    last try   {} ({} ago)\n    at         {}\n",
                               text_of(recipient, "last_attempt"), since(recipient, "last_attempt", now),
                               dash(text_of(recipient, "host")));
        }
        if (const std::string failure_class = text_of(recipient, "class"); !failure_class.empty()) {
            out += fmt::format("    class      {}\n", text::safe_for_log(failure_class, 40));
            out += fmt::format("    meaning    {}\n", delivery::sentence_of(std::string(delivery::class_meaning(failure_class))));
            if (const auto advice = delivery::class_advice(failure_class); !advice.empty())
                out += fmt::format("    to do      {}\n", delivery::sentence_of(std::string(advice)));
        }
        if (const std::string doubt = in_doubt(recipient); !doubt.empty()) {
            out += fmt::format("    in doubt   {}: the connection ended after the whole message was sent, before\n"
                               "               the answer came. It is sent again, and may arrive twice.\n",
                               doubt);
        }
        // All lines of the reply, as the peer said them.
        std::string reply = text_of(recipient, "reply");
        std::string_view rest = reply;
        for (bool first = true; !rest.empty(); first = false) {
            const std::string_view line = text::trim_right(text::take_field(rest, '\n'));
            out += fmt::format("    {:10} {}\n", first ? "reply" : "", text::safe_for_log(line, 2000));
        }
    }
    return out + more_recipients(message, shown);
}

}  // namespace posthorn::app
