// The words for causes and parties.
#include "delivery/judgement.hpp"

#include <memory>
#include <utility>

namespace posthorn::delivery {

std::string_view to_string(Cause cause) {
    switch (cause) {
        case Cause::spf:
            return "spf";
        case Cause::dkim:
            return "dkim";
        case Cause::dmarc:
            return "dmarc";
        case Cause::alignment:
            return "alignment";
        case Cause::ptr:
            return "ptr";
        case Cause::sender_domain:
            return "sender-domain";
        case Cause::helo:
            return "helo";
        case Cause::dns_temporary:
            return "dns-temporary";
        case Cause::unknown:
            return "unknown";
    }
    return "unknown";
}

std::string_view to_string(Party party) {
    switch (party) {
        case Party::source_ip:
            return "source-ip";
        case Party::dkim_domain:
            return "dkim-domain";
        case Party::spf_domain:
            return "spf-domain";
        case Party::provider:
            return "provider";
        case Party::recipient:
            return "recipient";
        case Party::message:
            return "message";
        case Party::url:
            return "url";
        case Party::sender_domain:
            return "sender-domain";
    }
    return "provider";
}

std::string_view to_string(AfterFix after) {
    switch (after) {
        case AfterFix::resend:
            return "resend";
        case AfterFix::resend_once:
            return "resend-once";
        case AfterFix::bounce:
            return "bounce";
    }
    return "resend";
}

void adopt(Outcome& outcome, Judgement judgement) {
    outcome.result = judgement.result;
    outcome.failure_class = judgement.failure_class;
    outcome.scope = judgement.scope;
    outcome.judgement = std::make_shared<const Judgement>(std::move(judgement));
}

std::vector<std::string_view> Causes::words() const {
    std::vector<std::string_view> words;
    for (Cause cause : kCauses)
        if (has(cause)) words.push_back(to_string(cause));
    return words;
}

std::vector<std::string_view> Whose::words() const {
    std::vector<std::string_view> words;
    for (Party party : kParties)
        if (has(party)) words.push_back(to_string(party));
    return words;
}

}  // namespace posthorn::delivery
