// The words of why.
#include "delivery/why_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/utc.hpp"

namespace posthorn::delivery {
namespace {

struct ClassWords {
    std::string_view name, meaning, advice;
};

// In the order of Class (outcome.hpp).
constexpr std::array<ClassWords, 22> kClasses = {{
    {"temp", "a passing trouble on their side; the message is tried again by itself", ""},
    {"grey", "greylisting: they ask senders they do not know to come back a little later", ""},
    {"throttle", "they want less mail at a time; Posthorn slows down by itself", ""},
    {"auth", "they do not believe that the mail is from its sender: SPF, DKIM, DMARC or reverse DNS is not in order there",
     "repair the DNS records that the diagnosis names; the mail goes out by itself when they are seen"},
    {"tlsreq", "they take mail under TLS only; it is tried again with TLS", ""},
    {"rep", "they refuse our address or domain for its reputation, or because it is on a block list",
     "follow the link in their reply, and ask to be taken off the list"},
    {"content", "they refuse what the message says: its text, links or attachments", "change the message; the same one will be refused again"},
    {"rfc", "they refuse how the message is made: a header field is missing, doubled or malformed", "correct the program that wrote it"},
    {"rcpt-perm", "there is no such mailbox", "correct the address"},
    {"rcpt-full", "the mailbox is full; tried again slowly", ""},
    {"size", "the message is too large for them", "send a smaller one"},
    {"split", "too many recipients at once for them; the others go in transactions of their own", ""},
    {"proto", "the dialogue with their server went wrong", ""},
    {"relay", "their server does not take mail for this domain: its MX records may be wrong", "tell the recipient's postmaster"},
    {"mbr", "the recipient, or his administrator, does not want such mail", ""},
    {"local", "it waits for something of ours: a signing key, a relay that works for us, a setting",
     "repair what the reply says, then `posthorn reload`"},
    {"dns", "DNS does not say where this domain's mail goes", "look at dns.servers, and ask DNS for the domain by hand"},
    {"connection", "no server there could be reached, or the connection broke",
     "if that is so for all mail, outgoing port 25 may be blocked here: ask the hoster"},
    {"expired", "it was tried for as long as it may wait, and given up", ""},
    {"suppressed", "the address was refused for good before, and no mail is sent to it any more",
     "`posthorn suppression remove ADDRESS` lets mail go there again"},
    {"permanent", "they refuse it for good", "read their reply"},
    {"bounced", "an operator gave it up", ""},
}};

const ClassWords* find(std::string_view name) {
    const auto found = std::find_if(kClasses.begin(), kClasses.end(), [name](const ClassWords& one) { return one.name == name; });
    return found == kClasses.end() ? nullptr : &*found;
}

std::string unit(std::int64_t count, std::string_view name) { return fmt::format("{} {}{}", count, name, count == 1 ? "" : "s"); }

}  // namespace

std::string_view class_meaning(std::string_view failure_class) {
    const ClassWords* words = find(failure_class);
    return words == nullptr ? std::string_view("it was not taken") : words->meaning;
}

std::string_view class_advice(std::string_view failure_class) {
    const ClassWords* words = find(failure_class);
    return words == nullptr ? std::string_view() : words->advice;
}

std::string span_words(Duration span) {
    const auto seconds = std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(span).count());
    if (seconds < 90) return unit(seconds, "second");
    const std::int64_t minutes = seconds / 60;
    if (minutes < 90) return unit(minutes, "minute");
    const std::int64_t hours = minutes / 60;
    if (hours < 48) return unit(hours, "hour") + (hours < 10 && minutes % 60 != 0 ? " " + unit(minutes % 60, "minute") : "");
    return unit(hours / 24, "day");
}

std::string time_words(TimePoint when, TimePoint now) {
    return when <= now ? std::string("now") : fmt::format("in {} ({})", span_words(when - now + std::chrono::milliseconds(999)), utc_text(when));
}

std::string one_line(std::string_view words) {
    std::string line;
    while (!words.empty()) {
        const std::string_view part = text::trim(text::take_field(words, '\n'));
        if (!line.empty() && !part.empty()) line += " / ";
        line += part;
    }
    return text::safe_for_log(line, 4000);
}

std::string count_words(std::uint64_t count, std::string_view one) {
    return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string held_words(std::size_t senders, bool machine) {
    std::string words = machine ? "this machine's mail" : "";
    if (senders > 0) words += fmt::format("{}mail of {} of ours", machine ? " and " : "", count_words(senders, "sender"));
    return words;
}

std::string sentence_of(std::string words) {
    if (words.empty()) return words;
    words.front() = text::to_upper(words.front());
    if (words.back() != '.' && words.back() != '?' && words.back() != '!') words += '.';
    return words;
}

}  // namespace posthorn::delivery
