// Words and verdicts of a send-test: see send_test_view.hpp.
#include "app/send_test_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <functional>
#include <set>

#include "app/json_members.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "mail/date.hpp"

namespace posthorn::app {

using auth::dkim::SignatureReport;
using auth::dkim::SignatureResult;
using delivery::Fact;
using delivery::FactKind;
using delivery::FactResult;

std::string TestLetter::text(TimePoint now) const {
    return fmt::format(
        "From: {}\r\n"
        "To: {}\r\n"
        "Subject: Test of Posthorn at {}\r\n"
        "Date: {}\r\n"
        "Message-ID: <{}@{}>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "\r\n"
        "This is a test message of the mail server {}.\r\n"
        "\r\n"
        "Somebody who looks after that server sent it with \"posthorn send-test\".\r\n"
        "\"Show original\" (Gmail) or \"view source\" shows what your provider found:\r\n"
        "look for spf=pass, dkim=pass and dmarc=pass in Authentication-Results.\r\n",
        from, to, hostname, mail::format_date(now), mark, hostname, hostname);
}

TestFate fate_of(const boost::json::object& why) {
    const boost::json::value* const recipients = why.if_contains("recipients");
    if (recipients == nullptr || !recipients->is_array() || recipients->as_array().empty())
        return TestFate::under_way;
    const boost::json::object& one = recipients->as_array().front().as_object();
    const std::string state = text_of(one, "state");
    if (state == "delivered") return TestFate::delivered;
    if (state == "failed" || state == "suppressed") return TestFate::refused;
    if (state == "held" || state == "suspended") return TestFate::waits;
    if (state != "waiting") return TestFate::under_way;
    // Put off, or kept from being tried at all.
    const boost::json::value* const obstacles = one.if_contains("in_the_way");
    const bool kept = obstacles != nullptr && obstacles->is_array() && !obstacles->as_array().empty();
    return kept || number_of(one, "attempts") > 0 ? TestFate::waits : TestFate::under_way;
}

bool tells_fate(std::string_view event) {
    return event == "delivered" || event == "deferred" || event == "failed" || event == "suppressed";
}

std::string session_text(std::string_view lines) {
    std::string out;
    while (!lines.empty()) {
        const std::string line(text::take_field(lines, '\n'));
        out += "  " + (text::has_control(line) ? text::safe_for_log(line) : line) + "\n";
    }
    return out;
}

std::string unseen_session(std::string_view kept, const std::vector<std::string>& seen) {
    std::multiset<std::string, std::less<>> shown(seen.begin(), seen.end());
    std::string unseen;
    bool any = false;
    while (!kept.empty()) {
        const std::string_view line = text::take_field(kept, '\n');
        if (const auto known = shown.find(line); known != shown.end()) {
            shown.erase(known);
            continue;
        }
        // Of what it left out the journal has a line that begins like this.
        any = any || !line.starts_with("           [");
        unseen.append(line).push_back('\n');
    }
    return any ? unseen : std::string();
}

namespace {

// What a receiver judges this message by.
bool counts_for_receivers(const Fact& fact) {
    return fact.kind == FactKind::spf || fact.kind == FactKind::dkim || fact.kind == FactKind::dmarc ||
           fact.kind == FactKind::alignment || fact.kind == FactKind::ptr;
}

std::string_view word_of(FactResult result) {
    return result == FactResult::pass ? "ok" : result == FactResult::fail ? "FAILS" : "unknown";
}

}  // namespace

std::string proofs_text(const TestProofs& proofs) {
    std::string out = "Its signature, verified with the key in DNS:\n";
    if (!proofs.seen)
        out +=
            "  unknown  no signature was seen: either the message was not signed and sent yet, or you may not follow\n"
            "           the daemon's events, which only root and its user may\n";
    if (proofs.seen && proofs.signatures.empty()) out += "  FAILS    the message is not signed\n";
    for (const SignatureReport& one : proofs.signatures) {
        const bool pass = one.result == SignatureResult::pass;
        out +=
            fmt::format("  {:<8} d={} s={} a={}{}\n",
                        pass                                       ? "ok"
                        : one.result == SignatureResult::temperror ? "unknown"
                                                                   : "FAILS",
                        text::safe_for_log(one.domain), text::safe_for_log(one.selector),
                        text::safe_for_log(one.algorithm),
                        one.key_bits > 0 ? fmt::format(", a key of {} bits", one.key_bits) : std::string());
        if (!one.words.empty()) out += fmt::format("           {}: {}\n", pass ? "but" : "why", one.words);
    }
    out += "\nWhat the receiver sees:\n";
    if (!proofs.diagnosis) return out + "  unknown  DNS was not asked\n";
    for (const Fact& fact : proofs.diagnosis->facts) {
        if (!counts_for_receivers(fact)) continue;
        out += fmt::format("  {:<8} {} ({}): {}\n", word_of(fact.result), to_string(fact.kind),
                           text::safe_for_log(fact.subject), text::safe_for_log(fact.detail));
        if (fact.result != FactResult::fail) continue;
        if (!fact.repair.empty())
            out += fmt::format("           to do: {}\n", text::safe_for_log(fact.repair));
        if (!fact.record.empty()) out += fact.record + "\n";
    }
    return out;
}

int exit_code_of_test(TestFate fate, const TestProofs& proofs) {
    if (fate == TestFate::refused) return exit_code::kFailure;
    if (fate != TestFate::delivered) return exit_code::kTempFail;
    bool fault = proofs.seen && proofs.signatures.empty();
    bool unknown = !proofs.seen || !proofs.diagnosis;
    for (const SignatureReport& one : proofs.signatures) {
        fault = fault || (one.result != SignatureResult::pass && one.result != SignatureResult::temperror);
        unknown = unknown || one.result == SignatureResult::temperror;
    }
    if (proofs.diagnosis) {
        for (const Fact& fact : proofs.diagnosis->facts) {
            if (!counts_for_receivers(fact)) continue;
            fault = fault || fact.result == FactResult::fail;
            unknown = unknown || fact.result == FactResult::unknown;
        }
    }
    return fault ? kDeliveredWithFaults : unknown ? exit_code::kTempFail : exit_code::kOk;
}

}  // namespace posthorn::app
