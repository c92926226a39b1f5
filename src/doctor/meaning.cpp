// A table: check, then what each of the three says or does.
#include "doctor/meaning.hpp"

#include <algorithm>
#include <array>

namespace posthorn::doctor {
namespace {

struct Row {
    std::string_view check;
    std::string_view gmail, yahoo, outlook;  // empty: it means nothing to him
};

constexpr std::array kRows = {
    Row{"ptr", "refuses the mail, 550 5.7.25 (PR-2); over IPv6 always",
        "defers or refuses it, 5.7.25 (PR-16)", "refuses it, 550 5.7.25; asks for valid reverse DNS (PR-28)"},
    Row{"ptr-name", "", "asks for a name that is yours, not generic (PR-20)",
        "takes generic names for home lines: 550 DY-001"},
    Row{"helo", "trusts the connection less", "trusts the connection less", "may refuse the greeting, 5.5.1"},
    Row{"port25", "cannot be reached: mail waits", "cannot be reached: mail waits",
        "cannot be reached: mail waits"},
    Row{"dkim",
        "enough for few messages if SPF passes; of bulk senders refused, 550 5.7.26 and 5.7.30 (PR-1, PR-8)",
        "bulk mail is refused, 554 5.7.9 (PR-17)", "above 5,000 messages a day refused, 550 5.7.515 (PR-26)"},
    Row{"dkim-key", "takes 1024 bits, recommends 2048 (PR-7)", "asks for 1024 bits or more",
        "treats weak keys as no signature more and more"},
    Row{"spf",
        "enough for few messages if DKIM passes; of bulk senders refused, 550 5.7.26 and 5.7.27 (PR-1, PR-8)",
        "bulk mail is refused, 554 5.7.9 (PR-17)",
        "above 5,000 messages a day refused, 550 5.7.515, even when DKIM passes (PR-26)"},
    Row{"spf-record", "takes a broken or strange record as failed: 5.7.27, 4.7.24",
        "takes a broken record as failed", "takes a broken record as failed: 5.7.515"},
    Row{"spf-tree", "takes a permerror as failed, 5.7.27", "takes a permerror as failed",
        "takes a permerror as failed, 5.7.515"},
    Row{"spf-helo", "reports and bounces of ours fail SPF", "reports and bounces of ours fail SPF",
        "reports and bounces of ours fail SPF"},
    Row{"alignment", "refuses bulk mail, 550 5.7.32 (PR-9)", "refuses bulk mail, 554 5.7.9 (PR-17)",
        "refuses mail of domains above 5,000 a day, 550 5.7.515 (PR-26)"},
    Row{"identities", "one of SPF and DKIM has to be aligned, soon perhaps both (PR-9)", "one is enough",
        "one is enough, both are preferred (PR-26)"},
    Row{"dmarc", "asks bulk senders for it; p=none is enough (PR-8)",
        "asks bulk senders for it; p=none is enough (PR-17)",
        "asks for it above 5,000 messages a day (PR-26)"},
    Row{"dmarc-record", "follows the policy as published", "follows the policy as published",
        "follows the policy as published"},
    Row{"dmarc-reports", "sends daily reports to whoever is named and has agreed",
        "sends reports, and recommends rua (PR-17)", "sends daily reports"},
    Row{"escapes", "reads the record as broken", "reads the record as broken", "reads the record as broken"},
    Row{"sender-domain", "may refuse it as unverifiable", "refuses it, 554 5.1.8 or 451 (PR-18)",
        "asks that From can receive mail (PR-27)"},
    Row{"zone", "cannot verify SPF and DKIM", "asks for the SOA record: 451 or 554 (PR-18)",
        "cannot verify SPF and DKIM"},
    Row{"dnssec", "validates: sees nothing of the domain", "may see nothing of the domain",
        "sees nothing of the domain where it validates"},
    Row{"mx-hosts", "", "", "asks that From can receive mail (PR-27)"},
    Row{"ipv6", "refuses mail over IPv6 without reverse DNS and SPF or DKIM, 550 5.7.1 (PR-2)", "",
        "refuses it, 5.7.25 and 4.7.26"},
    Row{"dnsbl", "looks at its own lists first", "refuses by lists of Spamhaus, 553 BL21",
        "refuses by its own and Spamhaus' lists, 550 S3140 and 5.7.1"},
    Row{"clock", "signatures from the future, and dates that are off, count as spam", "the same", "the same"},
    Row{"urls", "one-click unsubscription must work for bulk mail (PR-10)",
        "one-click unsubscription is highly recommended (PR-17)", "asks for a working way out (PR-27)"},
};

}  // namespace

std::vector<Meaning> meaning_of(std::string_view check) {
    const auto row =
        std::find_if(kRows.begin(), kRows.end(), [&](const Row& one) { return one.check == check; });
    if (row == kRows.end()) return {};
    std::vector<Meaning> meanings;
    for (const auto& [provider, words] :
         {std::pair("gmail", row->gmail), std::pair("yahoo", row->yahoo), std::pair("outlook", row->outlook)})
        if (!words.empty()) meanings.push_back({provider, std::string(words)});
    return meanings;
}

}  // namespace posthorn::doctor
