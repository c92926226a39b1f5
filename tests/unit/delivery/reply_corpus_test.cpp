// tests/fixtures/replies.txt: every reply with its class, whom it concerns and what is done, through the
// parser of replies.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"
#include "toml/units.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::ReplyParser;
using smtp::protocol::Stage;

struct Block {
    std::size_t line = 0;  // of the file
    std::string head;      // without "> "
    std::string reply;     // with CRLF
};

std::vector<Block> read_corpus() {
    std::ifstream file(POSTHORN_SOURCE_DIR "/tests/fixtures/replies.txt");
    std::vector<Block> blocks;
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (line.starts_with("> "))
            blocks.push_back({number, line.substr(2), {}});
        else if (!line.empty() && text::is_digit(line[0]) && !blocks.empty())
            blocks.back().reply += line + "\r\n";
    }
    return blocks;
}

// Octet by octet, as a slow network would bring it.
Reply parsed(const std::string& wire) {
    ReplyParser parser;
    for (std::size_t i = 0; i < wire.size(); ++i) {
        std::string_view in = std::string_view(wire).substr(i, 1);
        const auto status = parser.feed(in);
        EXPECT_EQ(status, i + 1 == wire.size() ? ReplyParser::Status::reply : ReplyParser::Status::need_more)
            << wire;
        if (status != ReplyParser::Status::need_more) break;
    }
    return parser.take();
}

std::string list(const std::vector<std::string_view>& words) {
    std::string out;
    for (const std::string_view word : words) out += (out.empty() ? "" : ",") + std::string(word);
    return out;
}

std::string shown(const Judgement& judgement) {
    std::ostringstream out;
    out << to_string(judgement.failure_class) << ' ' << to_string(judgement.result);
    if (!judgement.causes.empty())
        out << " causes=" << list(judgement.causes.words()) << (judgement.causes.all_needed ? "(all)" : "");
    if (!judgement.whose.empty()) out << " whose=" << list(judgement.whose.words());
    if (judgement.wait) out << " wait=" << toml::format_duration(*judgement.wait);
    if (judgement.pause) out << " pause=" << toml::format_duration(*judgement.pause);
    if (judgement.pause_max) out << " up-to=" << toml::format_duration(*judgement.pause_max);
    if (judgement.connections != 0) out << " connections=" << judgement.connections;
    if (judgement.messages_per_connection != 0) out << " messages=" << judgement.messages_per_connection;
    if (judgement.rate)
        out << " rate=" << judgement.rate->count << '/' << toml::format_duration(judgement.rate->per);
    if (judgement.expires_after) out << " expires=" << toml::format_duration(*judgement.expires_after);
    if (judgement.suppress_after != 0) out << " suppress=" << judgement.suppress_after;
    std::vector<std::string_view> actions;
    const auto act = [&](bool done, std::string_view word) {
        if (done) actions.push_back(word);
    };
    act(judgement.ipv4_instead, "ipv4-instead");
    act(judgement.force_tls, "force-tls");
    act(judgement.next_mx, "next-mx");
    act(judgement.without_extension, "without-extension");
    act(judgement.reconnect, "reconnect");
    act(judgement.hold_all, "hold-all");
    act(judgement.alert, "alert");
    act(judgement.until_resumed, "until-resumed");
    if (!actions.empty()) out << " do=" << list(actions);
    if (!judgement.domain.empty()) out << " domain=" << judgement.domain;
    if (!judgement.ip.empty()) out << " ip=" << judgement.ip;
    return out.str();
}

Stage stage_of(std::string_view word) {
    for (auto stage = Stage::greeting; stage <= Stage::rset;
         stage = static_cast<Stage>(static_cast<int>(stage) + 1))
        if (stage_word(stage) == word) return stage;
    ADD_FAILURE() << word;
    return Stage::rset;
}

// PR-12, PR-22, PR-25, PR-28, PR-34, PR-35, PR-36, PR-38, PR-39, PR-44, PR-49, PR-52; the tables of 2.5.
TEST(ReplyCorpus, EachReplyMeansWhatItMust) {
    const std::vector<Block> blocks = read_corpus();
    ASSERT_GT(blocks.size(), 300U);
    for (const Block& block : blocks) {
        SCOPED_TRACE("tests/fixtures/replies.txt:" + std::to_string(block.line));
        const auto colon = block.head.find(": ");
        ASSERT_NE(colon, std::string::npos);
        const auto words = text::split(std::string_view(block.head).substr(0, colon), ' ');
        ASSERT_GE(words.size(), 2U);
        const auto has = [&](std::string_view word) {
            return std::find(words.begin() + 2, words.end(), word) != words.end();
        };
        const Reply reply = parsed(block.reply);
        ReplyFacts facts(stage_of(words[1]), reply);
        if (words[0] != "anybody") facts.provider = words[0];
        EXPECT_EQ(facts.provider.empty(), ProviderRules::built_in()->provider(facts.provider) == nullptr);
        facts.attempts = has("first") ? 0 : 1000;
        facts.accepted_before = has("after-accepted") ? 1 : 0;
        facts.tls = !has("clear");
        facts.strict_5xx = has("strict");
        facts.last_host = !has("not-last");
        facts.ours = [foreign = has("foreign")](std::string_view) { return !foreign; };
        EXPECT_EQ(shown(classify(facts, *ProviderRules::built_in())), block.head.substr(colon + 2))
            << block.reply;
    }
}

}  // namespace
}  // namespace posthorn::delivery
