// A judgement in plain words: whom it concerns, and what is done about it. What classes mean is in why_words.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/alarm.hpp"
#include "delivery/judgement.hpp"

namespace posthorn::delivery {

// "this IP address and this DKIM domain", of what the refusal concerns; by the class's own scope where the
// text names nobody.
[[nodiscard]] std::string concerns(const Judgement& judgement);

// One sentence each, in the order in which it happens.
[[nodiscard]] std::vector<std::string> consequences(const Judgement& judgement);

// What the operator is told at once of a refusal whose rule says alert. Nothing for classes that have an
// alarm of their own: those that suspend or slow down, and what is about the form of a message or of the
// dialogue.
[[nodiscard]] std::optional<Alarm> alarm_of(const Outcome& outcome);

}  // namespace posthorn::delivery
