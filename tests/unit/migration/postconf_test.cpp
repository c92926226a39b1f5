// main.cf as Debian's postconf reads it: every parameter of many files, value by value (SD-86).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "base/text.hpp"
#include "migration/master_cf.hpp"
#include "migration/parameters.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::migration {
namespace {

std::string hostname() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

struct Answer {
    int code = -1;
    std::string text;
};

Answer run(const std::string& command) {
    FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
    if (pipe == nullptr) return {};
    Answer answer;
    char part[4096];
    for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) answer.text.append(part, n);
    const int status = ::pclose(pipe);
    answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return answer;
}

std::map<std::string, std::string> parsed(const std::string& text) {
    std::map<std::string, std::string> values;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t equals = line.find('=');
        if (equals == std::string::npos) continue;
        values[std::string(text::trim(line.substr(0, equals)))] =
            std::string(text::trim(line.substr(equals + 1)));
    }
    return values;
}

// What depends on the process, or on the machine's interfaces.
bool is_of_the_process(const std::string& name) {
    return name == "process_id" || name == "process_name" || name == "mail_release_date" ||
           name == "mynetworks" || name == "mail_version" || name == "smtpd_client_event_limit_exceptions" ||
           name == "smtpd_forbid_bare_newline_exclusions" || name == "proxy_read_maps";
}

// Without blanks at the ends, and with one where there are several: postconf shows continued lines so.
std::string even(std::string_view text) {
    std::string made;
    for (const char c : text::trim(text)) {
        if (!text::is_blank(c))
            made += c;
        else if (!made.ends_with(' '))
            made += ' ';
    }
    return made;
}

class Postconf : public ::testing::Test {
protected:
    // Compares every parameter that postconf knows, and those that the file makes up.
    void compare(const std::string& main_cf) {
        test::TempDir directory;
        const std::string folder = directory.path();
        std::ofstream(folder + "/main.cf") << main_cf;
        std::ofstream(folder + "/master.cf") << "";
        const auto theirs = run("postconf -c " + folder + " -x");
        ASSERT_EQ(theirs.code, 0);
        const Parameters ours(main_cf, folder + "/main.cf", {hostname(), true});
        std::size_t compared = 0;
        for (const auto& [name, value] : parsed(theirs.text)) {
            if (is_of_the_process(name)) continue;
            EXPECT_EQ(even(ours.value(name)), even(value)) << name << " of\n" << main_cf;
            ++compared;
        }
        EXPECT_GT(compared, 800U);
        for (const Assignment& assignment : ours.assignments()) {
            if (is_of_the_process(assignment.name) || built_in_default(assignment.name)) continue;
            const auto own = run("postconf -c " + folder + " -xh " + assignment.name);
            if (own.code == 0 && !own.text.empty()) {
                EXPECT_EQ(even(ours.value(assignment.name)), even(own.text)) << assignment.name << " of\n"
                                                                             << main_cf;
            }
        }
    }
};

TEST_F(Postconf, AnEmptyFileGivesTheDefaults) {
    compare("");
}

TEST_F(Postconf, TheDefaultsFollowTheCompatibilityLevel) {
    for (const char* level : {"1", "2", "3.6", "3.10"})
        compare(std::string("compatibility_level = ") + level + "\n");
}

TEST_F(Postconf, NamesAndContinuationsAndComments) {
    compare(
        "# a comment\n"
        "myhostname = mail.example.com\n"
        "mydomain=example.com\n"
        "myorigin = $mydomain\n"
        "mynetworks = 127.0.0.0/8,\n"
        "  192.0.2.0/24\n"
        "# in between\n"
        "\n"
        "\t[::1]/128   \n"
        "mydestination = $myhostname, localhost.$mydomain,\n"
        "    localhost,\r\n"
        "    ${mydomain}\n"
        "relayhost =\n"
        "smtpd_banner = $myhostname ESMTP $mail_name (Ubuntu) $$5\n"
        "relayhost = [smtp.example.net]:587\n"
        "smtp_sasl_password_maps = hash:${config_directory}/sasl_passwd, hash:$(config_directory)/more\n"
        "queue_directory = /var/spool/${multi_instance_name:postfix}\n");
}

TEST_F(Postconf, ConditionsAndComparisons) {
    compare(
        "a_value = yes\n"
        "empty =\n"
        "indirect = $empty\n"
        "compatibility_level = 3.6\n"
        "smtpd_timeout = ${stress?10}${stress:300}s\n"
        "relayhost = ${a_value?{[one]}:{[two]}}\n"
        "mydestination = ${empty?{set}:{unset}} ${indirect?{set}:{unset}} ${nowhere?{set}:{unset}}\n"
        "myorigin = ${{$a_value} == {yes} ? {example.com} : {example.org}}\n"
        "mail_name = ${{10} < {9} ? {text} : {number}}\n"
        "smtp_helo_name = ${{a} != {b}?{unequal}:{equal}}\n"
        "lmtp_lhlo_name = ${{$compatibility_level} >=level {3.10} ? {new} : {old}}\n"
        "virtual_minimum_uid = ${{$a_value} == {no} ? {1} : {${empty:{100}}}}\n"
        "recipient_delimiter = ${a_value?+}\n"
        "local_transport = ${a_value?local:$myhostname}\n");
}

TEST_F(Postconf, MydomainComesOfMyhostname) {
    compare("myhostname = kusanagi71\n");
    compare("myhostname = web1.shop.example.com\n");
    compare("mydomain = example.net\n");
    compare("myhostname = mx.$mydomain\nmydomain = example.net\n");
}

TEST(MasterCf, OverridesAreThoseOfPostconf) {
    const std::string text =
        "smtp      inet  n       -       y       -       -       smtpd\n"
        "submission inet n       -       y       -       -       smtpd\n"
        "  -o syslog_name=postfix/submission\n"
        "  -o smtpd_tls_security_level=encrypt\n"
        "# -o smtpd_milters=inet:nowhere\n"
        "  -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }\n"
        "  -osmtpd_tls_auth_only=yes\n"
        "127.0.0.1:10025 inet n - n - - smtpd -v\n"
        "pickup    unix  n       -       y       60      1       pickup\n";
    test::TempDir directory;
    const std::string folder = directory.path();
    std::ofstream(folder + "/main.cf") << "";
    std::ofstream(folder + "/master.cf") << text;
    const MasterCf master = parse_master_cf(text, folder + "/master.cf");
    ASSERT_EQ(master.faults.size(), 0U);
    ASSERT_EQ(master.services.size(), 4U);
    // submission/inet/syslog_name = postfix/submission
    std::map<std::string, std::string> theirs = parsed(run("postconf -c " + folder + " -P").text);
    std::size_t count = 0;
    for (const Service& service : master.services) {
        for (const Assignment& override : service.overrides) {
            if (override.name == "smtpd_tls_auth_only") {  // smtpd's getopt(3) takes it; postconf 3.7 cuts its name
                EXPECT_EQ(override.value, "yes");
                continue;
            }
            EXPECT_EQ(override.value, theirs[service.name + "/" + service.type + "/" + override.name]);
            ++count;
        }
    }
    EXPECT_EQ(count, 3U);
    EXPECT_EQ(master.services[1].overrides[2].origin.line, 6U);
    EXPECT_EQ(master.services[1].port(), 587);
    EXPECT_EQ(master.services[2].port(), 10025);
    EXPECT_EQ(master.services[2].host(), "127.0.0.1");
    EXPECT_EQ(master.services[2].arguments, std::vector<std::string>{"-v"});
}

TEST(PostconfNames, EveryParameterOfTheInstalledPostfixIsKnown) {
    const auto names = parameter_names();
    for (const auto& [name, value] : parsed(run("postconf -d").text)) {
        // Those of the transports that the machine's own master.cf has (smtp_destination_concurrency_limit
        // and so on) are made as needed.
        if (name.find("_destination_") != std::string::npos ||
            name.find("_transport_") != std::string::npos || name.find("_initial_") != std::string::npos)
            continue;
        if (name.ends_with("_time_limit") || name.ends_with("_delivery_slot_cost") ||
            name.find("_delivery_slot_") != std::string::npos)
            continue;
        if (name.ends_with("_minimum_delivery_slots") || name.ends_with("_recipient_limit") ||
            name.ends_with("_recipient_refill_limit") || name.ends_with("_recipient_refill_delay") ||
            name.ends_with("_extra_recipient_limit"))
            continue;
        EXPECT_TRUE(std::binary_search(names.begin(), names.end(), name)) << name;
    }
}

}  // namespace
}  // namespace posthorn::migration
