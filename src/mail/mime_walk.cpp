// Lines, delimiters and levels: see mime_walk.hpp.
#include "mail/mime_walk.hpp"

#include <cstring>
#include <utility>

#include "base/text.hpp"
#include "mail/header.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxDelimiterLine = 998;

}  // namespace

MimeWalk::MimeWalk(ContentType type, TransferEncoding encoding, MimeVisitor& visitor) : visitor_(visitor) {
    MimePart part;
    part.type = std::move(type);
    part.encoding = encoding;
    enter(std::move(part), {});
}

void MimeWalk::enter(MimePart part, std::string_view header) {
    const bool frozen_around = !levels_.empty() && levels_.back().frozen;
    part.frozen = part.sealed = frozen_around;
    if (part.type.is_multipart()) {
        // Composite parts have no encoding of their own (RFC 2045 s6.4); one that claims one cannot be looked into.
        if (!part.type.boundary.empty() && part.encoding == TransferEncoding::identity && levels_.size() < kMaxDepth) {
            part.is_container = true;
            Level level;
            level.delimiter = "--" + part.type.boundary;
            level.frozen = frozen_around || part.type.subtype == "signed" || part.type.subtype == "encrypted";
            level.digest = part.type.subtype == "digest";
            levels_.push_back(std::move(level));
            where_ = Where::structure;
            visitor_.part(part, header);
            return;
        }
        part.frozen = part.sealed = true;
    }
    if (part.type.type == "message") part.frozen = true;
    where_ = Where::content;
    visitor_.part(part, header);
}

void MimeWalk::leave() {
    if (where_ == Where::content) visitor_.part_end();
    if (where_ == Where::header) {
        visitor_.structure(header_);   // a part that ends before its header does has no content
        header_.clear();
    }
    where_ = Where::structure;
}

void MimeWalk::feed(std::string_view octets) {
    while (!octets.empty()) {
        if (in_line_) {
            const auto* const lf = static_cast<const char*>(std::memchr(octets.data(), '\n', octets.size()));
            const std::size_t size = lf == nullptr ? octets.size() : static_cast<std::size_t>(lf - octets.data()) + 1;
            text(octets.substr(0, size));
            octets.remove_prefix(size);
            if (lf != nullptr) {
                in_line_ = false;
                text_line_end();
            }
            continue;
        }
        while (!octets.empty() && may_be_delimiter() && !line_.ends_with('\n')) {
            line_ += octets.front();
            octets.remove_prefix(1);
        }
        if (line_.ends_with('\n') || !may_be_delimiter()) line_done();
    }
}

bool MimeWalk::may_be_delimiter() const {
    if (levels_.empty() || line_.size() > kMaxDelimiterLine) return false;
    return line_.empty() || (line_.front() == '-' && (line_.size() == 1 || line_[1] == '-'));
}

void MimeWalk::line_done() {
    const std::string line = std::exchange(line_, {});
    if (line.starts_with("--") && take_delimiter(line)) return;
    in_line_ = !line.ends_with('\n');
    text(line);
    if (!in_line_) text_line_end();
}

bool MimeWalk::take_delimiter(std::string_view line) {
    bool begins = false;
    for (std::size_t i = levels_.size(); i-- > 0;) {
        const std::string& delimiter = levels_[i].delimiter;
        if (!line.starts_with(delimiter)) continue;
        std::string_view rest = text::trim_right(line.substr(delimiter.size()));
        const bool closes = rest == "--";
        if (!closes && !rest.empty()) {
            begins = true;
            continue;
        }
        leave();
        visitor_.structure(std::exchange(pending_, {}));
        visitor_.structure(line);
        levels_.resize(closes ? i : i + 1);
        if (!closes) {
            where_ = Where::header;
            header_line_ = 0;
        }
        return true;
    }
    doubtful_ = doubtful_ || begins;
    return false;
}

void MimeWalk::text(std::string_view octets) {
    if (octets.empty()) return;
    if (where_ == Where::header) {
        header_ += octets;
        header_line_ += octets.size();
        if (header_.size() > kMaxHeader) {
            doubtful_ = true;
            end_header();
        }
        return;
    }
    const auto emit = [this](std::string_view piece) {
        if (piece.empty()) return;
        if (where_ == Where::content) {
            visitor_.content(piece);
        } else {
            visitor_.structure(piece);
        }
    };
    if (pending_ == "\r" && octets.front() == '\n') {
        pending_ = "\r\n";
        octets.remove_prefix(1);
        if (octets.empty()) return;
    }
    emit(std::exchange(pending_, {}));
    const std::size_t end = octets.ends_with("\r\n") ? 2 : octets.ends_with('\r') ? 1 : 0;
    emit(octets.substr(0, octets.size() - end));
    pending_ = octets.substr(octets.size() - end);
}

void MimeWalk::text_line_end() {
    if (where_ != Where::header) return;
    const bool empty = header_line_ == 2 && header_.ends_with("\r\n");
    header_line_ = 0;
    if (empty) end_header();
}

void MimeWalk::end_header() {
    const std::string header = std::exchange(header_, {});
    const HeaderBlock fields(header.ends_with("\r\n") ? header.substr(0, header.size() - 2) : header);
    MimePart part;
    if (const auto type = fields.first("Content-Type")) {
        part.type = read_content_type(type->value);
    } else if (!levels_.empty() && levels_.back().digest) {
        part.type.type = "message";
        part.type.subtype = "rfc822";
    }
    if (const auto encoding = fields.first("Content-Transfer-Encoding")) part.encoding = read_transfer_encoding(encoding->value);
    enter(std::move(part), header);
}

void MimeWalk::finish() {
    if (!line_.empty()) line_done();
    if (where_ == Where::content) {
        if (!pending_.empty()) visitor_.content(pending_);
        visitor_.part_end();
    } else if (where_ == Where::header) {
        visitor_.structure(header_);
    } else if (!pending_.empty()) {
        visitor_.structure(pending_);
    }
    pending_.clear();
    header_.clear();
    where_ = Where::structure;
}

}  // namespace posthorn::mail
