// Dot-stuffing and its undoing, in bulk: the time goes into memchr and memcpy, not into octets one by one.
#include "smtp/protocol/data_codec.hpp"

#include <algorithm>
#include <cstring>

namespace posthorn::smtp::protocol {
namespace {

const char* find(const char* from, const char* end, char c) {
    if (from == end) return nullptr;
    return static_cast<const char*>(std::memchr(from, c, static_cast<std::size_t>(end - from)));
}

bool any_8bit(const char* p, std::size_t n) {
    std::uint64_t seen = 0;
    for (; n >= 32; p += 32, n -= 32) {
        std::uint64_t words[4];
        std::memcpy(words, p, 32);
        seen |= words[0] | words[1] | words[2] | words[3];
    }
    for (; n > 0; ++p, --n) seen |= static_cast<unsigned char>(*p);
    return (seen & 0x8080808080808080U) != 0;
}

}  // namespace

void DataDecoder::end_of_line() {
    // line_ counts the CR as well.
    facts_.longest_line = std::max(facts_.longest_line, line_ - 1);
    line_ = 0;
    state_ = State::line_start;
}

bool DataDecoder::feed(std::string_view& in, std::string& out) {
    if (in.empty()) return false;
    const char* p = in.data();
    const char* const end = p + in.size();
    const char* kept = p;  // from here to p: content not yet appended
    const std::size_t before = out.size();
    bool withheld_cr = state_ == State::dot_cr;  // a CR of the call before that may belong to the terminator
    bool done = false;

    while (p != end && !done) {
        switch (state_) {
            case State::line_start:
                if (*p != '.') {
                    state_ = State::text;
                    break;
                }
                out.append(kept, p);
                kept = ++p;  // RFC 5321 s4.5.2: the first dot of a line goes
                state_ = State::dot;
                break;
            case State::dot:
                if (*p == '\r') {
                    ++p;
                    state_ = State::dot_cr;
                    break;
                }
                if (*p == '.') facts_.has_leading_dot = true;
                state_ = State::text;
                break;
            case State::dot_cr:
                if (*p == '\n') {
                    ++p;
                    kept = p;
                    done = true;
                    break;
                }
                if (withheld_cr) out += '\r';
                withheld_cr = false;
                line_ = 1;
                state_ = State::text_cr;
                break;
            case State::text: {
                const char* cr = find(p, end, '\r');
                const char* stop = cr != nullptr ? cr : end;
                if (!facts_.bare_lf && find(p, stop, '\n') != nullptr) facts_.bare_lf = true;
                line_ += static_cast<std::uint64_t>(stop - p);
                p = stop;
                if (cr != nullptr) {
                    ++p;
                    ++line_;
                    state_ = State::text_cr;
                }
                break;
            }
            case State::text_cr:
                if (*p == '\n') {
                    ++p;
                    end_of_line();
                    break;
                }
                facts_.bare_cr = true;
                state_ = State::text;
                if (*p == '\r') {
                    ++p;
                    ++line_;
                    state_ = State::text_cr;
                }
                break;
        }
    }
    // What follows a dot at the start of a line may be the terminator's CR: it waits for the next octet.
    const char* upto = state_ == State::dot_cr && !done ? std::max(kept, p - 1) : p;
    if (kept < upto) out.append(kept, upto);

    const std::size_t added = out.size() - before;
    facts_.size += added;
    if (added > 0) {
        if (!facts_.nul) facts_.nul = std::memchr(out.data() + before, '\0', added) != nullptr;
        if (!facts_.has_8bit) facts_.has_8bit = any_8bit(out.data() + before, added);
    }
    in.remove_prefix(static_cast<std::size_t>(p - in.data()));
    return done;
}

void DataEncoder::feed(std::string_view chunk, std::string& out) {
    const char* p = chunk.data();
    const char* const end = p + chunk.size();
    const char* kept = p;
    while (p != end) {
        if (line_start_ && *p == '.') {
            out.append(kept, p);
            out += '.';
            kept = p;
        }
        const char* newline = find(p, end, '\n');
        line_start_ = newline != nullptr;
        p = newline != nullptr ? newline + 1 : end;
    }
    out.append(kept, end);
}

void DataEncoder::finish(std::string& out) {
    out += end_of_data(line_start_);
    line_start_ = true;
}

void append_stuffed(std::string& out, std::string_view body, bool has_leading_dot) {
    out.reserve(out.size() + body.size() + 5 + (has_leading_dot ? body.size() / 64 : 0));
    if (!has_leading_dot) {
        out += body;
        out += end_of_data(body.empty() || body.ends_with("\r\n"));
        return;
    }
    DataEncoder encoder;
    encoder.feed(body, out);
    encoder.finish(out);
}

}  // namespace posthorn::smtp::protocol
