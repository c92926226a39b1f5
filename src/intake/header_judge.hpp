// The judge of one header: what it has seen and decided so far. header_rules.cpp has its rules of fields, header_people.cpp those of
// addresses and of who is its author.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "intake/field_names.hpp"
#include "intake/header_rules.hpp"
#include "mail/address_field.hpp"
#include "mail/header.hpp"
#include "mail/mailbox.hpp"

namespace posthorn::intake {

// The beginning of a line, fit for a reply.
[[nodiscard]] std::string quoted(std::string_view line);

// Made for one header and used once, by judge_header(). What it is given by reference outlives it. Its methods that return bool say
// whether the header may go on; where it may not, they have said why in refusal_.
class Judge {
public:
    Judge(std::string header, const Rules& rules, const Submission& submission, const mail::Envelope& envelope)
        : block_(std::move(header)),
          rules_(rules),
          options_(rules.options),
          submission_(submission),
          envelope_(envelope),
          domain_(submission.sender_policy ? submission.sender_policy->domains.front() : qualify_domain(rules, envelope.reverse_path)) {}

    std::variant<JudgedHeader, Refusal> run(std::string_view received);

private:
    using Position = std::optional<std::size_t>;
    bool fail(std::uint16_t code, std::string_view enhanced, std::string text) {
        refusal_ = Refusal{code, enhanced, std::move(text)};
        return false;
    }
    Position& first(Field field) { return first_[static_cast<std::size_t>(field)]; }
    std::string& joined_of(Field field) { return joined_[static_cast<std::size_t>(field)]; }

    // "line 3 (Subject)" of the header as submitted.
    [[nodiscard]] std::string place(std::size_t index) const;
    void repaired(std::string_view what, std::string_view name);
    void replace(std::size_t index, std::string raw);
    void drop(std::size_t index);

    // RFC 5322 s2.2: it is a header at all. Treating the rest as body instead would let a stray line move fields there (SUB-16).
    bool check_block();
    bool look_at_fields();

    // What programs of this machine tell of themselves.
    void note_habits(const mail::HeaderField& field);
    bool look_at(std::size_t i, Field kind, bool ascii);

    [[nodiscard]] bool goes_by_wish(Field kind, const mail::HeaderField& field) const;

    // SUB-11. PHP programs put To and Subject into the additional headers as well: the second, the same as the first, goes.
    bool check_single(std::size_t i, Field kind);
    bool check_size(std::size_t i, Field kind);

    // SUB-8.
    bool check_date(std::size_t i);

    // SUB-7.
    bool check_message_id(std::size_t i);

    // SUB-14.
    bool encode_text(std::size_t i, Field kind, std::string& encoded);
    bool fail_8bit(std::size_t i, bool utf8);

    // SUB-13: lines over 998 octets.
    bool fold(std::size_t i, bool is_list, std::string_view raw, bool changed);
    bool check_addresses();

    // SD-2: as whom mail of this machine leaves.
    bool decide_sender();
    bool carry_out(const std::optional<mail::Mailbox>& from);

    // The one address of From or Sender; its domain is empty where it is bare.
    static mail::Mailbox mailbox_of(std::string_view value, const mail::AddressField& addresses);

    // " \"Anna via example.com\" <address>". `via` may be empty.
    [[nodiscard]] std::string named_address(const std::string& display, const std::string& via, const std::string& address) const;

    // What From is to hold by the decision, where that is more than another domain; nothing: what it holds.
    [[nodiscard]] std::optional<std::string> decided_from(std::string_view value) const;

    // The domains of this field that mean this machine, as they are written there.
    [[nodiscard]] std::vector<std::string> machine_domains(std::string_view value, const mail::AddressField& addresses) const;
    bool check_address_field(std::size_t i, Field kind);

    // SUB-9, SUB-10: From and Sender name one mailbox. Several in From are legal with a Sender, refused by Gmail, and without a
    // meaning for DMARC (RFC 7489 s6.6.1).
    bool check_one(std::size_t i, const mail::AddressField& field);

    // SUB-2: names of one label mean something here at most, and names of several are never completed (RFC 6409 s4.2).
    bool check_qualified(std::size_t i, const mail::MailboxList& list);
    bool check_author();

    // SUB-6: what people see is what the account must have a right to, not only the envelope.
    bool may_be_sent_by(const mail::Mailbox& mailbox, const char* field);
    bool read_expiry(const mail::HeaderField& field);
    bool choose_stream();

    // SUB-7: its right side is the author's domain, never a container's name: receivers compare them.
    [[nodiscard]] std::string message_id() const;
    void write(std::string_view received);

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

}  // namespace posthorn::intake
