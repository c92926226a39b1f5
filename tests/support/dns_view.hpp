// What one place says about names: the zones' own truth, or a resolver or a server that differs from it in some records.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/dns_answers.hpp"
#include "support/zone_file.hpp"

namespace posthorn::test {

// Answers as a server or resolver would (RFC 1034 s4.3.2): CNAMEs are followed, wildcards stand for names that are not there (RFC 4592), a negative
// answer lasts as long as the SOA of its zone says (RFC 2308 s5).
class DnsView {
public:
    void add(std::string_view zone_text) {
        for (ZoneRecord& record : ZoneFile::read(zone_text)) {
            Set& set = sets_[{record.name, record.type}];
            set.ttl = set.values.empty() ? record.ttl : std::min(set.ttl, record.ttl);
            set.values.push_back(std::move(record.data));
        }
    }
    // "example.com TXT", "example.com *" (all of the name), "*" (all there is). False: there was nothing of the kind.
    bool remove(std::string_view what) {
        const auto [name, type] = cut(what);
        return std::erase_if(sets_, [&](const auto& one) {
                   return name == "*" || (one.first.first == name && (type == "*" || one.first.second == type));
               }) > 0;
    }
    // These record sets in place of what is known of them: what somebody remembers.
    void has(std::string_view zone_text) {
        for (const ZoneRecord& record : ZoneFile::read(zone_text)) sets_.erase({record.name, record.type});
        add(zone_text);
    }
    // "example.com TXT 600": somebody remembers, for so many seconds more, that there is none.
    void denies(std::string_view what) {
        const auto [name, rest] = cut(what);
        const auto [type, ttl] = cut(rest);
        sets_.erase({name, type});
        denied_[{name, type}] = std::chrono::seconds(std::stol(ttl));
    }
    // "example.com TXT", "example.com *", "*": the question is not answered.
    void is_silent_about(std::string_view what) { silent_.insert(cut(what)); }

    [[nodiscard]] auth::DnsAnswer answer(const auth::DnsQuestion& question) const {
        const std::string type(to_string(question.type));
        std::string name = question.name;
        auth::DnsAnswer answer;
        auto ttl = std::chrono::seconds(1U << 30U);
        for (int hops = 0; hops < 10; ++hops) {
            if (silent_.contains({"*", ""}) || silent_.contains({name, "*"}) || silent_.contains({name, type})) {
                answer = auth::DnsAnswer(auth::DnsStatus::temporary);
                answer.detail = "127.0.0.53:53 answers SERVFAIL";
                return answer;
            }
            const std::string owner = owner_of(name);
            if (const auto known = sets_.find({owner, type}); known != sets_.end()) {
                answer = filled(known->second, question.type);
                answer.ttl = std::min(ttl, answer.ttl);
                return answer;
            }
            const auto alias = sets_.find({owner, "CNAME"});
            if (alias == sets_.end()) {
                const auto denied = denied_.find({name, type});
                answer.status = exists(owner) ? auth::DnsStatus::no_data : auth::DnsStatus::nxdomain;
                answer.ttl = std::min(ttl, denied == denied_.end() ? negative_ttl(name) : denied->second);
                return answer;
            }
            ttl = std::min(ttl, alias->second.ttl);
            name = alias->second.values.front().front();
        }
        answer.detail = "a chain of CNAMEs without an end";
        return answer;
    }

    // Apexes: the names that have a SOA.
    [[nodiscard]] std::vector<std::string> zones() const {
        std::vector<std::string> apexes;
        for (const auto& [key, set] : sets_)
            if (key.second == "SOA") apexes.push_back(key.first);
        return apexes;
    }

private:
    using Key = std::pair<std::string, std::string>;  // name, type
    struct Set {
        std::chrono::seconds ttl{0};
        std::vector<std::vector<std::string>> values;
    };

    static Key cut(std::string_view text) {
        const std::size_t space = text.find(' ');
        return space == std::string_view::npos ? Key(text, "") : Key(text.substr(0, space), text.substr(space + 1));
    }
    [[nodiscard]] bool exists(const std::string& name) const {
        return std::any_of(sets_.begin(), sets_.end(), [&](const auto& one) {
            return one.first.first == name || one.first.first.ends_with("." + name);
        });
    }
    // The name, or the wildcard that stands for it: that of the closest name above which exists.
    [[nodiscard]] std::string owner_of(const std::string& name) const {
        if (exists(name)) return name;
        for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
            const std::string above = name.substr(dot + 1);
            if (exists("*." + above)) return "*." + above;
            if (exists(above)) break;
        }
        return name;
    }
    [[nodiscard]] std::chrono::seconds negative_ttl(std::string_view name) const {
        for (std::string above(name); !above.empty();) {
            if (const auto soa = sets_.find({above, "SOA"}); soa != sets_.end())
                return std::min(soa->second.ttl, std::chrono::seconds(std::stol(soa->second.values.front().at(6))));
            const std::size_t dot = above.find('.');
            above = dot == std::string::npos ? std::string() : above.substr(dot + 1);
        }
        return std::chrono::seconds(900);
    }
    static auth::DnsAnswer filled(const Set& set, auth::DnsType type) {
        auth::DnsAnswer answer(auth::DnsStatus::ok);
        answer.ttl = set.ttl;
        std::vector<std::vector<std::string>> values = set.values;
        if (type == auth::DnsType::mx)
            std::stable_sort(values.begin(), values.end(), [](const auto& a, const auto& b) { return std::stoi(a[0]) < std::stoi(b[0]); });
        for (const std::vector<std::string>& value : values) {
            if (type == auth::DnsType::a || type == auth::DnsType::aaaa) {
                answer.addresses.push_back(IpAddress::parse(value.at(0)).value());
            } else if (type == auth::DnsType::txt) {
                std::string& text = answer.texts.emplace_back();
                for (const std::string& piece : value) text += piece;  // RFC 7208 s3.3, RFC 6376 s3.6.2.2: without anything between
            } else {
                answer.texts.push_back(value.at(type == auth::DnsType::mx ? 1 : 0));
            }
        }
        return answer;
    }

    std::map<Key, Set> sets_;
    std::map<Key, std::chrono::seconds> denied_;
    std::set<Key> silent_;
};

}  // namespace posthorn::test
