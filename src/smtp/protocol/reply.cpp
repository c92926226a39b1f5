// Reading and writing SMTP replies.
#include "smtp/protocol/reply.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::smtp::protocol {
namespace {

constexpr std::size_t kMaxLine = 2000;  // RFC 5321 s4.5.3.1.5 says 512; some say more
constexpr std::size_t kMaxLines = 100;
constexpr std::size_t kMaxOctets = 64 * 1024;
constexpr std::size_t kMaxRefusal = 4 * 1024;

// Digits at the front of text, at most three, without a needless zero in front; nothing when there are none.
std::optional<std::uint16_t> take_number(std::string_view& text) {
    std::uint16_t number = 0;
    std::size_t digits = 0;
    while (digits < text.size() && text::is_digit(text[digits])) {
        if (++digits > 3) return std::nullopt;
        number = static_cast<std::uint16_t>(number * 10 + (text[digits - 1] - '0'));
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    return number;
}

bool take_dot(std::string_view& text) {
    if (text.empty() || text.front() != '.') return false;
    text.remove_prefix(1);
    return true;
}

// The text of one line, without the enhanced code that the reply has already said.
std::string_view words(std::string_view line, const EnhancedCode& said) {
    if (said && EnhancedCode::parse(line) == said) {
        const auto blank = line.find_first_of(" \t");
        line = blank == std::string_view::npos ? std::string_view() : line.substr(blank);
    }
    return text::trim(line);
}

}  // namespace

std::string EnhancedCode::to_string() const {
    if (status == 0) return {};
    return std::to_string(status) + '.' + std::to_string(subject) + '.' + std::to_string(detail);
}

// RFC 3463 s2: class "." subject "." detail.
std::optional<EnhancedCode> EnhancedCode::parse(std::string_view text) {
    if (text.size() < 2 || (text[0] != '2' && text[0] != '4' && text[0] != '5') || text[1] != '.')
        return std::nullopt;
    EnhancedCode code;
    code.status = static_cast<std::uint16_t>(text[0] - '0');
    text.remove_prefix(2);
    const auto subject = take_number(text);
    if (!subject || !take_dot(text)) return std::nullopt;
    const auto detail = take_number(text);
    if (!detail) return std::nullopt;
    if (!text.empty() && !text::is_space(text.front())) return std::nullopt;
    code.subject = *subject;
    code.detail = *detail;
    return code;
}

std::string Reply::joined() const {
    std::string out;
    if (code != 0) out = std::to_string(code);
    const auto add = [&out](std::string_view part) {
        if (part.empty()) return;
        if (!out.empty()) out += ' ';
        out += part;
    };
    add(enhanced.to_string());
    for (const auto& line : lines) add(words(line, enhanced));
    std::replace_if(out.begin(), out.end(), text::is_control, ' ');
    return out;
}

std::string Reply::verbatim() const {
    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i > 0) out += '\n';
        if (code != 0) {
            out += std::to_string(code);
            out += i + 1 < lines.size() ? '-' : ' ';
        }
        out += lines[i];
    }
    return out;
}

Reply make_reply(std::uint16_t code, std::string_view enhanced, std::string_view text) {
    Reply reply;
    reply.code = code;
    reply.enhanced = EnhancedCode::parse(enhanced).value_or(EnhancedCode{});
    std::string line(enhanced);
    if (!line.empty() && !text.empty()) line += ' ';
    line += text;
    reply.lines.push_back(std::move(line));
    return reply;
}

void append_wire(std::string& out, const Reply& reply) {
    const std::string code = std::to_string(reply.code);
    if (reply.lines.empty()) out.append(code).append(" \r\n");
    for (std::size_t i = 0; i < reply.lines.size(); ++i) {
        out += code;
        out += i + 1 < reply.lines.size() ? '-' : ' ';
        const auto start = static_cast<std::ptrdiff_t>(out.size());
        out += reply.lines[i];
        std::replace_if(out.begin() + start, out.end(), text::is_control, ' ');
        out += "\r\n";
    }
}

ReplyParser::Status ReplyParser::feed(std::string_view& in) {
    while (!malformed_ && !in.empty()) {
        const auto newline = in.find('\n');
        const bool whole = newline != std::string_view::npos;
        const std::string_view piece = in.substr(0, newline);
        octets_ += piece.size() + (whole ? 1 : 0);
        if (octets_ > kMaxOctets) break;
        line_.append(piece.substr(0, kMaxLine - line_.size()));
        in.remove_prefix(whole ? newline + 1 : in.size());
        if (!whole) return Status::need_more;
        if (const Status status = end_of_line(); status != Status::need_more) return status;
    }
    if (in.empty() && !malformed_) return Status::need_more;
    malformed_ = true;
    return Status::malformed;
}

// RFC 5321 s4.2: three digits, then "-" for more to come or a blank for the last line; a missing text is
// forgiven.
ReplyParser::Status ReplyParser::end_of_line() {
    std::string_view line = line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool is_reply = line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && text::is_digit(line[1]) &&
                          text::is_digit(line[2]) && (line.size() == 3 || line[3] == ' ' || line[3] == '-');
    malformed_ = !is_reply || ++line_count_ > kMaxLines;
    if (malformed_) return Status::malformed;
    const auto code =
        static_cast<std::uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
    if (!reply_.lines.empty() && code != reply_.code) {
        if (code != 421) {
            malformed_ = true;
            return Status::malformed;
        }
        reply_ = Reply{};
        kept_ = 0;
    }
    const bool last = line.size() == 3 || line[3] == ' ';
    std::string_view words = line.size() > 4 ? line.substr(4) : std::string_view();
    if (code >= 400) words = words.substr(0, kMaxRefusal - kept_);
    if (reply_.lines.empty()) {
        reply_.code = code;
        reply_.enhanced = EnhancedCode::parse(words).value_or(EnhancedCode{});
    }
    if (code < 400 || kept_ < kMaxRefusal) reply_.lines.emplace_back(words);
    if (code >= 400) kept_ += words.size();
    line_.clear();
    return last ? Status::reply : Status::need_more;
}

Reply ReplyParser::take() {
    octets_ = line_count_ = kept_ = 0;
    Reply reply = std::move(reply_);
    reply_ = Reply{};
    return reply;
}

}  // namespace posthorn::smtp::protocol
