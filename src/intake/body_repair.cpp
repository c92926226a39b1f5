// The two passes over a body: see body_repair.hpp.
#include "intake/body_repair.hpp"

#include <cstring>
#include <utility>

#include "mail/header.hpp"
#include "mail/mime_text.hpp"
#include "mail/refold.hpp"

namespace posthorn::intake {

using mail::TransferCoding;

std::optional<TransferCoding> coding_for(const mail::MimePart& part) {
    switch (part.encoding) {
        case mail::TransferEncoding::identity:
            return part.type.type == "text" ? TransferCoding::quoted_printable : TransferCoding::base64;
        case mail::TransferEncoding::quoted_printable:
            return TransferCoding::quoted_printable_again;
        case mail::TransferEncoding::base64:
            return TransferCoding::base64_again;
        case mail::TransferEncoding::unknown:
            break;
    }
    return std::nullopt;
}

std::string_view name_of(TransferCoding coding) {
    return coding == TransferCoding::base64 || coding == TransferCoding::base64_again ? "base64" : "quoted-printable";
}

void BodyRepair::survey(std::string_view octets) {
    if (!walk_) walk_.emplace(type_, encoding_, survey_);
    walk_->feed(octets);
}

std::string_view BodyRepair::end_of_survey() {
    if (!walk_) walk_.emplace(type_, encoding_, survey_);
    walk_->finish();
    if (walk_->doubtful()) survey_.give_up("its MIME parts cannot be told from each other");
    walk_.reset();
    return survey_.trouble;
}

void BodyRepair::rewrite(std::string_view octets, std::string& out) {
    rewrite_.out = &out;
    if (!rewriting_) {
        rewriting_ = true;
        rewrite_.changes = &survey_.changes;
        walk_.emplace(type_, encoding_, rewrite_);
    }
    walk_->feed(octets);
}

void BodyRepair::end_of_rewrite(std::string& out) {
    rewrite({}, out);
    walk_->finish();
    walk_.reset();
}

std::optional<TransferCoding> BodyRepair::own_coding() const {
    if (type_.is_multipart() || survey_.changes.empty() || !survey_.changes.front()) return std::nullopt;
    mail::MimePart whole;
    whole.type = type_;
    whole.encoding = encoding_;
    return coding_for(whole);
}

void BodyRepair::Survey::give_up(std::string_view why) {
    if (trouble.empty()) trouble = why;
}

void BodyRepair::Survey::count(std::string_view octets) {
    while (!octets.empty()) {
        const auto* const lf = static_cast<const char*>(std::memchr(octets.data(), '\n', octets.size()));
        const std::size_t size = lf == nullptr ? octets.size() : static_cast<std::size_t>(lf - octets.data()) + 1;
        line += size;
        const bool cr = size > 1 ? octets[size - 2] == '\r' : last_was_cr;
        const bool ends = lf != nullptr && cr;
        last_was_cr = octets[size - 1] == '\r';
        if (line - (ends ? 2 : last_was_cr ? 1 : 0) > mail::kMaxLineOctets) long_line = true;
        if (ends) line = 0;
        octets.remove_prefix(size);
    }
}

void BodyRepair::Survey::structure(std::string_view octets) {
    count(octets);
    if (long_line) give_up("it has such a line outside of its MIME parts");
}

void BodyRepair::Survey::part(const mail::MimePart& part, std::string_view header) {
    line = 0;
    long_line = false;
    if (!header.empty() && mail::has_long_line(header)) {
        const bool end = header.ends_with("\r\n");
        if (part.frozen || !mail::refold(end ? header.substr(0, header.size() - 2) : header)) {
            give_up("the header of a MIME part has such a line");
        }
    }
    if (part.is_container) return;
    if (changes.size() >= kMaxParts) {
        give_up("it has too many MIME parts");
        changes.clear();
    }
    changes.push_back(false);
    current = part;
}

void BodyRepair::Survey::content(std::string_view octets) { count(octets); }

void BodyRepair::Survey::part_end() {
    if (long_line) {
        if (current.frozen) {
            give_up("it is in a signed or encrypted part or an attached message, which must not be changed");
        } else if (!coding_for(current)) {
            give_up("its part has a Content-Transfer-Encoding that is not known here");
        }
        changes.back() = true;
    }
    line = 0;
    long_line = false;
}

void BodyRepair::Rewrite::structure(std::string_view octets) { out->append(octets); }

void BodyRepair::Rewrite::part(const mail::MimePart& part, std::string_view header) {
    std::string fields(header);
    if (!header.empty() && mail::has_long_line(header)) {
        if (fields.ends_with("\r\n")) fields.resize(fields.size() - 2);
        fields = mail::refold(fields).value_or(fields) + "\r\n";
    }
    if (!part.is_container) {
        const std::size_t index = parts++;
        if (index < changes->size() && (*changes)[index]) {
            const auto coding = coding_for(part);
            if (part.encoding == mail::TransferEncoding::identity && fields.ends_with("\r\n")) {
                mail::HeaderBlock block(fields.substr(0, fields.size() - 2));
                block.remove("Content-Transfer-Encoding");
                block.append("Content-Transfer-Encoding: " + std::string(name_of(*coding)) + "\r\n");
                fields = std::move(block).take_text() + "\r\n";
            }
            writer.emplace(*coding);
        }
    }
    out->append(fields);
}

void BodyRepair::Rewrite::content(std::string_view octets) {
    if (writer) {
        writer->write(octets, *out);
    } else {
        out->append(octets);
    }
}

void BodyRepair::Rewrite::part_end() {
    if (!writer) return;
    writer->finish(*out);
    writer.reset();
}

}  // namespace posthorn::intake
