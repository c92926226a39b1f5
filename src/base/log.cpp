// The event log's lines, its buffer and its way to the file descriptor: see log.hpp.
#include "base/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <random>
#include <utility>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace posthorn::log {

namespace {

// A line is appended under one short lock; only the one who flushes waits for the descriptor. A flush is
// forced here so that the buffer stays bounded when nobody else flushes.
constexpr std::size_t kFlushAt = 64 * 1024;
// How long a full pipe may hold up a flush before lines are dropped and counted. Only for non-blocking
// descriptors.
constexpr int kStalledMilliseconds = 200;

class Sink {
public:
    std::atomic<Level> level{Level::warning};
    std::atomic<bool> json{false};
    std::atomic<bool> timestamp{true};
    std::atomic<AddressForm> addresses{AddressForm::full};
    std::array<std::atomic<std::uint64_t>, 2> address_key{};
    std::atomic<int> fd{STDERR_FILENO};
    std::atomic<bool> dirty{false};
    std::atomic<bool> watched{false};
    std::atomic<std::shared_ptr<const Watcher>> watcher;

    void append(std::string_view line, bool now) {
        std::size_t size;
        {
            const std::lock_guard lock(buffer_mutex_);
            buffer_ += line;
            size = buffer_.size();
            dirty.store(true, std::memory_order_relaxed);
        }
        if (now || size >= kFlushAt) flush();
    }

    void flush() {
        const std::lock_guard writing(write_mutex_);
        {
            const std::lock_guard lock(buffer_mutex_);
            writing_.swap(buffer_);
            dirty.store(false, std::memory_order_relaxed);
        }
        if (lost_ > 0 && !writing_.empty()) {
            // The log itself says that it has a hole.
            char note[64];
            const char* const format =
                json ? "%s{\"event\":\"log-lost\",\"octets\":%llu}\n" : "%slog-lost octets=%llu\n";
            const int length = std::snprintf(note, sizeof note, format, cut_ ? "\n" : "",
                                             static_cast<unsigned long long>(lost_));
            writing_.insert(0, note, static_cast<std::size_t>(length));
        }
        write_all(writing_);
        writing_.clear();
    }

private:
    void write_all(std::string_view text) {
        if (text.empty()) return;
        const int target = fd.load(std::memory_order_relaxed);
        const std::size_t owed = lost_;
        const bool was_cut = cut_;
        const std::size_t size = text.size();
        lost_ = 0;
        cut_ = false;
        char last = '\n';
        while (!text.empty()) {
            const ssize_t n = ::write(target, text.data(), text.size());
            if (n > 0) {
                last = text[static_cast<std::size_t>(n) - 1];
                text.remove_prefix(static_cast<std::size_t>(n));
                continue;
            }
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
                pollfd wait{target, POLLOUT, 0};
                if (::poll(&wait, 1, kStalledMilliseconds) > 0) continue;
            }
            lost_ = owed + text.size();  // a log that cannot be written must not stop the mail
            cut_ = text.size() == size ? was_cut : last != '\n';
            return;
        }
    }

    std::mutex buffer_mutex_;  // never held while write_mutex_ is awaited
    std::string buffer_;
    std::mutex write_mutex_;  // keeps the order of what is written
    std::string writing_;
    std::size_t lost_ = 0;  // octets dropped and not yet told
    bool cut_ = false;      // the last line written is incomplete
};

// Never destroyed: threads may log while the program ends.
Sink& sink() {
    static auto* const kSink = new Sink;
    return *kSink;
}

// One idle line buffer a thread.
thread_local std::string spare_line;

std::string_view name_of(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warning:
            return "warning";
        case Level::error:
            return "error";
    }
    return "info";
}

void append_time(std::string& line) {
    // The calendar is worked out once a second, the milliseconds each time.
    struct Cache {
        std::int64_t second = -1;
        char text[32] = {};
    };
    thread_local Cache cache;
    const std::int64_t now = wall_now().time_since_epoch().count();
    const std::int64_t second = now / 1000;
    if (second != cache.second) {
        const std::chrono::sys_seconds at{std::chrono::seconds(second)};
        const auto day = std::chrono::floor<std::chrono::days>(at);
        const std::chrono::year_month_day date(day);
        const std::chrono::hh_mm_ss time(at - day);
        std::snprintf(cache.text, sizeof cache.text, "%04d-%02u-%02uT%02d:%02d:%02d",
                      static_cast<int>(date.year()) % 10000, static_cast<unsigned>(date.month()) % 100U,
                      static_cast<unsigned>(date.day()) % 100U, static_cast<int>(time.hours().count()) % 100,
                      static_cast<int>(time.minutes().count()) % 100,
                      static_cast<int>(time.seconds().count()) % 100);
        cache.second = second;
    }
    const auto milli = static_cast<unsigned>(now % 1000);
    line.append(cache.text, 19);
    const char tail[] = {'.', static_cast<char>('0' + milli / 100), static_cast<char>('0' + milli / 10 % 10),
                         static_cast<char>('0' + milli % 10), 'Z'};
    line.append(tail, sizeof tail);
}

// What an octet of a value asks for.
enum Need : std::uint8_t { plain, quotes, escape };
constexpr std::array<std::uint8_t, 256> kNeeds = [] {
    std::array<std::uint8_t, 256> needs{};
    for (std::size_t c = 0; c < 256; ++c)
        needs[c] = c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? escape
                   : c == ' ' || c == '='                         ? quotes
                                                                  : plain;
    return needs;
}();

// JSON knows no \x: the octet is written with two backslashes there, so that a reader sees \xHH in both
// formats.
void append_escaped(std::string& line, std::string_view value, bool json) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto hex = [&](char c) {
        const auto octet = static_cast<unsigned char>(c);
        line += json ? "\\\\x" : "\\x";
        line += kDigits[octet >> 4];
        line += kDigits[octet & 15];
    };
    for (std::size_t at = 0; at < value.size();) {
        const char c = value[at];
        if (kNeeds[static_cast<unsigned char>(c)] != escape) {
            line += c;
            ++at;
            continue;
        }
        if (text::is_8bit(c)) {
            const std::size_t length = text::safe_utf8_length(value, at);
            if (length == 0)
                hex(c);
            else
                line += value.substr(at, length);
            at += length == 0 ? 1 : length;
            continue;
        }
        switch (c) {
            case '"':
                line += "\\\"";
                break;
            case '\\':
                line += "\\\\";
                break;
            case '\n':
                line += "\\n";
                break;
            case '\r':
                line += "\\r";
                break;
            case '\t':
                line += "\\t";
                break;
            default:
                hex(c);
        }
        ++at;
    }
}

void append_value(std::string& line, std::string_view value, bool json) {
    unsigned need = value.empty() || json ? quotes : plain;
    for (const char c : value) {
        const unsigned wants = kNeeds[static_cast<unsigned char>(c)];
        if (wants > need) need = wants;
        if (need == escape) break;
    }
    if (need == plain) {
        line += value;
        return;
    }
    line += '"';
    if (need == escape)
        append_escaped(line, value, json);
    else
        line += value;
    line += '"';
}

bool is_written(Level level) {
    return level >= sink().level.load(std::memory_order_relaxed);
}

bool is_watched(Level level) {
    return level >= Level::info && sink().watched.load(std::memory_order_relaxed);
}

}  // namespace

void configure(const LogOptions& options) {
    Sink& to = sink();
    to.flush();  // what was written so far goes where it was meant to
    to.level = options.level;
    to.json = options.format == Format::json;
    to.timestamp = options.timestamp;
    static const MaskKey kOfThisStart = [] {
        std::random_device random;
        const auto word = [&random] { return std::uint64_t{random()} << 32U | random(); };
        return MaskKey{word(), word()};
    }();
    const MaskKey key = options.address_key.empty() ? kOfThisStart : mask_key_of(options.address_key);
    to.address_key[0] = key[0];
    to.address_key[1] = key[1];
    to.addresses = options.addresses;
    to.fd = options.to_stderr ? STDERR_FILENO : STDOUT_FILENO;
}

bool enabled(Level level) {
    return is_written(level) || is_watched(level);
}
void flush() {
    sink().flush();
}
bool dirty() {
    return sink().dirty.load(std::memory_order_relaxed);
}

void watch(std::shared_ptr<const Watcher> watcher) {
    Sink& to = sink();
    const bool some = watcher != nullptr;
    to.watcher.store(std::move(watcher));
    to.watched.store(some);
}

namespace {

void begin_json(std::string& line, Level level, std::string_view name, bool timestamp) {
    line += '{';
    if (timestamp) {
        line += "\"time\":\"";
        append_time(line);
        line += "\",";
    }
    line += "\"level\":\"";
    line += name_of(level);
    line += "\",\"event\":";
    append_value(line, name, true);
}

void begin_value(std::string& line, std::string_view key, bool json) {
    line += json ? std::string_view(",\"") : std::string_view(" ");
    line += key;
    line += json ? std::string_view("\":") : std::string_view("=");
}

}  // namespace

Event::Event(Level level, std::string_view name)
    : level_(level), enabled_(is_written(level)), watched_(is_watched(level)) {
    if (watched_) begin_json(seen_, level, name, true);
    if (!enabled_) return;
    line_.swap(spare_line);
    line_.clear();
    const Sink& to = sink();
    json_ = to.json.load(std::memory_order_relaxed);
    const bool timestamp = to.timestamp.load(std::memory_order_relaxed);
    if (json_) {
        begin_json(line_, level, name, timestamp);
        return;
    }
    if (timestamp) {
        append_time(line_);
        line_ += ' ';
    }
    append_value(line_, name, false);
    if (level != Level::info) {
        line_ += " level=";
        line_ += name_of(level);
    }
}

Event::~Event() {
    if (watched_) {
        seen_ += '}';
        if (const auto watcher = sink().watcher.load()) (*watcher)(seen_);
    }
    if (!enabled_) return;
    line_ += json_ ? "}\n" : "\n";
    sink().append(line_, level_ >= Level::warning);
    if (line_.capacity() <= kFlushAt) spare_line.swap(line_);
}

template <class Write>
void Event::each(std::string_view key, Write write) {
    if (enabled_) {
        begin_value(line_, key, json_);
        write(line_, json_);
    }
    if (watched_) {
        begin_value(seen_, key, true);
        write(seen_, true);
    }
}

Event& Event::kv(std::string_view key, std::string_view value) {
    const AddressForm form = enabled_ ? sink().addresses.load(std::memory_order_relaxed) : AddressForm::full;
    if (form != AddressForm::full && value.find('@') != std::string_view::npos) {
        const auto& secret = sink().address_key;
        const std::string hidden = mask_addresses(value, form, {secret[0].load(std::memory_order_relaxed), secret[1].load(std::memory_order_relaxed)});
        begin_value(line_, key, json_);
        append_value(line_, hidden, json_);
        if (watched_) {
            begin_value(seen_, key, true);
            append_value(seen_, value, true);
        }
        return *this;
    }
    each(key, [&](std::string& line, bool json) { append_value(line, value, json); });
    return *this;
}

Event& Event::kv(std::string_view key, std::int64_t value) {
    if (!enabled_ && !watched_) return *this;
    char digits[24];
    const std::string_view text(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr - digits));
    each(key, [&](std::string& line, bool) { line += text; });
    return *this;
}

Event& Event::kv(std::string_view key, std::uint64_t value) {
    if (!enabled_ && !watched_) return *this;
    char digits[24];
    const std::string_view text(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr - digits));
    each(key, [&](std::string& line, bool) { line += text; });
    return *this;
}

Event& Event::kv(std::string_view key, double value) {
    if (!enabled_ && !watched_) return *this;
    if (!std::isfinite(value)) return kv(key, std::string_view("none"));  // JSON has no word for it
    char digits[352];  // the largest double has 309 digits before the point
    const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, 3).ptr;
    const std::string_view text(digits, static_cast<std::size_t>(end - digits));
    each(key, [&](std::string& line, bool) { line += text; });
    return *this;
}

}  // namespace posthorn::log
