// The event log: one line per event, "event key=value ...", written to standard output or standard error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/address_mask.hpp"

namespace posthorn::log {

enum class Level : std::uint8_t { debug, info, warning, error };
enum class Format : std::uint8_t { logfmt, json };

struct LogOptions {
    Level level = Level::info;
    Format format = Format::logfmt;
    bool to_stderr = false;  // the daemon logs to standard output, command line tools to standard error
    bool timestamp =
        true;  // "2026-11-21T20:52:01.123Z" as the first field; false where journald or docker adds its own
    AddressForm addresses = AddressForm::full;  // how mail addresses stand in what is written; watchers see them whole
    std::string address_key;                    // of AddressForm::hash; empty: another one each start
};

// Call once at start, and again to change level or format. Until then warnings and errors go to standard
// error.
void configure(const LogOptions& options);
[[nodiscard]] bool enabled(Level level);  // written or watched: for those who would have to work for an event
// Lines are buffered; warnings and errors are flushed at once, the rest by flush(), which the app calls every
// 100 ms while dirty() and at exit. Both are cheap and may be called from any thread.
void flush();
[[nodiscard]] bool dirty();

// Sees each event at level info and above as one object of JSON without a line end, whatever configure() says of level and format. Called
// on the thread that logs: it must be quick, and must not log. One at a time, in place of the one before; null: nobody watches,
// which costs an event next to nothing. Any thread.
using Watcher = std::function<void(std::string_view json)>;
void watch(std::shared_ptr<const Watcher> watcher);

// Builds one line and writes it when it is destroyed. Values are quoted and escaped where they need it
// (control characters, quotes, blanks), so that one event is always one line. Any thread.
//   log::Event(log::Level::info, "stored").kv("id", id.to_string()).kv("size", 1234);
class Event {
public:
    Event(Level level, std::string_view name);
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    Event& kv(std::string_view key, std::string_view value);
    Event& kv(std::string_view key, const char* value) { return kv(key, std::string_view(value)); }
    Event& kv(std::string_view key, const std::string& value) { return kv(key, std::string_view(value)); }
    Event& kv(std::string_view key, std::int64_t value);
    Event& kv(std::string_view key, std::uint64_t value);
    Event& kv(std::string_view key, int value) { return kv(key, static_cast<std::int64_t>(value)); }
    Event& kv(std::string_view key, unsigned value) { return kv(key, static_cast<std::uint64_t>(value)); }
    Event& kv(std::string_view key, double value);  // three decimals
    Event& kv(std::string_view key, bool value) {
        return kv(key, std::string_view(value ? "true" : "false"));
    }

private:
    template <class Write>
    void each(std::string_view key, Write write);

    Level level_;
    bool enabled_;
    bool json_ = false;
    bool watched_;
    std::string line_;  // borrowed from the thread, so that a line costs no allocation
    std::string seen_;  // for the watcher
};

inline Event info(std::string_view name) {
    return Event(Level::info, name);
}
inline Event warning(std::string_view name) {
    return Event(Level::warning, name);
}
inline Event error(std::string_view name) {
    return Event(Level::error, name);
}
inline Event debug(std::string_view name) {
    return Event(Level::debug, name);
}

}  // namespace posthorn::log
