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
#include "intake/header_judge.hpp"
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
#include "toml/units.hpp"

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
constexpr std::size_t kMostTold = 50;       // repairs of one message
constexpr std::uint32_t kNearlyALoop = 5;   // Received fields left (SMTP-17)

std::string number(std::uint64_t value) { return std::to_string(value); }

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

}  // namespace

std::string quoted(std::string_view line) {
    std::string safe = "\"";
    for (const char c : line.substr(0, 40)) safe += text::is_graphic(c) || c == ' ' ? c : '?';
    return safe + (line.size() > 40 ? "...\"" : "\"");
}

std::variant<JudgedHeader, Refusal> Judge::run(std::string_view received) {
    if (!(check_block() && look_at_fields() && check_addresses() && check_author() && choose_stream())) {
        return std::move(*refusal_);
    }
    write(received);
    return std::move(judged_);
}

std::string Judge::place(std::size_t index) const {
    const mail::HeaderField field = block_[index];
    const char* const begin = block_.text().data();
    const auto line = 1 + std::count(begin, field.raw.data(), '\n');
    return "line " + number(static_cast<std::uint64_t>(line)) + " (" + std::string(field.name.substr(0, 60)) + ")";
}

void Judge::repaired(std::string_view what, std::string_view name) {
    // All of it becomes one line of the log.
    if (judged_.repaired.size() < kMostTold) {
        judged_.repaired.push_back(std::string(what) + " " + std::string(name.substr(0, 60)));
    } else if (judged_.repaired.size() == kMostTold) {
        judged_.repaired.emplace_back("and more");
    }
}

void Judge::replace(std::size_t index, std::string raw) {
    const auto found = std::find_if(changes_.begin(), changes_.end(), [index](const auto& change) { return change.first == index; });
    if (found == changes_.end()) {
        changes_.emplace_back(index, std::move(raw));
    } else {
        found->second = std::move(raw);
    }
}

void Judge::drop(std::size_t index) {
    repaired("removed", block_[index].name);
    replace(index, {});
}

bool Judge::check_block() {
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

bool Judge::look_at_fields() {
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

void Judge::note_habits(const mail::HeaderField& field) {
    const bool is_script = text::iequals(field.name, "X-PHP-Originating-Script") || text::iequals(field.name, "X-PHP-Script");
    if (is_script && judged_.script.empty()) judged_.script = mail::unfold(field.value);
    if (text::iequals(field.name, "X-Cron-Env")) from_cron_ = true;
    if (text::iequals(field.name, "Auto-Submitted")) says_automatic_ = true;
}

bool Judge::look_at(std::size_t i, Field kind, bool ascii) {
    const mail::HeaderField field = block_[i];
    if (kind == Field::removed || kind == Field::control_stream) {  // SMTP-15, SMTP-16, SUB-19
        drop(i);
        return true;
    }
    if (kind == Field::control_expiry) {
        drop(i);
        return read_expiry(field);
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

bool Judge::goes_by_wish(Field kind, const mail::HeaderField& field) const {
    if (kind == Field::received) return options_.remove_private_received && tells_a_private_address(field.value);
    if (kind != Field::other && kind != Field::structured) return false;
    return std::any_of(options_.remove_fields.begin(), options_.remove_fields.end(),
                       [&field](const std::string& name) { return text::iequals(name, field.name); });
}

bool Judge::check_single(std::size_t i, Field kind) {
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

bool Judge::check_size(std::size_t i, Field kind) {
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

bool Judge::check_date(std::size_t i) {
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

bool Judge::check_message_id(std::size_t i) {
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

bool Judge::encode_text(std::size_t i, Field kind, std::string& encoded) {
    const mail::HeaderField field = block_[i];
    const bool utf8 = text::is_utf8(field.value);
    if (envelope_.smtputf8 && utf8) return true;
    if (!utf8 || !is_text(kind) || !options_.encode_header || judged_.is_signed) return fail_8bit(i, utf8);
    encoded = std::string(field.name) + ":" + mail::encode_unstructured(field.value, field.name.size() + 1) + "\r\n";
    repaired("encoded", field.name);
    return true;
}

bool Judge::fail_8bit(std::size_t i, bool utf8) {
    return fail(550, "5.6.7", "The header has octets above 127 in " + place(i) +
                                  (utf8 ? ", where they would need SMTPUTF8" : ", and they are not UTF-8"));
}

bool Judge::fold(std::size_t i, bool is_list, std::string_view raw, bool changed) {
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

// Whoever may hand in mail here may say so of his own: nobody else's comes this way.
bool Judge::read_expiry(const mail::HeaderField& field) {
    const std::optional<Duration> lifetime = toml::parse_duration(text::trim(mail::unfold(field.value)));
    if (!lifetime || *lifetime <= Duration(0) || judged_.lifetime)
        return fail(554, "5.6.0", std::string(kExpiryField) + (judged_.lifetime ? " stands there twice" : " is no time such as 30m, 1h or 2d"));
    judged_.lifetime = lifetime;
    return true;
}

bool Judge::choose_stream() {
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

std::string Judge::message_id() const {
    const Result<std::string> domain = mail::to_ascii(author_.domain);
    const std::string& right = domain ? *domain : rules_.hostname;
    if (!message_id_left_.empty()) return "Message-ID: " + std::string(message_id_left_) + right + ">\r\n";
    return "Message-ID: " + mail::make_message_id(submission_.id, right) + "\r\n";
}

void Judge::write(std::string_view received) {
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
    if (header.empty() && !submission.caller) return Refusal{554, "5.6.0", "The message does not begin with a header"};
    return Judge(std::move(header), rules, submission, envelope).run(received);
}

}  // namespace posthorn::intake
