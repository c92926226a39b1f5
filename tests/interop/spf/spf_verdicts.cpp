// Evaluates SPF on a zone given as JSON, for compare_verdicts.py: one scenario a line in, its verdicts a line out.
//
// In:  {"zone": {"example.com": [["TXT", "v=spf1 -all"], ["MX", 10, "mx.example.com"], ["TIMEOUT"]]}, "checks": [{"ip", "helo", "mail_from"}]}
// Out: ["fail", ...]. A list ["TIMEOUT"] answers every question that no record before it answers with silence.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <iostream>
#include <map>
#include <string>

#include "auth/spf.hpp"
#include "base/text.hpp"

namespace {

namespace json = boost::json;
using namespace posthorn;
using auth::DnsAnswer;
using auth::DnsQuestion;
using auth::DnsStatus;

std::string name_of(std::string_view text) {
    std::string name = text::to_lower(text);
    if (name.ends_with('.')) name.pop_back();
    return name;
}

DnsAnswer answer_from(const json::object& zone, const DnsQuestion& question, int depth = 0) {
    for (const auto& [key, records] : zone) {
        if (name_of(key) != question.name) continue;
        DnsAnswer answer(DnsStatus::no_data);
        std::map<std::int64_t, std::vector<std::string>> mx;
        for (const json::value& one : records.as_array()) {
            const json::array& record = one.as_array();
            const std::string_view type = record[0].as_string();
            if (type == "TIMEOUT") {
                if (answer.status != DnsStatus::ok) return DnsAnswer(DnsStatus::temporary);
                continue;
            }
            if (type == "CNAME" && depth < 8) return answer_from(zone, DnsQuestion(question.type, name_of(record[1].as_string())), depth + 1);
            if (type != to_string(question.type)) continue;
            if (record.back() == "TIMEOUT") return DnsAnswer(DnsStatus::temporary);
            answer.status = DnsStatus::ok;
            const std::string value(record.back().as_string());
            if (type == "MX") mx[record[1].as_int64()].push_back(name_of(value));
            else if (type == "A" || type == "AAAA") answer.addresses.push_back(IpAddress::parse(value).value());
            else answer.texts.push_back(type == "TXT" ? value : name_of(value));
        }
        for (const auto& [preference, names] : mx) answer.texts.insert(answer.texts.end(), names.begin(), names.end());
        return answer;
    }
    return DnsAnswer(question.name.starts_with("error.") ? DnsStatus::temporary : DnsStatus::nxdomain);
}

// As a receiver makes it (RFC 7208 s2.3, s2.4, s4.3).
auth::spf::Subject subject_of(const json::object& check) {
    const std::string helo(check.at("helo").as_string()), sender(check.at("mail_from").as_string());
    const std::size_t at = sender.rfind('@');
    auth::spf::Subject subject(IpAddress::parse(std::string(check.at("ip").as_string())).value(),
                               at == std::string::npos ? helo : sender.substr(at + 1), helo);
    if (at != std::string::npos && at > 0) subject.local_part = sender.substr(0, at);
    return subject;
}

std::string verdict_of(const json::object& zone, const json::object& check) {
    const auth::spf::Subject subject = subject_of(check);
    auth::DnsAnswers known;
    for (int round = 0; round < 100; ++round) {
        const auth::spf::Step step = auth::spf::evaluate(subject, known);
        if (const auto* outcome = std::get_if<auth::spf::Outcome>(&step)) return std::string(to_string(outcome->verdict));
        for (const DnsQuestion& question : std::get<0>(step)) known.add(question, answer_from(zone, question));
    }
    return "never ends";
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json::value scenario = json::parse(line);
        json::array verdicts;
        for (const json::value& check : scenario.at("checks").as_array())
            verdicts.emplace_back(verdict_of(scenario.at("zone").as_object(), check.as_object()));
        std::cout << json::serialize(verdicts) << std::endl;
    }
}
