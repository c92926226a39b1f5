// Whatever the file looks like: a change leaves every other line as it is, and the result loads.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/config.hpp"
#include "setup/config_text.hpp"

namespace posthorn::setup {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (const std::string_view line : text::split(text, '\n')) lines.emplace_back(line);
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
}

// All of `less`, in their order, are among those of `more`.
bool holds_all(const std::vector<std::string>& more, const std::vector<std::string>& less) {
    auto at = more.begin();
    return std::all_of(less.begin(), less.end(), [&](const std::string& line) {
        at = std::find(at, more.end(), line);
        return at != more.end() && at++ != more.end();
    });
}

// A file as people write them: comments, blank lines and spaces anywhere, sections in any order.
struct Written {
    std::string text;
    std::vector<std::string> domains;
};

std::string noise() {
    static const std::vector<std::string> all = {"",
                                                 "",
                                                 "",
                                                 "\n",
                                                 "\n\n",
                                                 "# a comment\n",
                                                 "#\n",
                                                 "  # [[domain]]\n",
                                                 "# name = \"x\"\n",
                                                 "\n# \u00e4\u00f6 =\n\n",
                                                 "#hostname = \"\"\n",
                                                 "\t\n",
                                                 "# [log]\n\n"};
    return *rc::gen::elementOf(all);
}

Written written_file(int least_domains = 0) {
    Written file;
    file.text = noise() +
                *rc::gen::elementOf(std::vector<std::string>{
                    "hostname = \"mail.example.com\"", "hostname='mail.example.com' # \u20ac",
                    "\"hostname\"   = \"\"\"mail.example.com\"\"\""}) +
                "\n" + noise();
    if (*rc::gen::arbitrary<bool>()) file.text += "dns.timeout = \"5s\" # dotted\n" + noise();
    std::vector<std::string> parts = {"[[listener]]\naddress = \"127.0.0.1:25\"\n"};
    const int count = *rc::gen::inRange(least_domains, 4);
    for (int i = 0; i < count; ++i) {
        const std::string name = "d" + std::to_string(i) + ".example";
        file.domains.push_back(name);
        parts.push_back(*rc::gen::elementOf(std::vector<std::string>{
            "[[domain]]\nname = \"" + name +
                "\"\ndkim = [{ selector = \"m1\", key_file = \"k.pem\" }] # key\n",
            "  [[ domain ]] # mine\n" + noise() +
                "dkim = [\n  # first\n  { selector = \"m1\", key_file = \"k.pem\" },\n]\nname = \"" + name +
                "\"\n",
            "[[domain]]\nname = \"" + name + "\"\n" + noise() + "bounce_to = \"a@" + name + "\" #x\n"}));
    }
    if (*rc::gen::arbitrary<bool>()) parts.push_back("[log]\n" + noise() + "level = \"info\"\n");
    if (*rc::gen::arbitrary<bool>()) parts.push_back("[tls]\n" + noise());
    if (*rc::gen::arbitrary<bool>()) parts.push_back("[delivery.timeouts]\ngreeting = \"5m\" # five\n");
    if (*rc::gen::arbitrary<bool>())
        parts.push_back("[local]\n#users_to = []\naliases_file = '''/etc/aliases'''\n");
    // Any order, for tables of one kind their own.
    for (std::size_t i = parts.size(); i > 1; --i)
        std::swap(parts[i - 1], parts[*rc::gen::inRange<std::size_t>(0, i)]);
    for (const std::string& part : parts) file.text += part + noise();
    if (*rc::gen::arbitrary<bool>() && file.text.ends_with('\n')) file.text.pop_back();
    if (*rc::gen::arbitrary<bool>()) {
        std::string windows;
        for (const char c : file.text) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
        file.text = windows;
    }
    return file;
}

void check_loads(const std::string& text) {
    const config::Loaded loaded = config::parse(text, "/etc/posthorn/posthorn.toml", {});
    for (const auto& mistake : loaded.mistakes) RC_LOG() << mistake.to_string() << "\n" << text;
    RC_ASSERT(loaded.mistakes.empty());
}

RC_GTEST_PROP(ConfigTextOfAnyShape, AddingADomainKeepsAllLines, ()) {
    const Written file = written_file();
    check_loads(file.text);
    ConfigText text = ConfigText::parse(file.text, "f").value();
    RC_ASSERT(text.add_domain({"new.example", {{"m1", "keys/m1.pem"}}, ""}).value());
    RC_ASSERT(holds_all(lines_of(text.text()), lines_of(file.text)) ||
              // a last line without an end gets one, which on Windows looks different
              holds_all(lines_of(text.text()), lines_of(file.text + "\r\n")));
    check_loads(text.text());
    const auto names = text.domains();
    RC_ASSERT(names.size() == file.domains.size() + 1 &&
              std::count(names.begin(), names.end(), "new.example") == 1);
    // And there and back again: of blank lines one may be missing, and the last line has an end now.
    RC_ASSERT(text.remove_domain("new.example").value());
    std::vector<std::string> now = lines_of(text.text());
    std::vector<std::string> before = lines_of(file.text);
    RC_ASSERT(now.size() + 1 >= before.size());
    for (auto* lines : {&now, &before}) {
        for (std::string& line : *lines) line = text::trim_right(line);
        std::erase(*lines, "");
    }
    RC_ASSERT(now == before);
}

RC_GTEST_PROP(ConfigTextOfAnyShape, RemovingADomainTakesOnlyItsOwnLines, ()) {
    const Written file = written_file(1);
    const std::string name = *rc::gen::elementOf(file.domains);
    ConfigText text = ConfigText::parse(file.text, "f").value();
    RC_ASSERT(text.remove_domain(name).value());
    const auto at = file.text.find(text.removed());
    RC_ASSERT(at != std::string::npos);
    std::vector<std::string> rest =
        lines_of(file.text.substr(0, at) + file.text.substr(at + text.removed().size()));
    std::vector<std::string> now = lines_of(text.text());
    RC_ASSERT(holds_all(rest, now));
    RC_ASSERT(rest.size() - now.size() <= 1);  // a blank one
    const auto blank = [](const std::string& line) { return text::trim(line).empty(); };
    std::erase_if(rest, blank);
    std::erase_if(now, blank);
    RC_ASSERT(rest == now);
    check_loads(text.text());
    RC_ASSERT(text.domains().size() + 1 == file.domains.size());
}

RC_GTEST_PROP(ConfigTextOfAnyShape, SettingAValueKeepsAllOtherLines, ()) {
    using Setting = std::pair<std::string, std::string>;
    const Written file = written_file();
    const Setting setting =
        *rc::gen::elementOf(std::vector<Setting>{{"hostname", "\"mx.example.com\""},
                                                 {"postmaster", "\"ann@example.com\""},
                                                 {"tls.self_signed", "true"},
                                                 {"log.level", "\"warning\""},
                                                 {"local.users_to", "[\"ann@example.com\"]"},
                                                 {"dns.timeout", "\"7s\""},
                                                 {"delivery.timeouts.greeting", "\"6m\""},
                                                 {"delivery.port", "2525"}});
    ConfigText text = ConfigText::parse(file.text, "f").value();
    RC_ASSERT(text.set_value(setting.first, setting.second).value());
    std::vector<std::string> before = lines_of(file.text);
    std::vector<std::string> now = lines_of(text.text());
    // A line that was not ended is ended where something follows it.
    if (file.text.find("\r\n") != std::string::npos && !before.back().ends_with('\r')) before.back() += '\r';
    if (file.text.find("\r\n") != std::string::npos && !now.back().ends_with('\r')) now.back() += '\r';
    std::vector<std::string> lost;
    auto at = now.begin();
    for (const std::string& line : before) {
        const auto found = std::find(at, now.end(), line);
        if (found == now.end()) {
            lost.push_back(line);
        } else {
            at = std::next(found);
        }
    }
    RC_ASSERT(lost.size() <= 1);
    if (!lost.empty()) {
        const std::string key = setting.first.substr(setting.first.rfind('.') + 1);
        RC_ASSERT(lost.front().find(key) != std::string::npos);
        const auto comment = lost.front().find(" #");
        if (comment != std::string::npos)
            RC_ASSERT(text.text().find(text::trim_right(std::string_view(lost.front()).substr(comment))) !=
                      std::string::npos);
    }
    check_loads(text.text());
    RC_ASSERT(
        !text.set_value(setting.first, setting.second).value());  // the second time there is nothing to do
}

}  // namespace
}  // namespace posthorn::setup
