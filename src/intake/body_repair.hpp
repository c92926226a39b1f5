// Makes the lines of a body short enough for SMTP by re-encoding the parts that have long ones (RFC 5321 s4.5.3.1.6, SUB-13).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mime_walk.hpp"
#include "mail/transfer_coding.hpp"

namespace posthorn::intake {

// A long line is only known when it has been seen, and its part's header stands before it. So the body is read twice: survey()
// finds the parts, rewrite() writes the body anew. Where it comes from and goes to, memory or a file, is the caller's business.
//
// Changed are only parts with a line over 998 octets: text becomes quoted-printable, anything else base64; what was
// quoted-printable or base64 already is only cut anew. Their Content-Transfer-Encoding is put right, long lines of part
// headers are folded; charset, boundaries and every other octet stay.
// Never changed: signed and encrypted multiparts (RFC 1847 s2.1), attached messages (RFC 2046 s5.2.1: not to be encoded).
//
// GUARANTEE: any slicing gives the same body. Memory: a part's header, two bits of each part, of which there are at most
// kMaxParts.
class BodyRepair {
public:
    static constexpr std::size_t kMaxParts = 10000;

    // As the message's own header says it.
    BodyRepair(mail::ContentType type, mail::TransferEncoding encoding)
        : type_(std::move(type)), encoding_(encoding) {}

    // First all octets of the body, then the end; what comes back from there is why it cannot be done, or empty.
    void survey(std::string_view octets);
    [[nodiscard]] std::string_view end_of_survey();

    // Then, when it can, all octets once more.
    void rewrite(std::string_view octets, std::string& out);
    void end_of_rewrite(std::string& out);

    // After the survey: the new encoding when the message itself is the part that changes; else none.
    [[nodiscard]] std::optional<mail::TransferCoding> own_coding() const;

private:
    // What is known of one part: nothing, or that it changes.
    struct Survey final : mail::MimeVisitor {
        void structure(std::string_view octets) override;
        void part(const mail::MimePart& part, std::string_view header) override;
        void content(std::string_view octets) override;
        void part_end() override;
        void count(std::string_view octets);
        void give_up(std::string_view why);

        std::string_view trouble;        // of static storage
        std::vector<bool> changes;       // for each part that is no container
        mail::MimePart current;
        std::size_t line = 0;            // octets of the line under way
        bool last_was_cr = false;
        bool long_line = false;
    };

    struct Rewrite final : mail::MimeVisitor {
        void structure(std::string_view octets) override;
        void part(const mail::MimePart& part, std::string_view header) override;
        void content(std::string_view octets) override;
        void part_end() override;

        const std::vector<bool>* changes = nullptr;
        std::size_t parts = 0;
        std::optional<mail::TransferWriter> writer;
        std::string* out = nullptr;
    };

    mail::ContentType type_;
    mail::TransferEncoding encoding_;
    Survey survey_;
    Rewrite rewrite_;
    std::optional<mail::MimeWalk> walk_;
    bool rewriting_ = false;
};

// The coding that a part with long lines gets; none when its own is not known.
[[nodiscard]] std::optional<mail::TransferCoding> coding_for(const mail::MimePart& part);
[[nodiscard]] std::string_view name_of(mail::TransferCoding coding);  // "quoted-printable"

}  // namespace posthorn::intake
