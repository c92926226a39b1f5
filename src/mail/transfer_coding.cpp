// Quoted-printable and base64 as writers: see transfer_coding.hpp.
#include "mail/transfer_coding.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxColumn = 76;           // RFC 2045 s6.7 (5), s6.8
constexpr std::size_t kBase64Line = 57;          // octets that make 76
constexpr char kDigits[] = "0123456789ABCDEF";

}  // namespace

void TransferWriter::write(std::string_view octets, std::string& out) {
    switch (coding_) {
        case TransferCoding::quoted_printable:
            return write_quoted(octets, out);
        case TransferCoding::quoted_printable_again:
            return write_quoted_again(octets, out);
        case TransferCoding::base64:
            return write_base64(octets, out);
        case TransferCoding::base64_again:
            return write_base64_again(octets, out);
    }
}

// One octet of quoted-printable; a "=" for a soft line break always finds room.
void TransferWriter::quoted(char c, bool encode, std::string& out) {
    // A line that begins with "-" could be a delimiter, "." would need dot-stuffing, "F" could be a "From ".
    encode = encode || (column_ == 0 && (c == '-' || c == '.'));
    const std::size_t width = encode ? 3 : 1;
    if (column_ + width > kMaxColumn - 1) {
        out += "=\r\n";
        column_ = 0;
        encode = encode || c == '-' || c == '.';
    }
    if (encode) {
        out += '=';
        out += kDigits[static_cast<unsigned char>(c) >> 4];
        out += kDigits[static_cast<unsigned char>(c) & 15];
        column_ += 3;
    } else {
        out += c;
        ++column_;
    }
}

void TransferWriter::write_quoted(std::string_view octets, std::string& out) {
    // held_: a blank, a CR, or a blank and a CR: which of them are the end of a line is not known yet.
    for (const char c : octets) {
        const bool cr = held_.ends_with('\r');
        if (cr && c == '\n') {
            // RFC 2045 s6.7 (3): a blank before the line end would be lost on the way.
            if (held_.size() == 2) quoted(held_.front(), true, out);
            held_.clear();
            out += "\r\n";
            column_ = 0;
            continue;
        }
        if (c == '\r' && !cr) {
            held_ += c;
            continue;
        }
        for (const char h : held_) quoted(h, h == '\r', out);
        held_.clear();
        if (text::is_blank(c) || c == '\r') {
            held_ += c;
        } else {
            quoted(c, !text::is_graphic(c) || c == '=', out);
        }
    }
}

void TransferWriter::write_quoted_again(std::string_view octets, std::string& out) {
    for (const char c : octets) {
        if (c == '\r' || c == '\n') {
            out += c;
            column_ = escape_ = 0;
            broken_ = false;
            continue;
        }
        // "=XX" stays together; what is no hexadecimal digit behind a "=" is somebody else's mistake and passes.
        if (escape_ > 0) {
            --escape_;
            out += c;
            ++column_;
            continue;
        }
        // A "=" at the very end of a line is a soft line break that is there already: it needs one column, not three.
        const std::size_t width = c == '=' ? 3 : 1;
        if (column_ + width > kMaxColumn - 1) {
            out += "=\r\n";
            column_ = 0;
            broken_ = true;
        }
        const bool at_start = column_ == 0 && broken_;
        if (text::is_8bit(c) || (at_start && (c == '-' || c == '.'))) {
            out += '=';
            out += kDigits[static_cast<unsigned char>(c) >> 4];
            out += kDigits[static_cast<unsigned char>(c) & 15];
            column_ += 3;
            continue;
        }
        if (c == '=') escape_ = 2;
        out += c;
        ++column_;
    }
}

void TransferWriter::write_base64(std::string_view octets, std::string& out) {
    while (!octets.empty()) {
        const std::size_t take = std::min(kBase64Line - held_.size(), octets.size());
        held_ += octets.substr(0, take);
        octets.remove_prefix(take);
        if (held_.size() < kBase64Line) return;
        if (column_ > 0) out += "\r\n";
        out += base64_encode(held_);
        column_ = kMaxColumn;
        held_.clear();
    }
}

void TransferWriter::write_base64_again(std::string_view octets, std::string& out) {
    for (const char c : octets) {
        if (!text::is_alnum(c) && c != '+' && c != '/' && c != '=') continue;   // RFC 2045 s6.8: to be ignored
        if (column_ == kMaxColumn) {
            out += "\r\n";
            column_ = 0;
        }
        out += c;
        ++column_;
    }
}

void TransferWriter::finish(std::string& out) {
    if (coding_ == TransferCoding::base64) {
        if (!held_.empty()) {
            if (column_ > 0) out += "\r\n";
            out += base64_encode(held_);
        }
    } else {
        // A blank at the end of all is at the end of a line.
        for (std::size_t i = 0; i < held_.size(); ++i) quoted(held_[i], true, out);
    }
    held_.clear();
    column_ = escape_ = 0;
    broken_ = false;
}

}  // namespace posthorn::mail
