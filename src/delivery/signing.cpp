// Choosing and making signatures; the only place where a message could leave unsigned, and it says so.
#include "delivery/signing.hpp"

#include <fstream>
#include <vector>

#include "mail/domain.hpp"
#include "mail/header.hpp"
#include "mail/mailbox.hpp"

namespace posthorn::delivery {
namespace {

Result<auth::dkim::BodyHash> hash_spooled_body(const std::string& path, auth::Canonical form) {
    std::ifstream file(path, std::ios::binary);
    auth::dkim::BodyHasher hasher(form);
    std::vector<char> piece(64 * 1024);
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0)
        hasher.write(std::string_view(piece.data(), static_cast<std::size_t>(file.gcount())));
    if (!file.eof()) return Error{"the body file " + path + " cannot be read"};
    return hasher.finish();
}

}  // namespace

std::string from_domain_of(const mail::Message& message) {
    const mail::HeaderBlock header(message.header);
    const auto from = header.first("From");
    if (!from) return {};
    const auto list = mail::parse_mailboxes(from->value);
    if (list.mailboxes.empty()) return {};
    const auto ascii = mail::to_ascii(list.mailboxes.front().domain);
    return ascii ? *ascii : list.mailboxes.front().domain;
}

SigningPlan plan_signing(const mail::Message& message, std::string_view recipient, const SigningRules& rules,
                         TimePoint now) {
    SigningPlan plan;
    plan.keys = rules.keys;
    plan.from_domain = from_domain_of(message);
    plan.selection = rules.keys->select(plan.from_domain);
    if (!plan.selection.can_sign() && plan.selection.policy == auth::UnsignedPolicy::hold)
        plan.hold_reason = plan.selection.reason;

    if (!message.stream.empty()) {
        const auth::StreamOptions* stream = nullptr;
        for (const auto& candidate : *rules.streams)
            if (candidate.name == message.stream) stream = &candidate;
        if (stream == nullptr || rules.unsubscribe == nullptr) {
            // Accepted as list mail under an earlier configuration: it must not go out without its way to unsubscribe.
            plan.hold_reason = "the message belongs to the list stream \"" + message.stream +
                               "\", which is not configured any more; add its [[stream]] again, or delete the message";
            return plan;
        }
        plan.list_header = auth::render_list_unsubscribe(*stream, rules.unsubscribe->make(stream->name, recipient, now));
    }
    return plan;
}

Result<std::string> render_prefix(const SigningPlan& plan, const mail::Message& message,
                                  const std::string& spool_directory, TimePoint now) {
    if (!plan.selection.can_sign()) return plan.list_header;
    auth::dkim::BodyHashes hashes;
    hashes.relaxed = message.relaxed_body_hash;
    for (const auto& identity : plan.selection.identities) {
        if (identity.body != auth::Canonical::simple) continue;
        if (message.body.bytes) {
            hashes.simple = auth::dkim::hash_body(*message.body.bytes, auth::Canonical::simple);
        } else if (!message.body.spool_file.empty()) {
            auto hash = hash_spooled_body(spool_directory + "/" + message.body.spool_file, auth::Canonical::simple);
            if (!hash) return hash.error();
            hashes.simple = *hash;
        } else {
            hashes.simple = auth::dkim::hash_body({}, auth::Canonical::simple);
        }
        break;
    }
    const std::string_view parts[] = {plan.list_header, message.header};
    auto signatures = auth::dkim::sign_all(parts, hashes, plan.selection.identities, now);
    if (!signatures) return signatures.error();
    return *signatures + plan.list_header;
}

}  // namespace posthorn::delivery
