// A zone as lines of text, and the answers it gives to rules that ask for them: "example.com TXT v=spf1 -all".
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/dns_answers.hpp"
#include "base/text.hpp"

namespace posthorn::test {

// "name TYPE value"; "name TYPE !" is a question nobody answers. MX: "10 host" (in the order of preference), "10 ." a null MX.
class DnsZone {
public:
    DnsZone() = default;
    explicit DnsZone(std::string_view lines) { add(lines); }

    DnsZone& add(std::string_view lines) {
        std::istringstream in{std::string(lines)};
        for (std::string line; std::getline(in, line);) {
            std::istringstream words{line};
            std::string name, type, value;
            if (!(words >> name >> type)) continue;
            std::getline(words >> std::ws, value);
            names_.insert(name);
            auth::DnsAnswer& answer = answers_[{type, name}];
            if (value == "!") {
                answer = auth::DnsAnswer(auth::DnsStatus::temporary);
                continue;
            }
            answer.status = auth::DnsStatus::ok;
            answer.ttl = std::chrono::seconds(300);
            if (type == "A" || type == "AAAA") answer.addresses.push_back(IpAddress::parse(value).value());
            else if (type == "MX") answer.texts.push_back(value.substr(value.find(' ') + 1) == "." ? "" : value.substr(value.find(' ') + 1));
            else answer.texts.push_back(value);
        }
        return *this;
    }
    DnsZone& remove(const std::string& type, const std::string& name) {
        answers_.erase({type, name});
        return *this;
    }

    [[nodiscard]] auth::DnsAnswer answer(const auth::DnsQuestion& question) const {
        const auto found = answers_.find({std::string(to_string(question.type)), question.name});
        if (found != answers_.end()) return found->second;
        auth::DnsAnswer none(auth::DnsStatus::nxdomain);
        for (const std::string& name : names_)
            if (name == question.name || name.ends_with("." + question.name)) none.status = auth::DnsStatus::no_data;
        none.ttl = std::chrono::seconds(60);
        return none;
    }

    // Runs a rule until it wants nothing more: rule(const DnsAnswers&) gives a variant of questions or the result.
    template <class Rule>
    auto settle(Rule rule) const {
        auth::DnsAnswers known;
        for (int round = 0;; ++round) {
            auto step = rule(known);
            if (step.index() == 1 || round == 100) return std::get<1>(std::move(step));
            for (const auth::DnsQuestion& question : std::get<0>(step)) known.add(question, answer(question));
        }
    }

private:
    std::map<std::pair<std::string, std::string>, auth::DnsAnswer> answers_;
    std::set<std::string> names_;
};

}  // namespace posthorn::test
