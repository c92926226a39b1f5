// Unsubscribe tokens (LU-7, LU-21, LU-22) and the fields made of them (LU-1 to LU-3, LU-12, LU-24).
#include "auth/unsubscribe.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/base64.hpp"
#include "temporary_folder.hpp"

namespace posthorn::auth {
namespace {

using namespace std::chrono_literals;

const std::string kOne(64, '1'), kTwo(64, '2');
const TimePoint kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 5h;

UnsubscribeTokens tokens(const std::string& keys = kOne) {
    auto result = UnsubscribeTokens::parse(keys, "unsubscribe.key");
    EXPECT_TRUE(result) << result.error().what;
    return *result;
}

StreamOptions stream(std::string url = "https://www.example.com/u/{token}", std::string mailto = "") {
    StreamOptions options;
    options.name = "newsletter";
    options.unsubscribe_url = std::move(url);
    options.unsubscribe_mailto = std::move(mailto);
    return options;
}

TEST(UnsubscribeTokens, SayWhoLeavesWhichListAndWhenItWasSent) {
    const auto all = tokens();
    for (const auto& [name, recipient] : std::vector<std::pair<std::string, std::string>>{
             {"newsletter", "jane.doe@example.com"},
             {"news", "a@b.c"},
             {"n", "ab@cd.e"},
             {"Big News", "Jane+Tag@Example.com"},
             {"a@b", "x@y.z"},
             {"news", "\"odd@local\"@example.com"},
             {"news",
              "j\xc3\xb6rg@b\xc3\xbc"
              "cher.example"},
             {"news", "user@[192.0.2.1]"},
             {"news", "ends-with-at@"},
             {std::string(64, 's'), std::string(64, 'L') + "@" + std::string(189, 'd')}}) {
        const auto token = all.make(name, recipient, kNow);
        EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                  std::string::npos);
        const auto read = all.read(token);
        ASSERT_TRUE(read) << recipient;
        EXPECT_EQ(read->stream, name);
        EXPECT_EQ(read->recipient, recipient);
        EXPECT_EQ(read->issued, std::chrono::sys_days(std::chrono::year(2026) / 11 / 21));
    }
}

TEST(UnsubscribeTokens, FitIntoALocalPartForUsualAddresses) {
    const std::string recipient = "maximiliane.muster@example.com";  // 30 characters
    const auto token = tokens().make("newsletter", recipient, kNow);
    EXPECT_LE(("unsub+" + token).size(), 64U) << token.size();
    EXPECT_EQ(tokens().make("newsletter", std::string(29, 'x') + "@", kNow).size() > 58,
              true);  // this one is not packed
}

TEST(UnsubscribeTokens, DoNotShowTheAddress) {
    const auto octets = *base64url_decode(tokens().make("newsletter", "Jane.Doe@example.com", kNow));
    for (const auto part : {"Jane", "example", "news"}) EXPECT_EQ(octets.find(part), std::string::npos);
    // Another list, recipient or day gives wholly different octets after the first.
    std::set<std::string> seen;
    for (const auto& other : {tokens().make("newsletter", "jane.doe@example.com", kNow),
                              tokens().make("newsletter", "jane.dof@example.com", kNow),
                              tokens().make("newslettes", "jane.doe@example.com", kNow),
                              tokens().make("newsletter", "jane.doe@example.com", kNow + 24h)})
        EXPECT_TRUE(seen.insert(other.substr(2, 8)).second);
    // The same list, recipient and day the same token: a retry sends the same header.
    EXPECT_EQ(tokens().make("a", "b@c.d", kNow), tokens().make("a", "b@c.d", kNow + 3h));
}

TEST(UnsubscribeTokens, CannotBeForged) {
    const auto all = tokens();
    const auto octets = *base64url_decode(all.make("newsletter", "jane.doe@example.com", kNow));
    for (std::size_t i = 0; i < octets.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            auto changed = octets;
            changed[i] = char(changed[i] ^ (1 << bit));
            EXPECT_FALSE(all.read(base64url_encode(changed))) << i << "/" << bit;
        }
        EXPECT_FALSE(all.read(base64url_encode(octets.substr(0, i))));
    }
    EXPECT_FALSE(all.read(base64url_encode(octets + "x")));
    for (const auto text : {"", "A", "====", "not a token", "%00"}) EXPECT_FALSE(all.read(text));
    EXPECT_FALSE(all.read(std::string(100000, 'A')));
    EXPECT_FALSE(tokens(kTwo).read(all.make("newsletter", "jane.doe@example.com", kNow)));
}

TEST(UnsubscribeTokens, OfAnOldKeyAreReadAfterItsRotation) {
    const auto old_token = tokens(kOne).make("news", "a@b.c", kNow);
    const auto rotated = tokens("# since 2026-11\n" + kTwo + "\n\n" + kOne + "\n");
    EXPECT_TRUE(rotated.read(old_token));
    const auto new_token = rotated.make("news", "a@b.c", kNow);
    EXPECT_NE(new_token, old_token);
    EXPECT_TRUE(tokens(kTwo).read(new_token));
    EXPECT_FALSE(tokens(kOne).read(new_token));
}

TEST(UnsubscribeTokens, ReadTheKeyFile) {
    const std::string secret(32, 'k');
    EXPECT_EQ(tokens(hex_encode(secret)).make("a", "b@c.d", kNow),
              tokens(base64_encode(secret) + "\r\n").make("a", "b@c.d", kNow));
    for (const auto& bad : {std::string(""), std::string("# nothing\n"), hex_encode(std::string(31, 'k')),
                            std::string("secret words")})
        EXPECT_FALSE(UnsubscribeTokens::parse(bad, "f")) << bad;
    EXPECT_NE(UnsubscribeTokens::parse("\n\nshort", "/k")
                  .error()
                  .what.find("/k:3: an unsubscribe key is 32 or more"),
              std::string::npos);

    testing::TemporaryFolder folder;
    const auto path = folder.write("key", *UnsubscribeTokens::generate_key(), 0644);
    std::string warning;
    EXPECT_TRUE(UnsubscribeTokens::load(path, &warning));
    EXPECT_NE(warning.find("chmod"), std::string::npos);
    EXPECT_FALSE(UnsubscribeTokens::load(folder.path("none")));
    EXPECT_NE(*UnsubscribeTokens::generate_key(), *UnsubscribeTokens::generate_key());
}

// Computed apart from this code (Python hmac, openssl enc). The format is a promise to whoever reads tokens
// elsewhere (a PHP endpoint): these octets must never change.
TEST(UnsubscribeTokens, KeepTheirFormat) {
    EXPECT_EQ(tokens().make("newsletter", "jane.doe@example.com", kNow),
              "fkr9EsiIEdpM2yuFeJqNIjLLlVC3LVxAgyuA6Ue0XdcgDjg");
    EXPECT_EQ(tokens().make("newsletter", "Jane+1@example.com", kNow),
              "Xr0qNFjJyqlBoI03coNIvVnZqUTxHU24AFIEFR892VCFEmfiSt66Vzqd");
}

TEST(ListUnsubscribe, OneHttpsUri) {  // PR-10, PR-17
    EXPECT_EQ(check_templates(stream()), std::vector<std::string>{});
    EXPECT_EQ(render_list_unsubscribe(stream(), "TOKEN"),
              "List-Unsubscribe: <https://www.example.com/u/TOKEN>\r\n"
              "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
}

TEST(ListUnsubscribe, MailtoStandsSecondOnALineOfItsOwn) {
    EXPECT_EQ(render_list_unsubscribe(
                  stream("https://e.example/?l={list}&t={token}", "unsub+{token}@example.com?subject=stop"),
                  "T-_9"),
              "List-Unsubscribe: <https://e.example/?l=newsletter&t=T-_9>,\r\n"
              " <mailto:unsub+T-_9@example.com?subject=stop>\r\n"
              "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    EXPECT_EQ(
        render_list_unsubscribe(stream("https://e.example/{token}", "mailto:u@example.com?subject={token}"),
                                std::string(200, 'x')),
        "List-Unsubscribe: <https://e.example/" + std::string(200, 'x') +
            ">,\r\n <mailto:u@example.com?subject=" + std::string(200, 'x') +
            ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
}

TEST(ListUnsubscribe, MailtoWithTooLongALocalPartIsLeftOut) {
    const auto options = stream("https://e.example/{token}", "unsub+{token}@example.com");
    EXPECT_NE(render_list_unsubscribe(options, std::string(58, 'x')).find("mailto:"), std::string::npos);
    EXPECT_EQ(render_list_unsubscribe(options, std::string(59, 'x')).find("mailto:"), std::string::npos);
}

TEST(ListUnsubscribe, EncodesTheNameOfTheList) {
    auto options = stream("https://e.example/{list}/{token}");
    options.name = "Big News/1";
    EXPECT_TRUE(render_list_unsubscribe(options, "T")
                    .starts_with("List-Unsubscribe: <https://e.example/Big%20News%2F1/T>\r\n"));
}

TEST(ListUnsubscribe, TheLongestLineIsLegal) {
    const auto options = stream("https://e.example/" + std::string(482, 'p') + "{token}");
    ASSERT_TRUE(check_templates(options).empty());
    const auto token =
        tokens().make(std::string(64, 'S'), std::string(64, 'L') + "@" + std::string(189, 'd'), kNow);
    const auto fields = render_list_unsubscribe(options, token);
    EXPECT_LE(fields.find("\r\n"), 998U);
}

TEST(ListUnsubscribe, SaysWhatIsWrongWithATemplate) {
    const auto wrong = [](const StreamOptions& options) {
        std::string all;
        for (const auto& sentence : check_templates(options)) all += sentence + "\n";
        return all;
    };
    EXPECT_NE(wrong(stream("")).find("must be an https:// address"), std::string::npos);
    EXPECT_NE(wrong(stream("http://e.example/{token}")).find("must be an https:// address"),
              std::string::npos);
    EXPECT_NE(wrong(stream("https:///{token}")).find("must be an https:// address"), std::string::npos);
    EXPECT_NE(wrong(stream("https://e.example/")).find("{token} is missing"), std::string::npos);
    EXPECT_NE(wrong(stream("https://e.example/{token}/{rcpt}")).find("the only variables are"),
              std::string::npos);
    EXPECT_NE(wrong(stream("https://e.example/ {token}")).find("percent-encoded"), std::string::npos);
    EXPECT_NE(wrong(stream("https://e.example/>{token}")).find("percent-encoded"), std::string::npos);
    EXPECT_NE(wrong(stream("https://e.example/{token}" + std::string(500, 'x'))).find("longer than"),
              std::string::npos);
    EXPECT_NE(wrong(stream("https://e.example/{token}", "unsub")).find("must be an address"),
              std::string::npos);
    EXPECT_NE(wrong(stream("https://e.example/{token}", "u@e.example")).find("{token} is missing"),
              std::string::npos);
    EXPECT_EQ(wrong(stream("https://e.example/{token}", "u@e.example?subject={token}")), "");
}

}  // namespace
}  // namespace posthorn::auth
