// Windows, and the message that tells what they held back: see storms.hpp.
#include "intake/storms.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/bound.hpp"
#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/xtext.hpp"

namespace posthorn::intake {
namespace {

constexpr std::size_t kMaxKind = 200;
constexpr std::size_t kMaxKept = 800;   // octets of a field's value in a summary; a line may have 998

// Fit to stand in a line of its own; what is too long for that is left out rather than cut inside an encoded word.
std::string kept(std::string_view value) {
    std::string out(value.size() <= kMaxKept ? value : std::string_view());
    std::replace_if(out.begin(), out.end(), [](char c) { return text::is_control(c); }, ' ');
    return out;
}

std::string joined(const std::vector<std::string>& parts) {
    std::string all;
    for (const std::string& part : parts) {
        if (!all.empty()) all += ',';
        all += mail::xtext_encode(part);
    }
    return all;
}

// A line of text(): fields with tabs between them, texts in xtext.
class Fields {
public:
    explicit Fields(std::string_view line) : rest_(line) {}
    template <class T>
    Fields& number(T& out) {
        const std::string_view field = text::take_field(rest_, '\t');
        const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), out);
        good_ = good_ && error == std::errc{} && end == field.data() + field.size();
        return *this;
    }
    Fields& text(std::string& out) {
        const auto decoded = mail::xtext_decode(text::take_field(rest_, '\t'));
        good_ = good_ && decoded && !text::has_control(*decoded);
        if (decoded) out = *decoded;
        return *this;
    }
    Fields& texts(std::vector<std::string>& out) {
        for (const std::string_view part : text::split(text::take_field(rest_, '\t'), ',')) {
            auto decoded = mail::xtext_decode(part);
            good_ = good_ && decoded && !decoded->empty() && !text::has_control(*decoded);
            if (decoded) out.push_back(std::move(*decoded));
        }
        return *this;
    }
    [[nodiscard]] bool good() const { return good_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool good_ = true;
};

template <class T>
std::string milliseconds(T time) {
    return std::to_string(time.time_since_epoch().count());
}

}  // namespace

std::string storm_kind(std::string_view subject) {
    std::string kind;
    for (const char c : subject) {
        char sign = text::to_lower(c);
        if (text::is_digit(c)) sign = '#';
        if (text::is_space(c)) sign = ' ';
        if ((sign == '#' || sign == ' ') && kind.ends_with(sign)) continue;
        kind += sign;
    }
    kind.resize(std::min(kind.size(), kMaxKind));
    return std::string(text::trim(kind));
}

// Windows in which nothing was held back are of no further use when they are over.
void Storms::forget_old(TimePoint now) {
    std::erase_if(windows_, [&](const auto& entry) {
        return entry.second.held.count == 0 && now >= entry.second.ends;
    });
}

bool Storms::admit(StormMail mail, std::uint32_t limit, Duration window_length, TimePoint now) {
    if (limit == 0) return true;
    mail.subject = kept(mail.subject);
    mail.from = kept(mail.from);
    Key key(mail.uid, storm_kind(mail.subject));
    auto found = windows_.find(key);
    if (found == windows_.end()) {
        if (windows_.size() >= kMaxStormWindows) forget_old(now);
        if (windows_.size() >= kMaxStormWindows) {
            note_reached(Bound::storm_kinds);
            return true;
        }
        found = windows_.emplace(std::move(key), Window{}).first;
        found->second.ends = now + window_length;
    }
    Window& window = found->second;
    // A summary that is due and not stored yet keeps its window; what comes meanwhile is in it, or in the next.
    if (now >= window.ends && window.held.count == 0) {
        window.ends = now + window_length;
        window.passed = 0;
    }
    // A clock that was set back, a window that was made shorter.
    window.ends = std::min(window.ends, now + window_length);
    if (window.passed < limit) {
        ++window.passed;
        return true;
    }
    if (window.held.count == 0) window.held.first_at = now;
    window.held.last_at = now;
    ++window.held.count;
    // Everybody who would have got one of them is told.
    std::vector<std::string> to = std::move(window.held.last.to);
    for (std::string& address : mail.to) {
        if (to.size() >= kMaxStormRecipients) break;
        if (std::find(to.begin(), to.end(), address) == to.end()) to.push_back(std::move(address));
    }
    window.held.last = std::move(mail);
    window.held.last.to = std::move(to);
    return false;
}

std::vector<StormSummary> Storms::due(TimePoint now) {
    forget_old(now);
    std::vector<StormSummary> summaries;
    for (const auto& [key, window] : windows_)
        if (window.held.count > 0 && now >= window.ends) summaries.push_back(window.held);
    return summaries;
}

void Storms::done(const StormSummary& summary) {
    const auto found = windows_.find(Key(summary.last.uid, storm_kind(summary.last.subject)));
    if (found == windows_.end()) return;
    // What was held back while the summary was on its way to disk begins the next window.
    StormSummary& held = found->second.held;
    if (held.count <= summary.count) {
        windows_.erase(found);
        return;
    }
    held.count -= summary.count;
    found->second.ends += held.last_at - held.first_at;
    held.first_at = summary.last_at;
}

TimePoint Storms::next_due() const {
    TimePoint next = TimePoint::max();
    for (const auto& [key, window] : windows_)
        if (window.held.count > 0) next = std::min(next, window.ends);
    return next;
}

std::string Storms::text() const {
    std::string all;
    for (const auto& [key, window] : windows_) {
        if (window.held.count == 0) continue;
        const StormSummary& held = window.held;
        const StormMail& last = held.last;
        all += std::to_string(last.uid) + "\t" + milliseconds(window.ends) + "\t" + std::to_string(window.passed) + "\t" +
               std::to_string(held.count) + "\t" + milliseconds(held.first_at) + "\t" + milliseconds(held.last_at) + "\t" +
               mail::xtext_encode(last.subject) + "\t" + mail::xtext_encode(last.from) + "\t" + mail::xtext_encode(last.reverse_path) +
               "\t" + mail::xtext_encode(last.source) + "\t" + joined(last.to) + "\n";
    }
    return all;
}

void Storms::restore(std::string_view text) {
    while (!text.empty()) {
        Window window;
        StormSummary& held = window.held;
        std::int64_t ends = 0, first = 0, last = 0;
        Fields fields(text::take_field(text, '\n'));
        fields.number(held.last.uid).number(ends).number(window.passed).number(held.count).number(first).number(last);
        fields.text(held.last.subject).text(held.last.from).text(held.last.reverse_path).text(held.last.source).texts(held.last.to);
        if (!fields.good() || held.count == 0 || windows_.size() >= kMaxStormWindows) continue;
        window.ends = TimePoint(Duration(ends));
        held.first_at = TimePoint(Duration(first));
        held.last_at = TimePoint(Duration(last));
        Key key(held.last.uid, storm_kind(held.last.subject));
        windows_.emplace(std::move(key), std::move(window));
    }
}

Verdict make_storm_summary(const StormSummary& summary, std::shared_ptr<const Rules> rules, Submission submission) {
    const StormMail& last = summary.last;
    const std::string count = std::to_string(summary.count);
    mail::Envelope envelope;
    envelope.reverse_path = last.reverse_path;
    std::string message = last.from.empty() ? std::string() : "From: " + last.from + "\r\n";
    message += "To: ";
    for (std::size_t i = 0; i < last.to.size(); ++i) {
        message += (i == 0 ? "" : ",\r\n ") + last.to[i];
        mail::EnvelopeRecipient recipient;
        recipient.address = last.to[i];
        recipient.notify = mail::Notify::never;
        envelope.recipients.push_back(std::move(recipient));
    }
    message += "\r\nSubject: " + count + " more like it:\r\n " + (last.subject.empty() ? "(no subject)" : last.subject) + "\r\n";
    message += "Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n\r\n";
    message += "Since " + mail::format_date(summary.first_at) + " " + count + " more " +
               (summary.count == 1 ? "message was" : "messages were") + " written to a name of\r\n" + rules->hostname +
               " by the same user (" + last.source + "), with this subject, numbers apart.\r\nThey were not sent, "
               "for enough of them were sent before, and they are not kept.\r\nThe last of them came at " +
               mail::format_date(summary.last_at) + ".\r\n\r\n"
               "Such a storm mostly comes of a job that fails each time it runs: look at the\r\nlast message that did arrive. "
               "How many may come in an hour says local.storm_limit;\r\n0 lets all of them through.\r\n";
    Intake intake(std::move(rules), std::move(submission), std::move(envelope));
    intake.feed(message);
    return intake.finish();
}

}  // namespace posthorn::intake
