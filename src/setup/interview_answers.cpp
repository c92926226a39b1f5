// What counts as an answer to each question, and why not.
#include <fmt/format.h>

#include <algorithm>

#include "base/endpoint.hpp"
#include "base/text.hpp"
#include "config/checks.hpp"
#include "mail/domain.hpp"
#include "setup/interview.hpp"

namespace posthorn::setup {
namespace {

// Separated by spaces or commas, as people do.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : text) {
        if (text::is_space(c) || c == ',' || c == ';') {
            if (!word.empty()) words.push_back(std::move(word));
            word.clear();
        } else {
            word += c;
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

}  // namespace

Result<void> Interview::answer(Topic topic, std::string_view text) {
    const std::string_view given = text::trim(text);
    if (given.empty()) return Error{"this needs an answer"};
    if (!text::is_utf8(given) ||
        std::any_of(given.begin(), given.end(), [](char c) { return text::is_control(c); }))
        return Error{"there are characters in it that belong to no text"};
    Result<void> taken;
    switch (topic) {
        case Topic::hostname:
            taken = take_hostname(given);
            break;
        case Topic::addresses:
            taken = take_addresses(given);
            break;
        case Topic::domains:
            taken = take_domains(given);
            break;
        case Topic::senders:
            taken = take_senders(given);
            break;
        case Topic::certificate:
            taken = take_certificate(given);
            break;
        case Topic::key:
            taken = take_key(given);
            break;
        case Topic::root_mail:
            taken = take_root_mail(given);
            break;
    }
    if (taken) answered_ |= 1U << static_cast<unsigned>(topic);
    return taken;
}

Result<void> Interview::take_hostname(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    std::string name = text::to_lower(text);
    if (const auto ascii = mail::to_ascii(name)) name = *ascii;
    if (const std::string fault = config::fault_of_hostname(name); !fault.empty())
        return Error{name, fault, "; it should be a full name in DNS, such as mail.example.com"};
    answers_.hostname = std::move(name);
    return {};
}

Result<void> Interview::take_addresses(std::string_view text) {
    std::vector<IpAddress> addresses;
    const std::vector<std::string> words = words_of(text);
    if (words.size() == 1 && (words[0] == "unknown" || words[0] == "none")) {
        answers_.addresses.clear();
        return {};
    }
    for (const std::string& word : words) {
        const auto address = IpAddress::parse(word);
        if (!address) return Error{word, " is no IP address; one looks like 203.0.113.5 or 2001:db8::5"};
        if (address->is_private())
            return Error{word,
                         " is an address that only your own network knows; wanted is the one by which the "
                         "world sees this server (your hoster's "
                         "control panel shows it), or \"unknown\""};
        if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end())
            addresses.push_back(*address);
    }
    answers_.addresses = std::move(addresses);
    return {};
}

Result<void> Interview::take_domains(std::string_view text) {
    std::vector<std::string> domains;
    for (std::string word : words_of(text)) {
        if (const auto at = word.rfind('@'); at != std::string::npos)
            return Error{word, " is an address; wanted is its domain alone: ", word.substr(at + 1)};
        if (word.ends_with('.')) word.pop_back();
        if (IpAddress::parse(word)) return Error{word, " is an IP address; wanted is a domain, such as example.com"};
        const auto name = mail::to_ascii(word);
        if (!name) return Error{word, " is no domain: ", name.error().what};
        if (!config::is_domain_name(*name)) return Error{word, " is no domain; one looks like example.com"};
        if (const std::string fault = config::fault_of_hostname(*name); !fault.empty())
            return Error{word, fault, ", and mail from it is refused everywhere"};
        if (std::find(domains.begin(), domains.end(), *name) == domains.end()) domains.push_back(*name);
    }
    if (domains.empty()) return Error{"this needs an answer"};
    answers_.domains = std::move(domains);
    return {};
}

Result<void> Interview::take_senders(std::string_view text) {
    if (text != "1" && text != "2") return Error{fmt::format("{} is neither 1 nor 2", text)};
    answers_.users = text == "2";
    return {};
}

Result<void> Interview::take_certificate(std::string_view text) {
    answers_.certificate_later = text == "later";
    answers_.self_signed = text == "self-signed";  // by flag, for tests
    if (answers_.certificate_later || answers_.self_signed) {
        answers_.certificate_file.clear();
        answers_.key_file.clear();
        return {};
    }
    if (machine_.is_file && !machine_.is_file(std::string(text)))
        return Error{
            fmt::format("there is no file {}, or it cannot be read from here; `certbot certificates` shows "
                        "where yours are, and \"later\" goes on without",
                        text)};
    answers_.certificate_file = text;
    return {};
}

Result<void> Interview::take_key(std::string_view text) {
    if (machine_.is_file && !machine_.is_file(std::string(text)))
        return Error{fmt::format("there is no file {}, or it cannot be read from here", text)};
    answers_.key_file = text;
    return {};
}

Result<void> Interview::take_root_mail(std::string_view text) {
    if (text == "none") {
        answers_.root_mail.clear();
        return {};
    }
    for (const std::string& word : words_of(text)) {
        const auto at = word.rfind('@');
        if (at == std::string::npos || at == 0 || !config::is_domain_name(word.substr(at + 1)))
            return Error{word, " is no address; one looks like you@example.com. \"none\" names nobody"};
    }
    std::string all;
    for (const std::string& word : words_of(text)) all += (all.empty() ? "" : " ") + word;
    answers_.root_mail = std::move(all);
    return {};
}

}  // namespace posthorn::setup
