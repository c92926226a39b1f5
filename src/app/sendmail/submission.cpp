// The order of the ways, and what is said when none was open: see submission.hpp.
#include "app/sendmail/submission.hpp"

#include "app/sendmail/connection.hpp"
#include "app/sendmail/spool.hpp"
#include "app/sendmail/unique.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"

namespace posthorn::app::sendmail {
namespace {

Outcome hand_over(const Ways& ways, const Letter& letter, Content& content, const HandoverOptions& options, bool& by_tcp) {
    Outcome outcome;
    std::string tried;
    const auto add = [&tried](const std::string& words) { tried.append(tried.empty() ? "" : "; ").append(words); };
    if (!ways.socket.empty()) {
        outcome = hand_over_unix(ways.socket, letter, content, options);
        if (outcome.fate != Fate::unanswered) return outcome;
        add(outcome.words);
    }
    if (!ways.host.empty()) {
        outcome = hand_over_tcp(ways, letter, content, options);
        by_tcp = outcome.fate == Fate::stored;
        if (outcome.fate != Fate::unanswered) return outcome;
        add(outcome.words);
    }
    outcome.words = std::move(tried);
    return outcome;
}

// The spool keeps it for later; `why`: what the daemon said or did.
Receipt keep(const Ways& ways, const std::string& name, const mail::Handoff& handoff, Content& content, const std::string& why) {
    const std::string before = why.empty() ? "" : why + "; ";
    if (ways.spool.empty())
        return {exit_code::kCannotCreate, "the message was NOT sent: " + before + "and no spool directory is set (POSTHORN_SPOOL)", {}, false};
    Spooled spooled = write_spool(ways.spool, name, handoff, content);
    if (!spooled.done)
        return {spooled.exit_code, "the message was NOT sent: " + before + "it cannot be kept in the spool either: " + spooled.words, {}, false};
    return {0, {}, "kept in the spool as " + name, false};
}

}  // namespace

Receipt submit(const Ways& ways, Letter& letter, Content& content, bool all_or_nothing) {
    const std::string name = unique_name();
    letter.octets = content.size();
    bool by_tcp = false;
    Outcome outcome = hand_over(ways, letter, content, {host_name(), name, all_or_nothing}, by_tcp);
    switch (outcome.fate) {
        case Fate::unanswered:
            return keep(ways, name, letter.handoff, content,
                        outcome.words.empty() ? outcome.words : "the mail server cannot be reached (" + outcome.words + ")");
        case Fate::postponed:
        case Fate::doubtful:  // the same name: exactly once (mail/handoff.hpp)
            return keep(ways, name, letter.handoff, content, outcome.words);
        case Fate::refused:
        case Fate::stored:
            break;
    }
    const auto& recipients = letter.handoff.envelope.recipients;
    Receipt receipt{0, {}, outcome.words, by_tcp};
    if (outcome.fate == Fate::refused && outcome.left.empty())
        return {outcome.exit_code, "the message was refused: " + outcome.words, outcome.words, false};

    mail::Handoff rest = letter.handoff;
    rest.envelope.recipients.clear();
    std::string refused;
    for (const Outcome::Left& left : outcome.left) {
        if (left.later) {
            rest.envelope.recipients.push_back(recipients[left.recipient]);
            continue;
        }
        if (receipt.exit_code == 0) receipt.exit_code = left.exit_code;
        refused.append(refused.empty() ? "" : "; ").append(text::safe_for_log(recipients[left.recipient].address, 256));
        refused.append(": ").append(left.words);
    }
    if (!rest.envelope.recipients.empty()) {
        // Another name: the first one is the stored message's.
        const Receipt kept = keep(ways, unique_name(), rest, content, outcome.left.front().words);
        if (kept.exit_code != 0) return kept;
    }
    if (!refused.empty()) {
        const std::size_t others = recipients.size() - outcome.left.size();
        receipt.words = "not sent to " + refused;
        if (others > 0) receipt.words += others == 1 ? "; the other one gets it" : "; the other " + std::to_string(others) + " get it";
    }
    return receipt;
}

}  // namespace posthorn::app::sendmail
