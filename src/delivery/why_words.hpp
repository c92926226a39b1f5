// Plain words for people who read why their mail waits: what classes mean, and spans of time.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn::delivery {

// By the word of the class as the queue stores it ("grey", "rcpt-perm", ...); for one that is not known, words that claim nothing.
[[nodiscard]] std::string_view class_meaning(std::string_view failure_class);
// What the operator can do about it; empty: nothing, or only to wait.
[[nodiscard]] std::string_view class_advice(std::string_view failure_class);

// "40 seconds", "5 minutes", "2 hours 10 minutes", "3 days": whole units, rounded down.
[[nodiscard]] std::string span_words(Duration span);
// "now", "in 5 minutes (2026-11-22T10:05:00Z)".
[[nodiscard]] std::string time_words(TimePoint when, TimePoint now);
// A reply of any number of lines as one, without anything that could fool a terminal.
[[nodiscard]] std::string one_line(std::string_view words);
// "1 recipient", "3 recipients".
[[nodiscard]] std::string count_words(std::uint64_t count, std::string_view one);
// "mail of 2 senders of ours", "this machine's mail", both; empty where nothing is suspended.
[[nodiscard]] std::string held_words(std::size_t senders, bool machine);
// "Greylisting" from "greylisting"; with a full stop at its end unless it has one.
[[nodiscard]] std::string sentence_of(std::string words);

}  // namespace posthorn::delivery
