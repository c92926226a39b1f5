// Tests of app/sendmail/control.hpp: the requests of mailq and -q, and what the daemon's answers mean (SM-6, SM-8, SM-9).
#include "app/sendmail/control.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/sysexits.hpp"

namespace posthorn::app::sendmail {
namespace {

std::string first_line(std::vector<std::string_view> arguments) {
    const std::string request = request_of(plan_of("sendmail", arguments));
    EXPECT_TRUE(request.ends_with("\r\n\r\n"));
    return request.substr(0, request.find('\r'));
}

TEST(SendmailControl, Requests) {
    EXPECT_EQ(first_line({"-bp"}), "GET /mailq HTTP/1.0");
    EXPECT_EQ(first_line({"-q"}), "POST /mailq/flush HTTP/1.0");
    EXPECT_EQ(first_line({"-qIa b&c"}), "POST /mailq/flush?id=a%20b%26c HTTP/1.0");
    EXPECT_EQ(first_line({"-qRexample.com"}), "POST /mailq/flush?site=example.com HTTP/1.0");
}

TEST(SendmailControl, Answers) {
    const std::string answer = "HTTP/1.1 403 Forbidden\r\nServer: x\r\n\r\nnot yours\n";
    const std::size_t end = answer.find("not yours");
    for (std::size_t length = 0; length < end; ++length) EXPECT_FALSE(read_http_head(answer.substr(0, length))) << length;
    EXPECT_EQ(read_http_head(answer)->status, 403);
    EXPECT_EQ(read_http_head(answer)->length, end);
    EXPECT_EQ(read_http_head("220 mx ESMTP\r\n")->status, 0);
    EXPECT_EQ(read_http_head("HTTP/1.1 " + std::string(20000, 'x'))->status, 0);
    EXPECT_EQ(read_http_head("HTTP/1.1\r\n\r\n")->status, 0);
    EXPECT_EQ(exit_code_of_status(200), exit_code::kOk);
    EXPECT_EQ(exit_code_of_status(403), exit_code::kNoPermission);
    EXPECT_EQ(exit_code_of_status(503), exit_code::kTempFail);
    EXPECT_EQ(exit_code_of_status(404), exit_code::kUnavailable);
    EXPECT_TRUE(is_whole_list("-- 3 Kbytes in 1 Request."));
    EXPECT_TRUE(is_whole_list("Mail queue is empty"));
    EXPECT_FALSE(is_whole_list("    a@b"));
    EXPECT_FALSE(is_whole_list(""));
}

TEST(SendmailControl, AliasesAreChecked) {
    const std::string path = testing::TempDir() + "sendmail_aliases_" + std::to_string(::getpid());
    std::ofstream(path) << "root: admin@example.com\nlist: |/bin/program\n: nobody\n";
    std::string words;
    EXPECT_EQ(check_aliases(path, words), exit_code::kOk);
    EXPECT_NE(words.find(path + ":2: |/bin/program is refused: "), std::string::npos) << words;
    EXPECT_NE(words.find(path + ":3: "), std::string::npos) << words;
    std::remove(path.c_str());
    words.clear();
    EXPECT_EQ(check_aliases(path, words), exit_code::kOk);  // Debian Policy 11.6: newaliases is there and does no harm
    EXPECT_NE(words.find("No such file"), std::string::npos) << words;
}

}  // namespace
}  // namespace posthorn::app::sendmail
