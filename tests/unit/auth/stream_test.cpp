// Which messages are list mail, which never are, and which are refused.
#include "auth/stream.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace posthorn::auth {
namespace {

const std::vector<StreamOptions>& streams() {
    static const std::vector<StreamOptions> all = [] {
        StreamOptions news, shop, bulk;
        news.name = "newsletter";
        news.users = {"mailpoet"};
        news.from = {"@news.example.com"};
        news.list_ids = {"news.example.com"};
        shop.name = "shop";
        shop.from = {"offers@news.example.com", "offers@example.com"};
        bulk.name = "bulk";
        bulk.precedence_bulk = true;
        return std::vector{news, shop, bulk};
    }();
    return all;
}

const std::string kPlain = "From: joe@example.com\r\nSubject: hello\r\n";

struct Case {
    std::string user, from, header = kPlain;
    bool null_sender = false;
};

std::string chosen(const Case& c) {
    const auto choice = choose_stream(streams(), {c.user, c.from, c.header, c.null_sender});
    if (!choice.refusal.empty()) return "refused: " + choice.refusal;
    return choice.stream != nullptr ? choice.stream->name : "";
}

TEST(Stream, IsNeverChosenByDefault) {
    EXPECT_EQ(chosen({}), "");
    EXPECT_EQ(chosen({"joe", "joe@example.com"}), "");
    EXPECT_EQ(choose_stream({}, {"mailpoet", "a@news.example.com", kPlain, false}).stream, nullptr);
}

TEST(Stream, IsChosenByTheApplication) {
    EXPECT_EQ(chosen({"", "", kPlain + "X-Posthorn-Stream: newsletter\r\n"}), "newsletter");
    EXPECT_EQ(chosen({"", "", kPlain + "x-posthorn-stream:\r\n  Shop \r\n"}), "shop");
    // before the user's
    EXPECT_EQ(chosen({"mailpoet", "", kPlain + "X-Posthorn-Stream: shop\r\n"}), "shop");
    EXPECT_EQ(chosen({"mailpoet", "", kPlain + "X-Posthorn-Stream: none\r\n"}), "");
}

TEST(Stream, OfAnUnknownNameIsRefused) {
    EXPECT_EQ(chosen({"", "", kPlain + "X-Posthorn-Stream: news\r\n"}),
              "refused: X-Posthorn-Stream names the stream \"news\", which is not configured (known: "
              "newsletter shop bulk)");
    EXPECT_EQ(choose_stream({}, {"", "", "X-Posthorn-Stream: a\r\n", false}).refusal,
              "X-Posthorn-Stream names the stream \"a\", which is not configured (no stream is configured)");
    EXPECT_TRUE(
        chosen({"", "", "X-Posthorn-Stream: shop\r\nX-Posthorn-Stream: shop\r\n"}).starts_with("refused: "));
    EXPECT_TRUE(chosen({"", "", "X-Posthorn-Stream: \r\n"}).starts_with("refused: "));
}

TEST(Stream, IsChosenByUser) {
    EXPECT_EQ(chosen({"mailpoet", "joe@example.com"}), "newsletter");
    EXPECT_EQ(chosen({"MailPoet", "joe@example.com"}), "");
    EXPECT_EQ(chosen({"mailpoet", "offers@example.com"}), "newsletter");  // the user before the address
}

TEST(Stream, IsChosenByFromAddressBeforeItsDomain) {
    EXPECT_EQ(chosen({"", "Offers@Example.com"}), "shop");
    EXPECT_EQ(chosen({"", "offers@news.example.com"}), "shop");
    EXPECT_EQ(chosen({"", "anything@NEWS.example.com"}), "newsletter");
    EXPECT_EQ(chosen({"", "a@sub.news.example.com"}), "");
    EXPECT_EQ(chosen({"", "a@badnews.example.com"}), "");
    EXPECT_EQ(chosen({"", "offers"}), "");
}

TEST(Stream, IsChosenByListIdThenPrecedence) {
    EXPECT_EQ(chosen({"", "", kPlain + "List-Id: \"The <news>\" <News.example.com>\r\n"}), "newsletter");
    EXPECT_EQ(chosen({"", "", kPlain + "List-Id: news.example.com\r\nPrecedence: bulk\r\n"}), "newsletter");
    EXPECT_EQ(chosen({"", "", kPlain + "List-Id: <other.example.com>\r\n"}), "");
    for (const auto value : {"bulk", " Bulk ", "list"})
        EXPECT_EQ(chosen({"", "", kPlain + "Precedence:" + value + "\r\n"}), "bulk") << value;
    for (const auto value : {"junk", "first-class", "", "bulky"})
        EXPECT_EQ(chosen({"", "", kPlain + "Precedence: " + value + "\r\n"}), "") << value;
}

TEST(Stream, IsNeverForWhatAMachineAnswers) {
    const auto explicit_stream = kPlain + "X-Posthorn-Stream: newsletter\r\n";
    EXPECT_EQ(chosen({"mailpoet", "", explicit_stream, true}), "");
    EXPECT_EQ(chosen({"mailpoet", "", explicit_stream + "Auto-Submitted: auto-generated\r\n"}), "");
    EXPECT_EQ(
        chosen({"mailpoet", "", explicit_stream + "Auto-Submitted: auto-replied; owner-email=\"a@b\"\r\n"}),
        "");
    EXPECT_EQ(chosen({"mailpoet", "", explicit_stream + "Auto-Submitted: No (really)\r\n"}), "newsletter");
    EXPECT_EQ(
        chosen({"mailpoet", "", explicit_stream + "Content-Type: multipart/report;\r\n report-type=x\r\n"}),
        "");
    EXPECT_EQ(chosen({"mailpoet", "", explicit_stream + "Content-Type: multipart/mixed; boundary=x\r\n"}),
              "newsletter");
}

TEST(Stream, LeavesTheApplicationsOwnUnsubscribeAlone) {  // LU-19
    const auto own = kPlain + "List-Unsubscribe: <https://example.com/u>\r\n";
    EXPECT_EQ(chosen({"mailpoet", "", own}), "");
    EXPECT_EQ(chosen({"mailpoet", "", own + "X-Posthorn-Stream: newsletter\r\n"}), "");
    EXPECT_EQ(chosen({"", "", own + own}),
              "refused: the message has more than one List-Unsubscribe field (RFC 2369, RFC 8058)");
    const std::string post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    EXPECT_TRUE(chosen({"", "", own + post + post}).starts_with("refused: "));
    EXPECT_EQ(chosen({"", "", own + post}), "");
}

}  // namespace
}  // namespace posthorn::auth
