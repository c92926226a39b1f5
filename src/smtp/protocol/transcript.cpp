// Keeping the octets of a session within bounds, and making lines of them.
#include "smtp/protocol/transcript.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/text.hpp"

namespace posthorn::smtp::protocol {
namespace {

// Of octets, so that the text, whose lines begin with times, stays near kLongestTranscript.
constexpr std::size_t kOpening = 2560;
constexpr std::size_t kBegin = 1536;
constexpr std::size_t kEnd = 2048;
constexpr std::size_t kLongestLine = 700;  // RFC 5321 s4.5.3.1.5 has 512, and escapes take room

std::string line_of(Duration at, std::string_view mark, std::string_view words) {
    char time[32];
    const auto milliseconds = std::max<Duration::rep>(0, at.count());
    const int length = std::snprintf(time, sizeof time, "%6lld.%03lld ", static_cast<long long>(milliseconds / 1000),
                                     static_cast<long long>(milliseconds % 1000));
    std::string line(time, static_cast<std::size_t>(length));
    line += mark;
    line += text::safe_for_log(words, kLongestLine);
    return line;
}

std::string left_out(std::uint64_t octets) { return "           [" + std::to_string(octets) + " octets left out]\n"; }

// A challenge of a login says nothing to the reader, and may be part of a secret.
std::string_view shown_reply(std::string_view line) { return line.starts_with("334 ") ? std::string_view("334 [challenge]") : line; }

}  // namespace

// Lines out of octets as they come. A reply may come in slices: its line has the time of the last.
class Transcript::Lines {
public:
    explicit Lines(Follower give) : give_(std::move(give)) {}

    void add(Kind kind, Duration at, std::string_view octets) {
        if (kind != Kind::heard) finish();
        while (!octets.empty()) {
            const std::size_t stop = octets.find('\n');
            // Of one without end no more is kept than is shown.
            if (line_.size() <= kLongestLine) line_ += octets.substr(0, stop);
            octets.remove_prefix(stop == std::string_view::npos ? octets.size() : stop + 1);
            begun_ = true;
            at_ = at;
            if (stop == std::string_view::npos && kind == Kind::heard) return;
            end_line(kind);
        }
    }
    // What was heard of a line that does not go on.
    void finish() {
        if (begun_) end_line(Kind::heard);
    }

private:
    void end_line(Kind kind) {
        std::string_view line = line_;
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::string_view mark = kind == Kind::said ? "C: " : kind == Kind::heard ? "S: " : "*  ";
        give_(line_of(at_, mark, kind == Kind::heard ? shown_reply(line) : line));
        line_.clear();
        begun_ = false;
    }

    Follower give_;
    std::string line_;
    Duration at_{};
    bool begun_ = false;
};

Transcript::Transcript() = default;
Transcript::~Transcript() = default;

void Transcript::Part::clear() {
    octets.clear();
    pieces.clear();
    left_out = 0;
}

void Transcript::Part::append(Kind kind, Duration at, std::string_view more) {
    pieces.push_back(Piece{kind, at, octets.size()});
    octets += more;
}

void Transcript::Part::drop_front(std::size_t count) {
    // The piece that is cut keeps its end.
    auto kept = std::upper_bound(pieces.begin(), pieces.end(), count, [](std::size_t at, const Piece& piece) { return at < piece.begin; });
    pieces.erase(pieces.begin(), kept == pieces.begin() ? kept : kept - 1);
    for (Piece& piece : pieces) piece.begin = piece.begin > count ? piece.begin - count : 0;
    octets.erase(0, count);
    left_out += count;
}

void Transcript::begin_transaction() {
    ++transactions_;
    begin_.clear();
    end_.clear();
}

void Transcript::follow(Follower follower) {
    if (live_) live_->finish();
    live_.reset();
    if (!follower) return;
    live_ = std::make_unique<Lines>([see = std::move(follower), room = kLongestTranscript](std::string_view line) mutable {
        if (room == 0) return;
        const bool fits = line.size() < room;
        room = fits ? room - line.size() : 0;
        see(fits ? line : "           [what follows is not shown as it happens]");
    });
}

void Transcript::add(Kind kind, Duration at, std::string_view octets) {
    if (octets.empty()) return;
    if (live_) live_->add(kind, at, octets);
    Part& first = transactions_ == 0 ? opening_ : begin_;
    const std::size_t bound = transactions_ == 0 ? kOpening : kBegin;
    // Once something went to the end, all that follows does.
    const std::string_view fits = end_.octets.empty() ? octets.substr(0, bound - std::min(bound, first.octets.size())) : std::string_view();
    if (!fits.empty()) first.append(kind, at, fits);
    const std::string_view rest = octets.substr(fits.size());
    if (rest.empty()) return;
    // An opening can be long only by fault of the peer; its end says why it broke, so it has one, too.
    end_.append(kind, at, rest);
    if (end_.octets.size() > 2 * kEnd) end_.drop_front(end_.octets.size() - kEnd);
}

void Transcript::render(std::string& out, const Part& part) {
    Lines lines([&out](std::string_view line) { out.append(line).push_back('\n'); });
    for (std::size_t i = 0; i < part.pieces.size(); ++i) {
        const Piece& piece = part.pieces[i];
        const std::size_t end = i + 1 < part.pieces.size() ? part.pieces[i + 1].begin : part.octets.size();
        lines.add(piece.kind, piece.at, std::string_view(part.octets).substr(piece.begin, end - piece.begin));
    }
    lines.finish();
}

std::string Transcript::text(std::size_t limit) const {
    std::string out;
    render(out, opening_);
    if (transactions_ > 1) out += "           [" + std::to_string(transactions_ - 1) + " transactions before this one, on the same connection]\n";
    render(out, begin_);
    if (end_.left_out > 0) out += left_out(end_.left_out);
    render(out, end_);
    return shorten_transcript(std::move(out), limit);
}

std::string without_secrets(std::string_view octets) {
    std::string_view line = octets.substr(0, octets.find_first_of("\r\n"));
    if (line == "*") return "*\r\n";
    if (!text::istarts_with(line, "AUTH ")) return "[response]\r\n";
    const std::size_t end = line.find(' ', 5);
    return std::string(line.substr(0, end)) + (end == std::string_view::npos ? "\r\n" : " [response]\r\n");
}

std::string shorten_transcript(std::string text, std::size_t limit) {
    if (text.size() <= limit) return text;
    constexpr std::size_t kNote = 48;  // room for the line about what is missing
    const std::size_t room = limit > kNote ? limit - kNote : 0;
    const std::size_t before = text.rfind('\n', room / 2);
    const std::size_t head = before == std::string::npos ? 0 : before + 1;
    const std::size_t after = text.find('\n', text.size() - (room - room / 2));
    const std::size_t tail = after == std::string::npos ? text.size() : after + 1;
    return text.substr(0, head) + left_out(tail - head) + text.substr(tail);
}

}  // namespace posthorn::smtp::protocol
