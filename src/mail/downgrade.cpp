// The two passes over a message, and over those attached to it: see downgrade.hpp.
#include "mail/downgrade.hpp"

#include <optional>
#include <utility>

#include "base/text.hpp"
#include "mail/downgrade_header.hpp"
#include "mail/header.hpp"
#include "mail/split.hpp"
#include "mail/transfer_coding.hpp"
#include "mail/utf8_check.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxAttachedHeader = 256 * 1024;
constexpr std::string_view kEncoding = "Content-Transfer-Encoding";

// RFC 2046 s5.2.1, s5.2.2: message parts take no encoding; the kinds of RFC 6532 s3.7 and RFC 6533 s3 do.
bool may_be_encoded(const MimePart& part) {
    return part.type.type != "message" || part.type.subtype.starts_with("global");
}

bool is_attached_message(const MimePart& part) {
    return part.type.type == "message" && part.type.subtype == "rfc822" && part.encoding == TransferEncoding::identity;
}

// The fields with the label that is true now: of the new encoding, or none, which means 7bit (RFC 2045 s6.1). A label that is
// true stays.
std::string labelled(std::string_view fields, TransferEncoding before, std::string_view coding) {
    HeaderBlock block{std::string(fields)};
    if (coding.empty()) {
        const auto label = block.value(kEncoding);
        if (before != TransferEncoding::identity || !label || text::iequals(*label, "7bit")) return std::string(fields);
        block.remove(kEncoding);
    } else {
        block.remove(kEncoding);
        block.append(std::string(kEncoding) + ": " + std::string(coding) + "\r\n");
    }
    return std::move(block).take_text();
}

}  // namespace

// A message inside: its header comes first, then it is one like any other. Without octets above 127 it comes out as it is.
class Downgrade::Attached {
public:
    explicit Attached(std::size_t depth) : depth_(depth), splitter_(kMaxAttachedHeader) {}

    void survey(std::string_view octets) {
        const MessageSplitter::BodyPart part = splitter_.feed(octets);
        if (!splitter_.in_body()) return;
        begin();
        message_->survey(part.held);
        message_->survey(part.fresh);
    }
    const DowngradeObstacle& end_of_survey() {
        const std::string_view rest = splitter_.finish();
        begin();
        message_->survey(rest);
        message_->end_of_survey();
        if (splitter_.too_long()) message_->give_up(false, "the header of an attached message is too long to be looked at");
        splitter_ = MessageSplitter(kMaxAttachedHeader);
        return message_->obstacle();
    }
    void rewrite(std::string_view octets, std::string& out) {
        if (!message_->has_8bit_) {
            out += octets;
            return;
        }
        const MessageSplitter::BodyPart part = splitter_.feed(octets);
        if (!splitter_.in_body()) return;
        write_header(!splitter_.header().empty() || part.held.empty(), out);
        message_->rewrite(part.held, out);
        message_->rewrite(part.fresh, out);
    }
    void end_of_rewrite(std::string& out) {
        if (!message_->has_8bit_) return;
        const std::string_view rest = splitter_.finish();
        if (!header_written_ && rest.empty()) {
            // No body: the line end that would be the empty line's belongs to the delimiter.
            const std::string header = message_->header();
            out += std::string_view(header).substr(0, header.size() - (cut_off_ ? 2 : 0));
            return;
        }
        write_header(false, out);
        message_->rewrite(rest, out);
        message_->end_of_rewrite(out);
    }

private:
    void begin() {
        if (message_) return;
        std::string header = splitter_.header();
        cut_off_ = !header.empty() && !header.ends_with("\r\n");
        if (cut_off_) header += "\r\n";
        message_ = std::make_unique<Downgrade>(std::move(header), depth_);
    }
    void write_header(bool has_empty_line, std::string& out) {
        if (std::exchange(header_written_, true)) return;
        const std::string header = message_->header();
        out += header;
        if (has_empty_line || !header.empty()) out += "\r\n";
    }

    std::size_t depth_;
    MessageSplitter splitter_;
    std::unique_ptr<Downgrade> message_;
    bool cut_off_ = false;   // the header breaks off within its last line
    bool header_written_ = false;
};

class Downgrade::Survey final : public MimeVisitor {
public:
    explicit Survey(Downgrade& owner) : owner_(owner) {}

    void structure(std::string_view octets) override {
        if (!text::is_ascii(octets)) around_ = owner_.has_8bit_ = true;
    }
    void part(const MimePart& part, std::string_view header) override {
        sealed_ = sealed_ || part.sealed;
        if (!text::is_ascii(header)) {
            owner_.has_8bit_ = true;
            if (part.sealed) {
                owner_.give_up(false, kSealed);
            } else if (auto fields = downgrade_header(without_last_line(header)); !fields.obstacle.empty()) {
                owner_.give_up(true, "a MIME part has " + fields.obstacle);
            }
        }
        if (part.is_container) return;
        if (owner_.changes_.size() >= kMaxParts) {
            owner_.give_up(false, "it has too many MIME parts");
            owner_.changes_.clear();
            owner_.attached_.clear();
        }
        owner_.changes_.push_back(Change::none);
        current_ = part;
        size_ = high_ = 0;
        inside_ = nullptr;
        if (!part.sealed && is_attached_message(part) && owner_.depth_ + 1 < kMaxDepth)
            inside_ = owner_.attached_.emplace_back(std::make_unique<Attached>(owner_.depth_ + 1)).get();
    }
    void content(std::string_view octets) override {
        size_ += octets.size();
        utf8_.feed(octets);
        if (!text::is_ascii(octets))
            for (const char c : octets) high_ += text::is_8bit(c) ? 1 : 0;
        if (inside_ != nullptr) inside_->survey(octets);
    }
    void part_end() override {
        if (inside_ != nullptr) {
            const DowngradeObstacle& obstacle = inside_->end_of_survey();
            inside_ = nullptr;
            if (obstacle) owner_.give_up(obstacle.of_addresses, "in an attached message: " + obstacle.what);
            if (high_ > 0) owner_.has_8bit_ = true;
            return;
        }
        if (high_ == 0) return;
        owner_.has_8bit_ = true;
        if (current_.sealed) {
            owner_.give_up(false, kSealed);
        } else if (!may_be_encoded(current_)) {
            owner_.give_up(false, "it is in an attached " + current_.type.type + "/" + current_.type.subtype +
                                      ", which must not be encoded (RFC 2046 section 5.2)");
        } else {
            owner_.changes_.back() = change();
        }
    }
    // After the walk.
    void finish(bool doubtful) {
        owner_.body_is_utf8_ = utf8_.good();
        if (!owner_.has_8bit_) return;
        if (doubtful) owner_.give_up(false, "its MIME parts cannot be told from each other");
        // What stands around the parts is shown to nobody (RFC 2046 s5.1.1); of a signed one it may be signed.
        if (around_ && sealed_) owner_.give_up(false, kSealed);
    }

    static std::string without_last_line(std::string_view header) {
        return std::string(header.ends_with("\r\n") ? header.substr(0, header.size() - 2) : header);
    }

private:
    static constexpr const char* kSealed = "it is in a part that is signed or encrypted, which must not be changed";

    Change change() {
        switch (current_.encoding) {
            case TransferEncoding::identity:
                // Quoted-printable makes three octets of one, base64 four of three.
                return current_.type.type == "text" && high_ * 6 <= size_ ? Change::quoted_printable : Change::base64;
            case TransferEncoding::quoted_printable:
                return Change::quoted_printable_again;
            case TransferEncoding::base64:
                return Change::base64_again;
            case TransferEncoding::unknown:
                break;
        }
        owner_.give_up(false, "its part has a Content-Transfer-Encoding that is not known here");
        return Change::none;
    }

    Downgrade& owner_;
    MimePart current_;
    Attached* inside_ = nullptr;
    std::uint64_t size_ = 0, high_ = 0;
    Utf8Check utf8_;
    bool around_ = false, sealed_ = false;
};

class Downgrade::Rewrite final : public MimeVisitor {
public:
    explicit Rewrite(Downgrade& owner) : owner_(owner) {}

    void structure(std::string_view octets) override {
        for (const char c : octets) *out += text::is_8bit(c) ? '?' : c;
    }
    void part(const MimePart& part, std::string_view header) override {
        writer_.reset();
        inside_ = nullptr;
        std::string_view coding;
        if (!part.is_container) {
            const Change change = owner_.changes_[parts_++];
            if (!part.sealed && is_attached_message(part) && owner_.depth_ + 1 < kMaxDepth)
                inside_ = owner_.attached_[messages_++].get();
            coding = begin(change);
        }
        if (header.empty()) return;
        if (part.sealed) {
            out->append(header);
            return;
        }
        const DowngradedHeader fields = downgrade_header(Survey::without_last_line(header));
        out->append(labelled(fields.fields, part.encoding, coding)).append("\r\n");
    }
    void content(std::string_view octets) override {
        if (inside_ != nullptr) {
            inside_->rewrite(octets, *out);
        } else if (writer_) {
            writer_->write(octets, *out);
        } else {
            out->append(octets);
        }
    }
    void part_end() override {
        if (inside_ != nullptr) inside_->end_of_rewrite(*out);
        if (writer_) writer_->finish(*out);
        inside_ = nullptr;
        writer_.reset();
    }

    // The label of what an encoding is to be done to; empty: none is.
    static std::string_view coding_of(Change change) {
        if (change == Change::quoted_printable) return "quoted-printable";
        return change == Change::base64 ? "base64" : "";
    }

    std::string* out = nullptr;

private:
    std::string_view begin(Change change) {
        switch (change) {
            case Change::none:
                break;
            case Change::quoted_printable:
                writer_.emplace(TransferCoding::quoted_printable);
                break;
            case Change::base64:
                writer_.emplace(TransferCoding::base64);
                break;
            case Change::quoted_printable_again:
                writer_.emplace(TransferCoding::quoted_printable_again);
                break;
            case Change::base64_again:
                writer_.emplace(TransferCoding::base64_again);
                break;
        }
        return coding_of(change);
    }

    Downgrade& owner_;
    Attached* inside_ = nullptr;
    std::optional<TransferWriter> writer_;
    std::size_t parts_ = 0, messages_ = 0;
};

Downgrade::Downgrade(std::string header, std::size_t depth) : header_(std::move(header)), depth_(depth) {
    const HeaderBlock block(header_);
    if (const auto field = block.first("Content-Type")) type_ = read_content_type(field->value);
    if (const auto field = block.first(kEncoding)) encoding_ = read_transfer_encoding(field->value);
    has_8bit_ = !text::is_ascii(header_);
    survey_ = std::make_unique<Survey>(*this);
    walk_ = std::make_unique<MimeWalk>(type_, encoding_, *survey_);
}

Downgrade::~Downgrade() = default;

void Downgrade::give_up(bool of_addresses, std::string what) {
    if (obstacle_) return;
    obstacle_.of_addresses = of_addresses;
    obstacle_.what = std::move(what);
}

void Downgrade::survey(std::string_view octets) { walk_->feed(octets); }

void Downgrade::end_of_survey() {
    walk_->finish();
    survey_->finish(walk_->doubtful());
    walk_.reset();
    if (!has_8bit_) return;
    if (is_signed(header_)) give_up(false, "it is signed (DKIM or ARC), and must not be changed");
    if (auto fields = downgrade_header(header_); !fields.obstacle.empty()) give_up(true, "its header has " + fields.obstacle);
}

std::string Downgrade::header() const {
    std::string fields = downgrade_header(header_).fields;
    const bool own = !type_.is_multipart() && !changes_.empty();
    const std::string_view coding = own ? Rewrite::coding_of(changes_.front()) : std::string_view();
    fields = labelled(fields, encoding_, coding);
    if (coding.empty()) return fields;
    // An encoding means nothing without MIME (RFC 2045 s4); RFC 1428 s3 for text that nobody has described.
    const HeaderBlock block(fields);
    if (!block.contains("MIME-Version")) fields += "MIME-Version: 1.0\r\n";
    if (!block.contains("Content-Type"))
        fields += std::string("Content-Type: text/plain; charset=") + (body_is_utf8_ ? "utf-8" : "unknown-8bit") + "\r\n";
    return fields;
}

void Downgrade::rewrite(std::string_view octets, std::string& out) {
    if (!rewrite_) {
        rewrite_ = std::make_unique<Rewrite>(*this);
        rewrite_->out = &out;
        walk_ = std::make_unique<MimeWalk>(type_, encoding_, *rewrite_);
    }
    rewrite_->out = &out;
    walk_->feed(octets);
}

void Downgrade::end_of_rewrite(std::string& out) {
    rewrite({}, out);
    walk_->finish();
    walk_.reset();
}

}  // namespace posthorn::mail
