// What is said of people: addresses completed, encoded or refused, as whom the message leaves, and whether he may send it.
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "intake/header_judge.hpp"
#include "mail/address.hpp"
#include "mail/address_repair.hpp"
#include "mail/domain.hpp"
#include "mail/phrase.hpp"

namespace posthorn::intake {
namespace {

constexpr std::size_t kMaxDisplay = 300;    // of a name that we write anew
constexpr std::size_t kColumn = 10;         // where it begins: after "Reply-To: "

}  // namespace

bool Judge::check_addresses() {
    if (submission_.sender_policy && !decide_sender()) return false;
    if (!first(Field::from) && added_from_.empty()) {
        if (!options_.add_from || judged_.is_signed || envelope_.reverse_path.empty()) {
            return fail(550, "5.6.0", "The message has no From field");
        }
        added_from_ = " <" + envelope_.reverse_path + ">";
    }
    for (const Field kind : {Field::from, Field::sender, Field::to, Field::cc, Field::reply_to}) {
        if (const Position at = first(kind); at && !check_address_field(*at, kind)) return false;
    }
    // SUB-12. Bcc has gone: its names would be told, and no field at all makes filters suspicious.
    return true;
}

bool Judge::decide_sender() {
    const SenderPolicy& policy = *submission_.sender_policy;
    SenderClaim claim;
    std::optional<mail::Mailbox> from, sender;
    if (const Position at = first(Field::from)) {
        const mail::AddressField addresses = mail::read_address_field(block_[*at].value);
        if (!check_one(*at, addresses)) return false;
        from = mailbox_of(block_[*at].value, addresses);
    }
    if (const Position at = first(Field::sender); at && !text::trim(block_[*at].value).empty()) {
        const mail::AddressField addresses = mail::read_address_field(block_[*at].value);
        if (!check_one(*at, addresses)) return false;
        sender = mailbox_of(block_[*at].value, addresses);
    }
    claim.asked = submission_.sender_asked;
    claim.reverse_path = envelope_.reverse_path;
    claim.from = from ? &*from : nullptr;
    claim.sender = sender ? &*sender : nullptr;
    const Position reply_to = first(Field::reply_to);
    claim.has_reply_to = reply_to && !(text::trim(block_[*reply_to].value).empty() && joined_of(Field::reply_to).empty());
    if (submission_.caller) claim.user = submission_.caller->user;
    claim.full_name = submission_.full_name;
    decision_ = intake::decide_sender(policy, claim);
    if (!decision_->refusal.empty()) {
        fail(550, "5.7.1", std::move(decision_->refusal));
        refusal_->of_sender = true;
        return false;
    }
    judged_.reverse_path = std::move(decision_->reverse_path);
    for (std::string& what : decision_->done) judged_.repaired.push_back(std::move(what));
    return carry_out(from);
}

bool Judge::carry_out(const std::optional<mail::Mailbox>& from) {
    using From = SenderDecision::From;
    if (decision_->from == From::made) {
        // SUB-10: with the null sender somebody must be known who would answer for it.
        const bool nobody = judged_.reverse_path->empty() && !submission_.caller;
        if (!options_.add_from || nobody) return fail(550, "5.6.0", "The message has no From field");
        added_from_ = named_address(decision_->from_display, {}, decision_->from_address);
        return true;
    }
    // A signature that somebody put there covers From (RFC 6376 s5.4): it would be broken, and ours takes its place.
    if (judged_.is_signed && (decision_->from != From::keep || decision_->drop_sender)) {
        for (std::size_t i = 0; i < block_.size(); ++i)
            if (classify(block_[i].name) == Field::dkim_signature) drop(i);
        judged_.is_signed = false;
    }
    if (decision_->drop_sender) {
        replace(*first(Field::sender), {});
        first(Field::sender).reset();
    }
    if (decision_->reply_to) {
        if (!envelope_.smtputf8 && !text::is_ascii(from->local)) return fail_8bit(*first(Field::from), true);
        const Result<std::string> ascii = mail::to_ascii(from->domain);
        added_reply_to_ = named_address(from->display, {}, from->local + "@" + (ascii ? *ascii : from->domain));
    }
    return true;
}

mail::Mailbox Judge::mailbox_of(std::string_view value, const mail::AddressField& addresses) {
    mail::MailboxList list = mail::parse_mailboxes(value);
    if (list.mailboxes.size() == 1) return std::move(list.mailboxes.front());
    const mail::AddressPlace& place = addresses.addresses.front();
    return {{}, std::string(place.local.of(value)), std::string(place.domain.of(value))};
}

std::string Judge::named_address(const std::string& display, const std::string& via, const std::string& address) const {
    const std::string phrase =
        mail::write_phrase(display.size() <= kMaxDisplay ? display : std::string(), via, kColumn, envelope_.smtputf8);
    return " " + phrase + (phrase.empty() ? "<" : " <") + address + ">";
}

std::optional<std::string> Judge::decided_from(std::string_view value) const {
    using From = SenderDecision::From;
    if (!decision_ || (decision_->from != From::address && decision_->from != From::on_behalf)) return std::nullopt;
    const std::string& address = decision_->from_address;
    if (decision_->from == From::on_behalf) return named_address(decision_->from_display, "via " + mail::destination_of(address), address);
    const mail::AddressPlace place = mail::read_address_field(value).addresses.front();
    const std::size_t end = place.domain.empty() ? place.local.end : place.domain.end;
    return std::string(value.substr(0, place.local.begin)).append(address).append(value.substr(end));
}

std::vector<std::string> Judge::machine_domains(std::string_view value, const mail::AddressField& addresses) const {
    std::vector<std::string> names;
    if (!submission_.sender_policy) return options_.local_domains;
    for (const mail::AddressPlace& place : addresses.addresses) {
        const std::string_view domain = place.domain.of(value);
        if (domain.empty() || standing_of(*submission_.sender_policy, domain) != Standing::machine) continue;
        if (std::find(names.begin(), names.end(), domain) == names.end()) names.emplace_back(domain);
    }
    return names;
}

bool Judge::check_address_field(std::size_t i, Field kind) {
    const mail::HeaderField submitted = block_[i];
    std::string& joined = joined_[static_cast<std::size_t>(kind)];
    if (kind == Field::from) {
        if (auto decided = decided_from(submitted.value)) joined = std::move(*decided);
    }
    const bool is_joined = !joined.empty();
    std::string_view value = is_joined ? std::string_view(joined) : submitted.value;
    const bool of_one = kind == Field::from || kind == Field::sender;
    if (kind != Field::from && text::trim(value).empty()) {  // RFC 5322 s3.6.2: these are never empty
        if (judged_.is_signed) return true;
        drop(i);
        first(kind).reset();
        return true;
    }
    if (kind == Field::to && text::iequals(text::trim(value), "undisclosed-recipients") && !judged_.is_signed) {
        replace(i, "To: undisclosed-recipients:;\r\n");
        repaired("completed", "To");
        return true;
    }
    const mail::AddressField addresses = mail::read_address_field(value);
    if (of_one && !check_one(i, addresses)) return false;
    mail::AddressPolicy policy;
    policy.domain = domain_;
    const std::vector<std::string> machine = machine_domains(value, addresses);
    policy.local_domains = machine;
    // To programs of this machine bare names are names: "From: root (Cron Daemon)".
    policy.complete = (options_.complete_addresses || submission_.caller) && !judged_.is_signed;
    policy.encode = options_.encode_header && !judged_.is_signed;
    policy.utf8 = envelope_.smtputf8;
    mail::AddressRepair repair = mail::repair_addresses(value, addresses, submitted.name.size() + 1, policy);
    switch (repair.mistake) {
        case mail::AddressMistake::bare:
            if (judged_.is_signed && !of_one) break;
            return fail(554, "5.6.0", "There is an address without a domain in " + place(i));
        case mail::AddressMistake::encoded_word:
            return fail(554, "5.6.0", "There is an encoded word in place of an address in " + place(i));
        case mail::AddressMistake::eight_bit:
            return fail_8bit(i, text::is_utf8(value));
        case mail::AddressMistake::none:
            break;
    }
    if (envelope_.smtputf8 && !text::is_utf8(value)) return fail_8bit(i, false);
    if (judged_.is_signed) repair = {};   // SUB-17
    if (repair.changed()) {
        // What was done to From by the decision is told already.
        if (kind != Field::from || !decision_ || !repair.completed) {
            repaired(repair.completed ? "completed" : repair.encoded ? "encoded" : "quoted", submitted.name);
        }
        value = repair.value;
        // A letter may have become an address of 255 octets.
        if (value.size() > rules_.max_header_size) {
            return fail(552, "5.3.4", "With its addresses completed or encoded, the field in " + place(i) + " is larger than " +
                                          std::to_string(rules_.max_header_size) + " octets");
        }
    }
    const bool changed = is_joined || repair.changed();
    if (kind == Field::from) from_ = value;
    if (kind == Field::sender) {
        const mail::MailboxList list = mail::parse_mailboxes(value);
        if (!check_qualified(i, list)) return false;
        // Mail programs show "sent by ... on behalf of ...": it is held to the same rule as From.
        if (!list.mailboxes.empty() && !may_be_sent_by(list.mailboxes.front(), "Sender")) return false;
    }
    if (!changed) return fold(i, true, submitted.raw, false);
    return fold(i, true, std::string(submitted.name) + ":" + std::string(value) + "\r\n", true);
}

bool Judge::check_one(std::size_t i, const mail::AddressField& field) {
    const std::string name(block_[i].name);
    if (field.addresses.size() > 1 && field.sound) {
        return fail(554, "5.6.0", "The " + name + " field must name exactly one address: " + place(i));
    }
    if (field.addresses.size() != 1 || !field.sound || field.has_group || field.addresses.front().has_route) {
        return fail(550, "5.6.0", "No single address of the form user@domain can be read in the " + name + " field: " +
                                      place(i) + " begins " + quoted(text::trim(block_[i].value)));
    }
    return true;
}

bool Judge::check_qualified(std::size_t i, const mail::MailboxList& list) {
    if (list.mailboxes.size() != 1) return check_one(i, {});
    const std::string& domain = list.mailboxes.front().domain;
    if (mail::is_address_literal(domain) || domain.find('.') != std::string::npos) return true;
    return fail(554, "5.6.0", "The domain " + quoted(domain) + " is not fully qualified: " + place(i));
}

bool Judge::check_author() {
    if (!first(Field::from)) {
        from_ = added_from_;
        judged_.repaired.emplace_back("added From");
    }
    mail::MailboxList list = mail::parse_mailboxes(from_);
    if (first(Field::from) && !check_qualified(*first(Field::from), list)) return false;
    if (list.mailboxes.size() != 1) {
        return fail(550, "5.6.0", "The message has no From field, and its envelope's sender makes none");
    }
    author_ = std::move(list.mailboxes.front());
    return may_be_sent_by(author_, "From");
}

bool Judge::may_be_sent_by(const mail::Mailbox& mailbox, const char* field) {
    if (!submission_.senders || submission_.senders->allow(mailbox.local, mailbox.domain)) return true;
    fail(550, "5.7.1", std::string("This account may not send with that address in ") + field);
    refusal_->of_sender = true;
    return false;
}

}  // namespace posthorn::intake
