// The sentences about judgements.
#include "delivery/judgement_words.hpp"

#include <fmt/format.h>

#include "toml/units.hpp"

namespace posthorn::delivery {
namespace {

std::string listed(const std::vector<std::string>& items) {
    std::string out;
    for (std::size_t i = 0; i < items.size(); ++i)
        out += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
    return out;
}

std::string_view of_party(Party party) {
    switch (party) {
        case Party::source_ip:
            return "the address we send from";
        case Party::dkim_domain:
            return "the domain that signs (DKIM d=)";
        case Party::spf_domain:
            return "the envelope's sender domain";
        case Party::provider:
            return "all mail to the provider";
        case Party::recipient:
            return "the recipient";
        case Party::message:
            return "the message";
        case Party::url:
            return "the links in the message";
        case Party::sender_domain:
            return "the sender's domain";
    }
    return "";
}

std::string in(Duration duration) {
    return toml::format_duration(duration);
}

// 2.7: after_fix of the provider, which is about what a 5xx refused.
std::string of_held(AfterFix after) {
    switch (after) {
        case AfterFix::resend:
            break;
        case AfterFix::resend_once:
            return "The message is held; it goes out once more when DNS is repaired, and is returned when it is refused "
                   "again (after_fix) or retry.auth_lifetime is over.";
        case AfterFix::bounce:
            return "The message is returned to the sender (DSN), as the provider is not to get it again (after_fix).";
    }
    return "The message is held; it goes out when DNS is repaired, or is returned when retry.auth_lifetime is over.";
}

std::string of_message(const Judgement& judgement) {
    if (judgement.result == Disposition::failed) {
        if (judgement.failure_class == Class::permanent || judgement.scope != Scope::recipient)
            return "The message is returned to the sender (DSN).";
        return "Mail to this recipient is returned to the sender (DSN).";
    }
    switch (judgement.failure_class) {
        case Class::auth:
            return of_held(judgement.after_fix);
        case Class::split:
            return "The recipients that were refused go in a transaction of their own at once.";
        case Class::throttle:
            return "The message waits, and this counts as no attempt of it.";
        default:
            break;
    }
    if (judgement.wait) return "The message is tried again after " + in(*judgement.wait) + ".";
    if (judgement.failure_class == Class::grey)
        return "The message is tried again from the same address, after retry.grey and then at growing "
               "intervals.";
    return "The message is tried again at growing intervals ([retry]) until its time is over.";
}

std::string of_pause(const Judgement& judgement) {
    if (judgement.failure_class == Class::auth)
        return std::string(judgement.causes.of_machine() ? "All mail from this address to the provider"
                                                         : "Mail of the sender's domain to the provider") +
               " is suspended; DNS is looked at again and again, and one message goes as a probe when it has "
               "been repaired.";
    if (judgement.failure_class == Class::rep && judgement.until_resumed)
        return "Mail of " + concerns(judgement) + " to the provider is suspended until `posthorn resume`.";
    if (judgement.failure_class == Class::rep)
        return "Mail of " + concerns(judgement) + " to the provider is suspended" +
               (judgement.pause ? " for " + in(*judgement.pause) : std::string()) +
               ", then probed with one message at growing intervals" +
               (judgement.pause_max ? " up to " + in(*judgement.pause_max) : std::string()) + ".";
    if (judgement.failure_class != Class::throttle) return {};
    std::string words = "Mail of " + concerns(judgement) + " to the provider rests";
    if (judgement.pause) words += " for " + in(*judgement.pause);
    words += ", then goes on with ";
    words += judgement.connections > 1 ? fmt::format("{} connections", judgement.connections)
                                       : std::string("one connection");
    if (judgement.rate)
        words +=
            fmt::format(" and at most {} messages in {}", judgement.rate->count, in(judgement.rate->per));
    return words + ", and recovers step by step.";
}

}  // namespace

std::string concerns(const Judgement& judgement) {
    std::vector<std::string> names;
    for (Party party : kParties)
        if (judgement.whose.has(party)) names.emplace_back(of_party(party));
    if (!names.empty()) return listed(names);
    switch (judgement.failure_class) {
        case Class::auth:
            return std::string(
                of_party(judgement.causes.of_machine() ? Party::source_ip : Party::sender_domain));
        case Class::throttle:
        case Class::rep:
            return std::string(of_party(Party::source_ip));
        case Class::rcpt_perm:
        case Class::rcpt_full:
        case Class::mbr:
            return std::string(of_party(Party::recipient));
        case Class::tlsreq:
            return "the connection";
        case Class::proto:
            return "the connection";
        default:
            return std::string(
                of_party(judgement.scope == Scope::recipient ? Party::recipient : Party::message));
    }
}

std::vector<std::string> consequences(const Judgement& judgement) {
    std::vector<std::string> all;
    if (judgement.ipv4_instead)
        all.emplace_back(
            "Over IPv6 only: it is sent again over IPv4 at once; what follows holds where that is refused as "
            "well.");
    if (judgement.force_tls)
        all.emplace_back("The next attempt is made with TLS, which is remembered of the host.");
    if (judgement.next_mx)
        all.emplace_back(
            "Another of the domain's servers is tried; what follows holds for the last of them.");
    if (judgement.without_extension)
        all.emplace_back(
            "It is sent once more without PIPELINING and CHUNKING; what follows holds where that is refused "
            "as well.");
    if (judgement.reconnect)
        all.emplace_back("It goes on over a new connection at once, and nothing is made of it.");
    all.push_back(of_message(judgement));
    if (std::string pause = of_pause(judgement); !pause.empty()) all.push_back(std::move(pause));
    if (judgement.messages_per_connection != 0)
        all.push_back(fmt::format("From then on a connection carries at most {} messages.",
                                  judgement.messages_per_connection));
    if (judgement.expires_after)
        all.push_back("It is given up " + in(*judgement.expires_after) + " after it was accepted.");
    if (judgement.suppress_after == 1 && judgement.result == Disposition::failed)
        all.emplace_back("The recipient's address may be suppressed ([suppression]).");
    if (judgement.suppress_after > 1)
        all.push_back(fmt::format(
            "After {} such refusals in 30 days the recipient's address may be suppressed ([suppression]).",
            judgement.suppress_after));
    if (judgement.hold_all)
        all.emplace_back(
            "Our own configuration is at fault, so all other mail would be refused as well: it needs the "
            "operator.");
    if (judgement.alert && !judgement.hold_all) all.emplace_back("The operator should look at it.");
    return all;
}

std::optional<Alarm> alarm_of(const Outcome& outcome) {
    if (!outcome.judgement || !outcome.judgement->alert) return std::nullopt;
    switch (outcome.failure_class) {
        case Class::auth:
        case Class::rep:
        case Class::throttle:
        case Class::rfc:
        case Class::proto:
            return std::nullopt;
        default:
            break;
    }
    const Judgement& judgement = *outcome.judgement;
    Alarm alarm;
    alarm.kind = alarm_kind::kRefusal;
    alarm.subject = judgement.rule;
    alarm.text = outcome.host + " answered: " + outcome.reply.joined() +
                 (judgement.meaning.empty() ? "" : " " + judgement.meaning);
    alarm.advice = judgement.advice +
                   (judgement.link.empty() ? "" : (judgement.advice.empty() ? "" : " ") + judgement.link);
    alarm.incident = true;
    return alarm;
}

}  // namespace posthorn::delivery
