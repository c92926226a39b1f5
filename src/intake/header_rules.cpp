// Looks at every field once, notes what changes, and writes the new text in one go: see header_rules.hpp.
#include "intake/header_rules.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <unordered_set>
#include <utility>

#include "auth/stream.hpp"
#include "base/text.hpp"
#include "intake/field_names.hpp"
#include "mail/address.hpp"
#include "mail/address_repair.hpp"
#include "mail/date.hpp"
#include "mail/domain.hpp"
#include "mail/encoded_word.hpp"
#include "mail/header.hpp"
#include "mail/mailbox.hpp"
#include "mail/message_id.hpp"
#include "mail/mime_text.hpp"
#include "mail/phrase.hpp"
#include "mail/refold.hpp"

namespace posthorn::intake {
namespace {

// What Gmail takes ("Gmail message header limits"); of one field: IntakeOptions::max_field_size.
constexpr std::size_t kMaxFields = 5000;
constexpr std::size_t kMaxSubject = 998;
constexpr std::size_t kMaxMessageId = 500;
// To, Cc and Reply-To that become one each: all of them are read again with each one that is added.
constexpr std::size_t kMaxJoined = 20;
// What others are known to stumble over (SUB-20): told to the operator.
constexpr std::size_t kLargeField = 8 * 1024;
constexpr std::size_t kLargeHeader = 60 * 1024;
constexpr std::size_t kMaxDisplay = 300;    // of a name that we write anew
constexpr std::size_t kColumn = 10;         // where it begins: after "Reply-To: "
constexpr std::size_t kMostTold = 50;       // repairs of one message
constexpr std::uint32_t kNearlyALoop = 5;   // Received fields left (SMTP-17)

std::string number(std::uint64_t value) { return std::to_string(value); }

// The beginning of a line, fit for a reply.
std::string quoted(std::string_view line) {
    std::string safe = "\"";
    for (const char c : line.substr(0, 40)) safe += text::is_graphic(c) || c == ' ' ? c : '?';
    return safe + (line.size() > 40 ? "...\"" : "\"");
}

Refusal refuse(std::uint16_t code, std::string_view enhanced, std::string text) { return {code, enhanced, std::move(text)}; }

// RFC 6376 s3.5: what every signature has. Anything else by that name protects nothing.
bool looks_signed(std::string_view value) {
    std::string compact;
    for (const char c : value)
        if (!text::is_space(c)) compact += c;
    compact.insert(0, 1, ';');
    return compact.find(";d=") != std::string::npos && compact.find(";s=") != std::string::npos &&
           compact.find(";bh=") != std::string::npos && compact.find(";b=") != std::string::npos;
}

// RFC 8601 s2.2: the name stands first, comments aside.
bool claims_to_be(std::string_view value, std::string_view hostname) {
    std::string_view id = text::trim(value);
    id = id.substr(0, id.find_first_of("; \t\r\n("));
    return text::iequals(id, hostname);
}

// "from c0ffee (unknown [172.17.0.2]) by ..."
bool tells_a_private_address(std::string_view received) {
    received = received.substr(0, received.find(" by "));
    for (std::size_t at = received.find('['); at != std::string_view::npos; at = received.find('[', at + 1)) {
        const std::size_t end = received.find(']', at);
        if (end == std::string_view::npos) return false;
        std::string_view inside = received.substr(at + 1, end - at - 1);
        if (text::istarts_with(inside, "IPv6:")) inside.remove_prefix(5);
        const auto address = IpAddress::parse(inside);
        if (address && address->is_private()) return true;
    }
    return false;
}

std::string key_of(const mail::Mailbox& one) { return one.local + '@' + text::to_lower(one.domain); }

// Whether all of these are among those.
bool are_among(const mail::MailboxList& these, const mail::MailboxList& those) {
    if (!these.clean || these.mailboxes.empty()) return false;
    std::unordered_set<std::string> known;
    for (const mail::Mailbox& one : those.mailboxes) known.insert(key_of(one));
    return std::all_of(these.mailboxes.begin(), these.mailboxes.end(),
                       [&known](const mail::Mailbox& one) { return known.contains(key_of(one)); });
}

bool names_people(const mail::MailboxList& list) {
    return std::any_of(list.mailboxes.begin(), list.mailboxes.end(), [](const mail::Mailbox& one) { return !one.display.empty(); });
}

// Two lists as one. Of two that name the same addresses the one that names the people stays.
void join(std::string& value, std::string_view again) {
    const mail::MailboxList all = mail::parse_mailboxes(value);
    const mail::MailboxList more = mail::parse_mailboxes(again);
    const bool old_among_new = are_among(all, more);
    if (are_among(more, all)) {
        if (old_among_new && names_people(more) && !names_people(all)) value = again;
    } else if (old_among_new || text::trim(value).empty()) {
        value = again;
    } else if (!text::trim(again).empty()) {
        value.append(",\r\n ").append(text::trim(again));
    }
}

class Judge {
public:
    Judge(std::string header, const Rules& rules, const Submission& submission, const mail::Envelope& envelope)
        : block_(std::move(header)),
          rules_(rules),
          options_(rules.options),
          submission_(submission),
          envelope_(envelope),
          domain_(submission.sender_policy ? submission.sender_policy->domains.front() : qualify_domain(rules, envelope.reverse_path)) {}

    std::variant<JudgedHeader, Refusal> run(std::string_view received) {
        if (!(check_block() && look_at_fields() && check_addresses() && check_author() && choose_stream())) {
            return std::move(*refusal_);
        }
        write(received);
        return std::move(judged_);
    }

private:
    using Position = std::optional<std::size_t>;

    bool fail(std::uint16_t code, std::string_view enhanced, std::string text) {
        refusal_ = refuse(code, enhanced, std::move(text));
        return false;
    }
    Position& first(Field field) { return first_[static_cast<std::size_t>(field)]; }
    std::string& joined_of(Field field) { return joined_[static_cast<std::size_t>(field)]; }

    // "line 3 (Subject)" of the header as submitted.
    [[nodiscard]] std::string place(std::size_t index) const {
        const mail::HeaderField field = block_[index];
        const char* const begin = block_.text().data();
        const auto line = 1 + std::count(begin, field.raw.data(), '\n');
        return "line " + number(static_cast<std::uint64_t>(line)) + " (" + std::string(field.name.substr(0, 60)) + ")";
    }

    void repaired(std::string_view what, std::string_view name) {
        // All of it becomes one line of the log.
        if (judged_.repaired.size() < kMostTold) {
            judged_.repaired.push_back(std::string(what) + " " + std::string(name.substr(0, 60)));
        } else if (judged_.repaired.size() == kMostTold) {
            judged_.repaired.emplace_back("and more");
        }
    }
    void replace(std::size_t index, std::string raw) {
        const auto found = std::find_if(changes_.begin(), changes_.end(), [index](const auto& change) { return change.first == index; });
        if (found == changes_.end()) {
            changes_.emplace_back(index, std::move(raw));
        } else {
            found->second = std::move(raw);
        }
    }
    void drop(std::size_t index) {
        repaired("removed", block_[index].name);
        replace(index, {});
    }

    // RFC 5322 s2.2: it is a header at all. Treating the rest as body instead would let a stray line move fields there (SUB-16).
    bool check_block() {
        const auto fault = block_.fault(mail::HeaderBlock::LongLines::pass);
        if (!fault) {
            if (block_.size() > kMaxFields) return fail(552, "5.3.4", "The header has more than " + number(kMaxFields) + " fields");
            if (block_.text().size() > kLargeHeader) {
                judged_.warnings.push_back("the header has " + number(block_.text().size()) + " octets; some receivers refuse that");
            }
            return true;
        }
        std::size_t at = 0;
        for (std::size_t line = 1; line < fault->line; ++line) at = block_.text().find('\n', at) + 1;
        std::string_view line = std::string_view(block_.text()).substr(at);
        line = line.substr(0, line.find_first_of("\r\n"));
        // The field the line belongs to, or the one before it.
        std::string_view name;
        for (std::size_t i = 0; i < block_.size(); ++i) {
            const mail::HeaderField field = block_[i];
            if (static_cast<std::size_t>(field.raw.data() - block_.text().data()) > at) break;
            if (!field.name.empty()) name = field.name;
        }
        std::string text = "Malformed header, line " + number(fault->line) + ": it " + fault->problem;
        if (!name.empty()) text += ", in or behind the field " + std::string(name.substr(0, 60));
        return fail(554, "5.6.0", text + "; the line begins " + quoted(line));
    }

    bool look_at_fields() {
        std::vector<Field> kinds(block_.size());
        std::uint32_t received = 0;
        for (std::size_t i = 0; i < block_.size(); ++i) {
            const mail::HeaderField field = block_[i];
            kinds[i] = classify(field.name);
            if (kinds[i] == Field::received) ++received;
            if (kinds[i] == Field::dkim_signature && looks_signed(field.value)) judged_.is_signed = true;
            if (submission_.caller) note_habits(field);
            if (kinds[i] == Field::control_stream || kinds[i] == Field::list_unsubscribe ||
                kinds[i] == Field::list_unsubscribe_post) {
                concerns_streams_ = true;
            }
        }
        if (received > rules_.max_received_fields) {  // RFC 5321 s6.3, SMTP-17
            return fail(554, "5.4.6", "Too many hops: the message has " + number(received) +
                                          " Received fields and is probably in a loop");
        }
        if (received + kNearlyALoop >= rules_.max_received_fields) {
            judged_.warnings.push_back("the message has " + number(received) + " Received fields; at " +
                                       number(rules_.max_received_fields) + " it is taken for a loop");
        }
        const bool ascii = text::is_ascii(block_.text());
        for (std::size_t i = 0; i < block_.size(); ++i) {
            if (!look_at(i, kinds[i], ascii)) return false;
        }
        judged_.has_mime_version = first(Field::mime_version).has_value();
        return true;
    }

    // What programs of this machine tell of themselves.
    void note_habits(const mail::HeaderField& field) {
        const bool is_script = text::iequals(field.name, "X-PHP-Originating-Script") || text::iequals(field.name, "X-PHP-Script");
        if (is_script && judged_.script.empty()) judged_.script = mail::unfold(field.value);
        if (text::iequals(field.name, "X-Cron-Env")) from_cron_ = true;
        if (text::iequals(field.name, "Auto-Submitted")) says_automatic_ = true;
    }

    bool look_at(std::size_t i, Field kind, bool ascii) {
        const mail::HeaderField field = block_[i];
        if (kind == Field::removed || kind == Field::control_stream) {  // SMTP-15, SMTP-16, SUB-19
            drop(i);
            return true;
        }
        if (kind == Field::authentication_results && claims_to_be(field.value, rules_.hostname)) {  // RFC 8601 s5
            drop(i);
            return true;
        }
        if (!judged_.is_signed && goes_by_wish(kind, field)) {
            drop(i);
            return true;
        }
        if (is_single(kind) && !check_single(i, kind)) return false;
        if (is_single(kind) && first(kind) != i) return true;   // dropped or joined
        if (!check_size(i, kind)) return false;
        if (kind == Field::date) return check_date(i);
        if (kind == Field::message_id) return check_message_id(i);
        // Address fields have their turn when all of them are known.
        if (holds_addresses(kind)) return true;
        std::string encoded;
        if (!ascii && !text::is_ascii(field.value) && !encode_text(i, kind, encoded)) return false;
        return fold(i, kind == Field::references || kind == Field::in_reply_to, encoded.empty() ? field.raw : encoded,
                    !encoded.empty());
    }

    [[nodiscard]] bool goes_by_wish(Field kind, const mail::HeaderField& field) const {
        if (kind == Field::received) return options_.remove_private_received && tells_a_private_address(field.value);
        if (kind != Field::other && kind != Field::structured) return false;
        return std::any_of(options_.remove_fields.begin(), options_.remove_fields.end(),
                           [&field](const std::string& name) { return text::iequals(name, field.name); });
    }

    // SUB-11. PHP programs put To and Subject into the additional headers as well: the second, the same as the first, goes.
    bool check_single(std::size_t i, Field kind) {
        Position& known = first(kind);
        if (!known) {
            known = i;
            return true;
        }
        const std::string_view before = text::trim(block_[*known].value);
        const std::string_view again = text::trim(block_[i].value);
        const bool same = before == again;
        if (judged_.is_signed || (!same && !may_be_joined(kind))) {
            return fail(554, "5.6.0", "The message has more than one " + std::string(block_[*known].name) + " field: " + place(*known) +
                                          " and " + place(i) + (same ? ", and is signed as it is" : " differ"));
        }
        if (!same) {
            if (++joins_ > kMaxJoined) {
                return fail(554, "5.6.0", "The message has too many " + std::string(block_[*known].name) + " fields that differ: " +
                                              place(i) + "; they may be put into one");
            }
            std::string& value = joined_[static_cast<std::size_t>(kind)];
            if (value.empty()) value = block_[*known].value;
            join(value, block_[i].value);
        }
        repaired(same ? "removed second" : "joined", block_[i].name);
        replace(i, {});
        return true;
    }

    bool check_size(std::size_t i, Field kind) {
        const mail::HeaderField field = block_[i];
        const std::size_t size = field.value.size();
        if (size <= kMaxSubject || kind == Field::to || kind == Field::cc || kind == Field::references) return true;
        if (size > options_.max_field_size) {
            return fail(552, "5.3.4", "The header field in " + place(i) + " is larger than " + number(options_.max_field_size) + " octets");
        }
        if (kind == Field::subject && mail::unfold(field.value).size() > kMaxSubject) {
            return fail(552, "5.3.4", "The subject in " + place(i) + " is longer than " + number(kMaxSubject) + " octets");
        }
        if (size > kLargeField) {
            judged_.warnings.push_back("the header field in " + place(i) + " has " + number(size) + " octets; some receivers refuse that");
        }
        return true;
    }

    // SUB-8.
    bool check_date(std::size_t i) {
        const auto date = mail::parse_date(block_[i].value);
        if (!date) {
            if (judged_.is_signed) return fail(554, "5.6.0", "The message is signed, and its Date cannot be read: " + place(i));
            repaired("replaced", "Date");
            replace(i, "Date: " + mail::format_date(submission_.now) + "\r\n");
            return true;
        }
        const auto off = *date > submission_.now ? *date - submission_.now : submission_.now - *date;
        if (off > std::chrono::hours(24)) {
            judged_.warnings.push_back("Date is more than a day off (" + text::safe_for_log(mail::unfold(block_[i].value), 60) +
                                       "); Yahoo refuses that");
        }
        return fold(i, false, block_[i].raw, false);
    }

    // SUB-7.
    bool check_message_id(std::size_t i) {
        const std::string_view value = block_[i].value;
        if (mail::is_valid_message_id(value) && value.size() <= kMaxMessageId && text::is_ascii(value)) {
            // PHPMailer's and mutt's have this machine's name on the right. The left side makes them unique and stays, so that
            // who made it knows it again in an answer.
            const std::string_view id = text::trim(value);
            const std::size_t at = id.rfind('@');
            const bool plain = id.starts_with('<') && id.ends_with('>') && at != std::string_view::npos;
            if (!plain || !submission_.sender_policy || judged_.is_signed ||
                standing_of(*submission_.sender_policy, id.substr(at + 1, id.size() - at - 2)) != Standing::machine) {
                return fold(i, false, block_[i].raw, false);
            }
            replace_message_id_ = i;
            message_id_left_ = id.substr(0, at + 1);
            repaired("completed", "Message-ID");
            return true;
        }
        if (judged_.is_signed) {
            return fail(554, "5.6.0", "The message is signed, and its Message-ID is not valid: " + place(i));
        }
        replace_message_id_ = i;
        repaired("replaced", "Message-ID");
        return true;
    }

    // SUB-14.
    bool encode_text(std::size_t i, Field kind, std::string& encoded) {
        const mail::HeaderField field = block_[i];
        const bool utf8 = text::is_utf8(field.value);
        if (envelope_.smtputf8 && utf8) return true;
        if (!utf8 || !is_text(kind) || !options_.encode_header || judged_.is_signed) return fail_8bit(i, utf8);
        encoded = std::string(field.name) + ":" + mail::encode_unstructured(field.value, field.name.size() + 1) + "\r\n";
        repaired("encoded", field.name);
        return true;
    }
    bool fail_8bit(std::size_t i, bool utf8) {
        return fail(550, "5.6.7", "The header has octets above 127 in " + place(i) +
                                      (utf8 ? ", where they would need SMTPUTF8" : ", and they are not UTF-8"));
    }

    // SUB-13: lines over 998 octets.
    bool fold(std::size_t i, bool is_list, std::string_view raw, bool changed) {
        std::optional<std::string> folded;
        if (raw.size() > mail::kMaxLineOctets && mail::has_long_line(raw)) {
            if (options_.long_lines == LongLines::re_encode && !judged_.is_signed) folded = mail::refold(raw, is_list);
            if (!folded) {
                return fail(554, "5.6.0", "The header has a line of more than " + number(mail::kMaxLineOctets) + " octets: " + place(i));
            }
            raw = *folded;
            changed = true;
            repaired("folded", block_[i].name);
        }
        if (changed) replace(i, std::string(raw));
        return true;
    }

    bool check_addresses() {
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

    // SD-2: as whom mail of this machine leaves.
    bool decide_sender() {
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

    bool carry_out(const std::optional<mail::Mailbox>& from) {
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

    // The one address of From or Sender; its domain is empty where it is bare.
    static mail::Mailbox mailbox_of(std::string_view value, const mail::AddressField& addresses) {
        mail::MailboxList list = mail::parse_mailboxes(value);
        if (list.mailboxes.size() == 1) return std::move(list.mailboxes.front());
        const mail::AddressPlace& place = addresses.addresses.front();
        return {{}, std::string(place.local.of(value)), std::string(place.domain.of(value))};
    }

    // " \"Anna via example.com\" <address>". `via` may be empty.
    [[nodiscard]] std::string named_address(const std::string& display, const std::string& via, const std::string& address) const {
        const std::string phrase =
            mail::write_phrase(display.size() <= kMaxDisplay ? display : std::string(), via, kColumn, envelope_.smtputf8);
        return " " + phrase + (phrase.empty() ? "<" : " <") + address + ">";
    }

    // What From is to hold by the decision, where that is more than another domain; nothing: what it holds.
    [[nodiscard]] std::optional<std::string> decided_from(std::string_view value) const {
        using From = SenderDecision::From;
        if (!decision_ || (decision_->from != From::address && decision_->from != From::on_behalf)) return std::nullopt;
        const std::string& address = decision_->from_address;
        if (decision_->from == From::on_behalf) return named_address(decision_->from_display, "via " + mail::destination_of(address), address);
        const mail::AddressPlace place = mail::read_address_field(value).addresses.front();
        const std::size_t end = place.domain.empty() ? place.local.end : place.domain.end;
        return std::string(value.substr(0, place.local.begin)).append(address).append(value.substr(end));
    }

    // The domains of this field that mean this machine, as they are written there.
    [[nodiscard]] std::vector<std::string> machine_domains(std::string_view value, const mail::AddressField& addresses) const {
        std::vector<std::string> names;
        if (!submission_.sender_policy) return options_.local_domains;
        for (const mail::AddressPlace& place : addresses.addresses) {
            const std::string_view domain = place.domain.of(value);
            if (domain.empty() || standing_of(*submission_.sender_policy, domain) != Standing::machine) continue;
            if (std::find(names.begin(), names.end(), domain) == names.end()) names.emplace_back(domain);
        }
        return names;
    }

    bool check_address_field(std::size_t i, Field kind) {
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
                                              number(rules_.max_header_size) + " octets");
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

    // SUB-9, SUB-10: From and Sender name one mailbox. Several in From are legal with a Sender, refused by Gmail, and without a
    // meaning for DMARC (RFC 7489 s6.6.1).
    bool check_one(std::size_t i, const mail::AddressField& field) {
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

    // SUB-2: names of one label mean something here at most, and names of several are never completed (RFC 6409 s4.2).
    bool check_qualified(std::size_t i, const mail::MailboxList& list) {
        if (list.mailboxes.size() != 1) return check_one(i, {});
        const std::string& domain = list.mailboxes.front().domain;
        if (mail::is_address_literal(domain) || domain.find('.') != std::string::npos) return true;
        return fail(554, "5.6.0", "The domain " + quoted(domain) + " is not fully qualified: " + place(i));
    }

    bool check_author() {
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

    // SUB-6: what people see is what the account must have a right to, not only the envelope.
    bool may_be_sent_by(const mail::Mailbox& mailbox, const char* field) {
        if (!submission_.senders || submission_.senders->allow(mailbox.local, mailbox.domain)) return true;
        fail(550, "5.7.1", std::string("This account may not send with that address in ") + field);
        refusal_->of_sender = true;
        return false;
    }

    bool choose_stream() {
        if (rules_.streams.empty() && !concerns_streams_) return true;
        const std::string address = author_.address();
        auth::StreamFacts facts;
        facts.user = submission_.user;
        facts.from = address;
        facts.header = block_.text();
        facts.null_sender = envelope_.reverse_path.empty();
        auth::StreamChoice choice = auth::choose_stream(rules_.streams, facts);
        if (!choice.refusal.empty()) return fail(554, "5.6.0", std::move(choice.refusal));
        if (choice.stream) judged_.stream = choice.stream->name;
        return true;
    }

    // SUB-7: its right side is the author's domain, never a container's name: receivers compare them.
    [[nodiscard]] std::string message_id() const {
        const Result<std::string> domain = mail::to_ascii(author_.domain);
        const std::string& right = domain ? *domain : rules_.hostname;
        if (!message_id_left_.empty()) return "Message-ID: " + std::string(message_id_left_) + right + ">\r\n";
        return "Message-ID: " + mail::make_message_id(submission_.id, right) + "\r\n";
    }

    void write(std::string_view received) {
        if (replace_message_id_) replace(*replace_message_id_, message_id());
        std::sort(changes_.begin(), changes_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        std::string& out = judged_.text;
        out.reserve(received.size() + block_.text().size() + 320);
        out.append(received);
        std::size_t done = 0;   // octets of the block
        for (const auto& [index, raw] : changes_) {
            const std::string_view old = block_[index].raw;
            const auto begin = static_cast<std::size_t>(old.data() - block_.text().data());
            out.append(block_.text(), done, begin - done).append(raw);
            done = begin + old.size();
        }
        out.append(block_.text(), done);
        if (!first(Field::from)) out.append("From:").append(added_from_).append("\r\n");
        if (!added_reply_to_.empty()) out.append("Reply-To:").append(added_reply_to_).append("\r\n");
        // Missing ones are added to signed mail, too: receivers refuse mail without them, and a signature rarely covers absence.
        if (!first(Field::date)) {
            out.append("Date: ").append(mail::format_date(submission_.now)).append("\r\n");
            judged_.repaired.emplace_back("added Date");
        }
        if (!first(Field::message_id)) {
            out.append(message_id());
            judged_.repaired.emplace_back("added Message-ID");
        }
        if (from_cron_ && !says_automatic_ && !judged_.is_signed) {   // SM-50, RFC 3834 s5
            out.append("Auto-Submitted: auto-generated\r\n");
            judged_.repaired.emplace_back("added Auto-Submitted");
        }
        if (options_.add_to && !judged_.is_signed && !first(Field::to) && !first(Field::cc)) {
            out.append("To: undisclosed-recipients:;\r\n");   // RFC 5322 s3.4, SUB-12
            judged_.repaired.emplace_back("added To");
        }
    }

    const mail::HeaderBlock block_;
    const Rules& rules_;
    const IntakeOptions& options_;
    const Submission& submission_;
    const mail::Envelope& envelope_;
    const std::string domain_;

    JudgedHeader judged_;
    std::optional<Refusal> refusal_;
    std::array<Position, kFields> first_{};            // where each field of SUB-11 stands
    std::array<std::string, kFields> joined_;          // values of several To, Cc or Reply-To, once there were several
    std::size_t joins_ = 0;
    std::vector<std::pair<std::size_t, std::string>> changes_;   // field and what stands there instead
    Position replace_message_id_;
    std::string_view message_id_left_;           // "<...@" of one whose right side is a name of this machine
    bool concerns_streams_ = false;
    std::string added_from_, added_reply_to_;
    std::optional<SenderDecision> decision_;           // where a policy makes one
    bool from_cron_ = false, says_automatic_ = false;
    std::string from_;
    mail::Mailbox author_;
};

}  // namespace

std::string qualify_domain(const Rules& rules, std::string_view reverse_path) {
    if (!rules.options.qualify_domain.empty()) return rules.options.qualify_domain;
    std::string sender = mail::destination_of(reverse_path);
    const auto& local = rules.options.local_domains;
    const bool is_local = std::any_of(local.begin(), local.end(),
                                      [&sender](const std::string& name) { return text::iequals(name, sender); });
    return mail::is_fqdn(sender) && !is_local ? sender : rules.first_domain;
}

std::variant<JudgedHeader, Refusal> judge_header(std::string header, std::string_view received, const Rules& rules,
                                                 const Submission& submission, const mail::Envelope& envelope) {
    // A program of this machine may hand in text alone (SM-22); from anywhere else that is a broken message.
    if (header.empty() && !submission.caller) return refuse(554, "5.6.0", "The message does not begin with a header");
    return Judge(std::move(header), rules, submission, envelope).run(received);
}

}  // namespace posthorn::intake
