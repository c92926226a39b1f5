// How a rule that knows some answers of DNS notes the questions it misses: it is evaluated again when they were asked.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "auth/dns_answers.hpp"

namespace posthorn::auth {

// Each question once, in the order in which they came up.
inline void want(std::vector<DnsQuestion>& wanted, DnsQuestion question) {
    if (std::find(wanted.begin(), wanted.end(), question) == wanted.end()) wanted.push_back(std::move(question));
}

// Not known: it is wanted, and an answer that says nothing stands in for it. What is returned lives as long as `known`.
[[nodiscard]] inline const DnsAnswer& ask(const DnsAnswers& known, DnsType type, const std::string& name, std::vector<DnsQuestion>& wanted) {
    static const DnsAnswer kNothing;
    DnsQuestion question(type, name);
    if (const DnsAnswer* answer = known.find(question)) return *answer;
    want(wanted, std::move(question));
    return kNothing;
}

}  // namespace posthorn::auth
