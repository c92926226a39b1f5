// Who may what over TCP and by a web server over the socket: tokens, sessions, hosts, pages of other sites. No socket here.
#include "admin/access.hpp"

#include <gtest/gtest.h>

#include "admin/options.hpp"

namespace posthorn::admin {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr SteadyTime kStart{hours(1000)};
const std::string kToken = "the token of those who may all", kReadOnly = "the token of those who look";

AccessRules rules() {
    AccessRules made;
    made.hostname = "mail.example.com";
    made.token = kToken;
    made.read_only_token = kReadOnly;
    return made;
}

Request by_tcp(std::map<std::string, std::string> fields, const std::string& method = "GET") {
    Request request;
    request.method = method;
    request.fields = std::move(fields);
    request.fields.try_emplace("host", "localhost:2580");
    request.by_socket = false;
    return request;
}

Request by_socket(std::map<std::string, std::string> fields) {
    Request request = by_tcp(std::move(fields));
    request.by_socket = true;
    request.visitor = {0, Rights::all};
    return request;
}

Rights rights_of(Access& access, const Request& request, SteadyTime now = kStart) {
    const Judgement judged = access.judge(request, now);
    EXPECT_FALSE(judged.refusal && judged.visitor.rights != Rights::none);
    return judged.visitor.rights;
}

std::string log_in(Access& access, const std::string& token, SteadyTime now = kStart) {
    const auto cookie = access.log_in(token, by_tcp({}), now);
    EXPECT_TRUE(cookie);
    return cookie->substr(0, cookie->find(';'));
}

TEST(Access, TokensGiveTheirRights) {
    Access access(rules());
    EXPECT_EQ(rights_of(access, by_tcp({{"authorization", "Bearer " + kToken}})), Rights::all);
    EXPECT_EQ(rights_of(access, by_tcp({{"authorization", "bearer  " + kReadOnly + " "}})), Rights::read);
    EXPECT_EQ(rights_of(access, by_tcp({})), Rights::none);
    EXPECT_FALSE(access.judge(by_tcp({}), kStart).refusal);   // he may log in
    for (const char* wrong : {"Bearer", "Bearer ", "Bearer x", "Basic eDp5", "", "Bearer the token of those who may al"}) {
        const Judgement judged = access.judge(by_tcp({{"authorization", wrong}}), kStart);
        ASSERT_TRUE(judged.refusal) << wrong;
        EXPECT_EQ(judged.refusal->status, 401U);
        EXPECT_GT(judged.refusal->delay, Duration::zero());
    }
    EXPECT_EQ(access.wrong_tokens(), 6U);
}

TEST(Access, NoTokenIsNobodysToken) {   // an empty one opens nothing where none is set
    Access access(AccessRules{});
    EXPECT_EQ(access.rights_of(""), Rights::none);
    EXPECT_EQ(rights_of(access, by_tcp({{"authorization", "Bearer "}})), Rights::none);
}

TEST(Access, ReadOnlyBindsEveryToken) {
    AccessRules only = rules();
    only.read_only = true;
    Access access(only);
    EXPECT_EQ(rights_of(access, by_tcp({{"authorization", "Bearer " + kToken}})), Rights::read);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", log_in(access, kToken)}})), Rights::read);
    EXPECT_EQ(rights_of(access, by_socket({{"host", "posthorn"}})), Rights::all);   // the command line
}

TEST(Access, SessionsEnd) {
    Access access(rules());
    const std::string all = log_in(access, kToken), read = log_in(access, kReadOnly);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", all}})), Rights::all);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", read}})), Rights::read);
    // By silence, counted from the last request.
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", all}}), kStart + hours(11)), Rights::all);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", all}}), kStart + hours(22)), Rights::all);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", read}}), kStart + hours(12)), Rights::none);
    // In any case after a week.
    SteadyTime now = kStart + hours(22);
    while (now < kStart + BrowserSessions::kWhole - hours(11)) {
        now += hours(10);
        EXPECT_EQ(rights_of(access, by_tcp({{"cookie", all}}), now), Rights::all);
    }
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", all}}), kStart + BrowserSessions::kWhole), Rights::none);
    // And at logging out, its streams with it.
    const std::string last = log_in(access, kToken);
    const Judgement judged = access.judge(by_tcp({{"cookie", last}}), kStart);
    EXPECT_TRUE(access.holds(judged.credential, kStart + hours(11)));
    EXPECT_FALSE(access.holds(judged.credential, kStart + hours(12)));
    EXPECT_NE(access.log_out(by_tcp({{"cookie", last}})).find("Max-Age=0"), std::string::npos);
    EXPECT_FALSE(access.holds(judged.credential, kStart));
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", last}})), Rights::none);
}

TEST(Access, SessionsAreBounded) {
    Access access(rules());
    const std::string first = log_in(access, kToken), second = log_in(access, kToken, kStart + minutes(1));
    for (std::size_t i = 2; i < BrowserSessions::kMost; ++i) log_in(access, kToken, kStart + minutes(2));
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", first}}), kStart + minutes(3)), Rights::all);
    log_in(access, kToken, kStart + minutes(4));
    EXPECT_EQ(access.sessions(), BrowserSessions::kMost);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", first}}), kStart + minutes(5)), Rights::all);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", second}}), kStart + minutes(5)), Rights::none);   // it was silent longest
}

TEST(Access, AnotherTokenEndsWhatTheOldOneBegan) {
    Access access(rules());
    const std::string all = log_in(access, kToken), read = log_in(access, kReadOnly);
    const Credential old = access.judge(by_tcp({{"authorization", "Bearer " + kToken}}), kStart).credential;
    AccessRules changed = rules();
    changed.token = "another token for those who may";
    access.use(changed);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", all}})), Rights::none);
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", read}})), Rights::read);
    EXPECT_FALSE(access.holds(old, kStart));
    access.use(changed);   // the same once more changes nothing
    EXPECT_EQ(rights_of(access, by_tcp({{"cookie", read}})), Rights::read);
}

TEST(Access, OnlyOurHostsAreAnswered) {
    AccessRules made = rules();
    made.names = {"admin.example.net"};
    Access access(made);
    const auto status = [&](const std::string& host) {
        const Judgement judged = access.judge(by_tcp({{"host", host}, {"authorization", "Bearer " + kToken}}), kStart);
        return judged.refusal ? judged.refusal->status : 200U;
    };
    for (const char* ours : {"localhost", "LocalHost:1", "127.0.0.1:2580", "[::1]", "[2001:db8::1]:80", "198.51.100.7", "MAIL.example.com",
                             "admin.example.net:443"})
        EXPECT_EQ(status(ours), 200U) << ours;
    for (const char* other : {"", "evil.test", "localhost.evil.test", "xlocalhost", "mail.example.com.evil.test", "127.0.0.1.evil.test",
                              "[::1", "localhost, evil.test", "posthorn"})
        EXPECT_EQ(status(other), 421U) << other;
}

TEST(Access, WhoComesThroughAWebServerIsNotTheWebServer) {
    Access access(rules());
    EXPECT_EQ(rights_of(access, by_socket({})), Rights::all);
    EXPECT_EQ(rights_of(access, by_socket({{"host", "posthorn"}})), Rights::all);
    for (const char* sign : {"origin", "sec-fetch-site", "cookie", "x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-proto"})
        EXPECT_EQ(rights_of(access, by_socket({{sign, "x"}})), Rights::none) << sign;
    EXPECT_EQ(rights_of(access, by_socket({{"x-forwarded-for", "192.0.2.1"}, {"authorization", "Bearer " + kReadOnly}})), Rights::read);
    EXPECT_EQ(access.judge(by_socket({{"host", "evil.test"}}), kStart).refusal->status, 421U);
    // A token decides, also where the uid would give more.
    EXPECT_EQ(rights_of(access, by_socket({{"host", "posthorn"}, {"authorization", "Bearer " + kReadOnly}})), Rights::read);
    EXPECT_TRUE(access.judge(by_socket({{"authorization", "Bearer x"}}), kStart).refusal);
}

TEST(Access, ChangesComeFromOurOwnPage) {
    AccessRules made = rules();
    made.names = {"admin.example.net"};
    Access access(made);
    const std::string cookie = log_in(access, kToken);
    const auto status = [&](std::map<std::string, std::string> fields) {
        fields["cookie"] = cookie;
        const Judgement judged = access.judge(by_tcp(std::move(fields), "POST"), kStart);
        EXPECT_EQ(judged.visitor.rights, judged.refusal ? Rights::none : Rights::all);
        return judged.refusal ? judged.refusal->status : 200U;
    };
    const std::pair<std::string, std::string> ours{"x-posthorn-request", "1"};
    EXPECT_EQ(status({ours, {"sec-fetch-site", "same-origin"}}), 200U);
    EXPECT_EQ(status({ours, {"origin", "http://localhost:2580"}}), 200U);
    EXPECT_EQ(status({ours, {"origin", "https://admin.example.net"}}), 200U);   // behind a web server that says another Host
    EXPECT_EQ(status({ours, {"sec-fetch-site", "same-origin"}, {"origin", "https://elsewhere.test"}}), 200U);   // the browser's own word goes first
    EXPECT_EQ(status({}), 403U);
    EXPECT_EQ(status({ours}), 403U);
    EXPECT_EQ(status({{"sec-fetch-site", "same-origin"}}), 403U);
    EXPECT_EQ(status({ours, {"sec-fetch-site", "same-site"}}), 403U);
    EXPECT_EQ(status({ours, {"sec-fetch-site", "cross-site"}, {"origin", "http://localhost:2580"}}), 403U);
    EXPECT_EQ(status({ours, {"sec-fetch-site", "same-origin, cross-site"}}), 403U);
    EXPECT_EQ(status({ours, {"origin", "null"}}), 403U);
    EXPECT_EQ(status({ours, {"origin", "http://localhost:8080"}}), 403U);       // another program of this machine
    EXPECT_EQ(status({ours, {"origin", "http://evil.test"}}), 403U);
    // A program's token is no cookie: no page can send it.
    EXPECT_EQ(rights_of(access, by_tcp({{"authorization", "Bearer " + kToken}}, "DELETE")), Rights::all);
    EXPECT_EQ(access.foreign_requests(), 9U);
}

TEST(Access, TheCookieIsSecureWhereThePageIs) {
    Access access(rules());
    Request request = by_tcp({{"x-forwarded-proto", "https"}});
    EXPECT_NE(access.log_in(kToken, request, kStart)->find("; Secure"), std::string::npos);
    request.near = false;   // whoever says so from elsewhere
    EXPECT_EQ(access.log_in(kToken, request, kStart)->find("; Secure"), std::string::npos);
    const std::string cookie = *access.log_in(kToken, by_tcp({}), kStart);
    EXPECT_NE(cookie.find("; HttpOnly; SameSite=Strict; "), std::string::npos);
    EXPECT_EQ(cookie.find("; Secure"), std::string::npos);
}

TEST(Access, CookiesAreFoundAmongOthers) {
    EXPECT_EQ(cookie_of("a=1; posthorn_session=x ;b=2", "posthorn_session"), "x");
    EXPECT_EQ(cookie_of("xposthorn_session=x", "posthorn_session"), "");
    EXPECT_EQ(cookie_of("posthorn_session", "posthorn_session"), "");
    EXPECT_EQ(cookie_of("", "a"), "");
}

}  // namespace
}  // namespace posthorn::admin
