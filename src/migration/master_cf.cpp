// The fields of master.cf's lines, and the forms that -o comes in.
#include "migration/master_cf.hpp"

#include <array>

#include "base/text.hpp"
#include "migration/logical_lines.hpp"

namespace posthorn::migration {
namespace {

struct Word {
    std::string text;
    std::uint32_t line = 0;
};

// Words at white space; "{ a b }" is one word, without its braces and the blanks inside them.
std::vector<Word> words_of(const LogicalLine& line) {
    std::vector<Word> words;
    const std::string& text = line.text;
    std::size_t at = 0;
    while (at < text.size()) {
        if (text::is_blank(text[at])) {
            ++at;
            continue;
        }
        const std::size_t begin = at;
        if (text[at] == '{') {
            int depth = 0;
            do {
                if (text[at] == '{') ++depth;
                if (text[at] == '}') --depth;
                ++at;
            } while (at < text.size() && depth > 0);
            const std::string_view inside =
                std::string_view(text).substr(begin + 1, at - begin - (depth == 0 ? 2 : 1));
            words.push_back({std::string(text::trim(inside)), line.line_at(begin)});
            continue;
        }
        while (at < text.size() && !text::is_blank(text[at])) ++at;
        words.push_back({text.substr(begin, at - begin), line.line_at(begin)});
    }
    return words;
}

}  // namespace

int port_number(std::string_view service) {
    static constexpr std::array<std::pair<std::string_view, int>, 7> kNames{{{"smtp", 25},
                                                                             {"submission", 587},
                                                                             {"submissions", 465},
                                                                             {"smtps", 465},
                                                                             {"ssmtp", 465},
                                                                             {"urd", 465},
                                                                             {"lmtp", 24}}};
    for (const auto& [name, port] : kNames) {
        if (name == service) return port;
    }
    return static_cast<int>(text::parse_unsigned(service, 65535).value_or(0));
}

int Service::port() const {
    const std::size_t colon = name.rfind(':');
    return port_number(colon == std::string::npos ? std::string_view(name)
                                                  : std::string_view(name).substr(colon + 1));
}

std::string Service::host() const {
    const std::size_t colon = name.rfind(':');
    if (colon == std::string::npos) return {};
    std::string host = name.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return host;
}

const Service* MasterCf::find(std::string_view name, std::string_view type) const {
    for (const Service& service : services) {
        if (service.name == name && service.type == type) return &service;
    }
    return nullptr;
}

MasterCf parse_master_cf(std::string_view text, const std::string& file) {
    MasterCf master;
    for (const LogicalLine& line : logical_lines(text)) {
        const std::vector<Word> words = words_of(line);
        const Origin origin{file, line.line};
        if (words.size() < 8) {
            master.faults.push_back({origin,
                                     "a service has eight fields (name, type, private, unprivileged, chroot, "
                                     "wakeup, limit, command), this line " +
                                         std::to_string(words.size()) + "; Postfix stops at it"});
            continue;
        }
        Service service{words[0].text, words[1].text, words[7].text, {}, {}, origin};
        for (std::size_t i = 8; i < words.size(); ++i) {
            std::string option = words[i].text;
            const std::uint32_t number = words[i].line;
            if (!option.starts_with("-o")) {
                service.arguments.push_back(std::move(option));
                continue;
            }
            option.erase(0, 2);
            if (option.empty() && ++i < words.size()) option = words[i].text;
            const std::size_t equals = option.find('=');
            if (equals == std::string::npos) {
                master.faults.push_back(
                    {{file, number},
                     "-o " + text::safe_for_log(option, 60) +
                         " has no \"=\"; blanks are allowed around it only in -o { name = value }"});
                continue;
            }
            service.overrides.push_back({std::string(text::trim(std::string_view(option).substr(0, equals))),
                                         std::string(text::trim(std::string_view(option).substr(equals + 1))),
                                         {file, number}});
        }
        master.services.push_back(std::move(service));
    }
    return master;
}

}  // namespace posthorn::migration
