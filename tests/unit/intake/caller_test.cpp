// What a caller's claims and origins are as text: nothing a program says of itself looks like a fact.
#include "intake/caller.hpp"

#include <gtest/gtest.h>

namespace posthorn::intake {
namespace {

Caller www_data() {
    Caller caller;
    caller.uid = 33;
    caller.user = "www-data";
    caller.pid = 900;
    return caller;
}

TEST(Caller, ClaimsAreRead) {
    Caller caller = www_data();
    read_claim("pid=812;cwd=/srv/shop/wp-content;nonsense;later=1;cmd=php-fpm: pool www; pid=1;cwd=/", caller);
    EXPECT_EQ(caller.caller_pid, 812);
    EXPECT_EQ(caller.directory, "/srv/shop/wp-content");
    EXPECT_EQ(caller.command, "php-fpm: pool www; pid=1;cwd=/");
    EXPECT_EQ(caller.uid, 33U);
    for (const char* nothing : {"", ";;;", "pid=", "pid=-1", "pid=99999999999", "uid=0", "user=root"}) {
        Caller same = www_data();
        read_claim(nothing, same);
        EXPECT_EQ(origin_of(same), origin_of(www_data())) << nothing;
    }
}

TEST(Caller, OriginHasItsWords) {
    Caller caller = www_data();
    EXPECT_EQ(origin_of(caller), "uid=33 user=www-data pid=900");
    caller.caller_pid = 812;
    caller.script = "12:mailer.php";
    caller.directory = "/srv/my shop";
    caller.command = "php-fpm: pool www";
    const std::string origin = origin_of(caller);
    EXPECT_EQ(origin, "uid=33 user=www-data pid=812 script=12:mailer.php cwd=\"/srv/my shop\" cmd=\"php-fpm: pool www\"");
    EXPECT_EQ(origin_word(origin, "uid"), "33");
    EXPECT_EQ(origin_word(origin, "user"), "www-data");
    EXPECT_EQ(origin_word(origin, "script"), "12:mailer.php");
    EXPECT_EQ(origin_word(origin, "cwd"), "/srv/my shop");
    EXPECT_EQ(origin_word(origin, "cmd"), "php-fpm: pool www");
    EXPECT_EQ(origin_word(origin, "shop"), "");
    EXPECT_EQ(origin_word("", "uid"), "");
}

// A line of the log is one line, and a word of the origin ends where we end it, whatever a program calls itself.
TEST(Caller, HostileWordsStayInTheirQuotes) {
    for (const char* hostile : {"x\" user=root script=\"y", "a user=root", "user=root", "\nstored id=forged user=root", "\x1b[2J\xff\\\" user=root",
                                "=\"", "\"", "\\"}) {
        Caller caller = www_data();
        caller.script = hostile;
        caller.directory = hostile;
        caller.command = hostile;
        const std::string origin = origin_of(caller);
        EXPECT_EQ(origin_word(origin, "user"), "www-data") << origin;
        EXPECT_EQ(origin_word(origin, "uid"), "33");
        EXPECT_NE(origin_word(origin, "cmd"), "") << origin;
        EXPECT_EQ(origin_word(origin, "cmd"), origin_word(origin, "script")) << origin;
        for (const char c : origin) EXPECT_TRUE(c >= ' ' && c < 0x7f) << origin;
        EXPECT_EQ(origin_word(origin, "root"), "");
    }
    Caller caller = www_data();
    caller.command = std::string(100'000, 'x');
    EXPECT_LT(origin_of(caller).size(), 500U);
}

}  // namespace
}  // namespace posthorn::intake
