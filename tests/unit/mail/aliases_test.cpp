// aliases(5) as it is written in the wild, and the mistakes made there, with their lines (SM-39, SM-40, SM-41, SM-46, SD-69).
#include "mail/aliases.hpp"

#include <gtest/gtest.h>

namespace posthorn::mail {
namespace {

using Kind = AliasValue::Kind;

std::string shown(const AliasValue& value) {
    static const char* const kNames[] = {"address", "name", "final", "include", "discard", "command", "file"};
    return std::string(kNames[static_cast<int>(value.kind)]) + " " + value.text + " @" + std::to_string(value.line);
}

std::vector<std::string> shown(const std::vector<AliasValue>& values) {
    std::vector<std::string> all;
    for (const AliasValue& value : values) all.push_back(shown(value));
    return all;
}

std::vector<std::string> members(const AliasTable& table, std::string_view name) {
    const Alias* alias = table.find(name);
    return alias ? shown(alias->values) : std::vector<std::string>{"none"};
}

using Strings = std::vector<std::string>;

TEST(AliasesTest, DebiansFileAndAList) {
    const AliasTable table = parse_aliases(
        "# /etc/aliases\n"
        "mailer-daemon: postmaster\n"
        "postmaster: root\n"
        "www-data:\troot\n"
        "root: admin@example.com, Ops <ops@example.net>,bob\n");
    EXPECT_TRUE(table.faults.empty());
    EXPECT_EQ(members(table, "root"), (Strings{"address admin@example.com @5", "address ops@example.net @5", "name bob @5"}));
    EXPECT_EQ(members(table, "www-data"), (Strings{"name root @4"}));
    EXPECT_EQ(members(table, "nobody"), (Strings{"none"}));
    EXPECT_EQ(table.find("root")->line, 5U);
}

TEST(AliasesTest, NamesAreWithoutCaseAndMayBeQuoted) {
    const AliasTable table = parse_aliases("Root : A@Example.COM\n\"Joe Doe\": joe@example.com\n\"a:b\" : c@example.com\n");
    EXPECT_TRUE(table.faults.empty());
    EXPECT_EQ(members(table, "rOOT"), (Strings{"address A@Example.COM @1"}));
    EXPECT_EQ(members(table, "joe doe"), (Strings{"address joe@example.com @2"}));
    EXPECT_EQ(members(table, "a:b"), (Strings{"address c@example.com @3"}));
}

TEST(AliasesTest, LinesContinueOverCommentsAndEmptyLines) {
    const AliasTable table = parse_aliases(
        "team: a@example.com,\r\n"
        "# who left: x@example.com\r\n"
        "\r\n"
        "   # y@example.com\r\n"
        "\tb@example.com\r\n"
        "      , c@example.com   # the boss, since 2020\r\n"
        "  d@example.com(on leave, perhaps),\r\n"
        "next: e@example.com\r\n");
    // Without a comma between them c and d are one member: told, with the line.
    ASSERT_EQ(table.faults.size(), 1U);
    EXPECT_EQ(table.faults[0].line, 6U);
    EXPECT_EQ(members(table, "team"), (Strings{"address a@example.com @1", "address b@example.com @5"}));
    EXPECT_EQ(members(table, "next"), (Strings{"address e@example.com @8"}));
}

TEST(AliasesTest, ANumberSignEndsTheLineOnlyBehindWhiteSpace) {
    const AliasTable table = parse_aliases("a: b#c@example.com # comment, not@example.com\n ,d@example.com #\nf:\"|x # y\"\n");
    EXPECT_TRUE(table.faults.empty());
    EXPECT_EQ(members(table, "a"), (Strings{"address b#c@example.com @1", "address d@example.com @2"}));
    EXPECT_EQ(members(table, "f"), (Strings{"command x # y @3"}));
}

TEST(AliasesTest, EveryKindOfMember) {
    const AliasTable table = parse_aliases(
        "all: user, \\final, \"quoted\", u@[192.0.2.1], \"a b\"@example.com, :include:/etc/mail/list,\n"
        "     :INCLUDE:\"/srv/my list\", \":include:/x\", /dev/null, \"/dev/null\", |/usr/bin/vacation bob, \"|/bin/sh -c 'a, b' \\\"q\\\"\",\n"
        "     /var/mail/bob, \"/var/mail/a b\", |sh (not a comment), \\u@example.com, \"p@example.com\"\n");
    for (const AliasFault& fault : table.faults) ADD_FAILURE() << fault.line << ": " << fault.what;
    EXPECT_EQ(members(table, "all"),
              (Strings{"name user @1", "final final @1", "name quoted @1", "address u@[192.0.2.1] @1",
                       "address \"a b\"@example.com @1", "include /etc/mail/list @1", "include /srv/my list @2", "include /x @2",
                       "discard /dev/null @2", "discard /dev/null @2", "command /usr/bin/vacation bob @2",
                       "command /bin/sh -c 'a, b' \"q\" @2", "file /var/mail/bob @3", "file /var/mail/a b @3",
                       "command sh (not a comment) @3", "address u@example.com @3", "address p@example.com @3"}));
    // SM-41: never run, never written.
    EXPECT_NE(why_refused(Kind::command), "");
    EXPECT_NE(why_refused(Kind::file), "");
    EXPECT_EQ(why_refused(Kind::address), "");
    EXPECT_EQ(why_refused(Kind::discard), "");
}

TEST(AliasesTest, FaultsHaveTheirLineAndCostOnlyThemselves) {
    struct Case {
        const char* text;
        std::uint32_t line;
        const char* says;
    };
    const Case cases[] = {
        {"good: a@example.com\nroot admin@example.com\n", 2, "no colon"},
        {"good: a@example.com\n\n: x@example.com\n", 3, "no name before the colon"},
        {"  lost@example.com\ngood: a@example.com\n", 1, "no alias before it"},
        {"good: a@example.com\nbob@example.com: c@example.com\n", 2, "has a domain"},
        {"good: a@example.com\ntwo words: c@example.com\n", 2, "double quotes"},
        {"good: a@example.com, b@\n", 1, "is no address"},
        {"good: a@example.com,\n @example.com\n", 2, "is no address"},
        {"good: a@example.com,\n b@example..com\n", 2, "is no address"},
        {"good: a@example.com,\n b@exa mple.com\n", 2, "is no address"},
        {"good: a@example.com,\n one two\n", 2, "separated by commas"},
        {"good: a@example.com,\n :include:list\n", 2, "whole path"},
        {"good: a@example.com,\n :fail: no\n", 2, "not known here"},
        {"good: a@example.com,\n \"\"\n", 2, "names nobody"},
        {"good: a@example.com,\n b@example.com>\n", 2, "without its"},
        {"good: a@example.com,\n \\\n", 2, "behind its backslash"},
        {"good: a@example.com,\n \"open, b@example.com\n", 2, "not closed"},
        {"good: a@example.com\n\"open: b@example.com\n", 2, "not closed"},
        {"good: a@example.com\nx: a\001b@example.com\n", 2, "control character"},
        {"good: a@example.com\nempty:\n", 2, "names nobody"},
        {"good: a@example.com\nempty: , # x\n", 2, "names nobody"},
        {"good: a@example.com\nGood: b@example.com\n", 2, "line 1 already"},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.text);
        const AliasTable table = parse_aliases(one.text);
        ASSERT_EQ(table.faults.size(), 1U);
        EXPECT_EQ(table.faults[0].line, one.line);
        EXPECT_NE(table.faults[0].what.find(one.says), std::string::npos) << table.faults[0].what;
        ASSERT_NE(table.find("good"), nullptr);
        ASSERT_EQ(table.find("good")->values.size(), 1U);
        EXPECT_EQ(table.find("good")->values[0].text, "a@example.com");
    }
}

TEST(AliasesTest, AnAliasOfNothingIsStillOneSoThatItsMailIsRefusedAndNotGivenToOthers) {
    const AliasTable table = parse_aliases("closed: |/bin/false, x@\nempty:\n");
    ASSERT_NE(table.find("closed"), nullptr);
    EXPECT_EQ(members(table, "closed"), (Strings{"command /bin/false @1"}));
    ASSERT_NE(table.find("empty"), nullptr);
    EXPECT_TRUE(table.find("empty")->values.empty());
}

TEST(AliasesTest, FaultsAreBoundedAndWhatTheyShowIsSafe) {
    std::string text;
    for (int i = 0; i < 300; ++i) text += "\x1b[31m" + std::string(1000, 'x') + "\n";
    const AliasTable table = parse_aliases(text);
    EXPECT_EQ(table.faults.size(), kMaxAliasFaults);
    EXPECT_EQ(table.more_faults, 200U);
    for (const AliasFault& fault : table.faults) {
        EXPECT_LT(fault.what.size(), 250U);
        EXPECT_EQ(fault.what.find('\x1b'), std::string::npos);
    }
}

TEST(AliasesTest, AByteOrderMarkAndAMissingLineEndDoNoHarm) {
    const AliasTable table = parse_aliases("\xEF\xBB\xBFroot: admin@example.com");
    EXPECT_TRUE(table.faults.empty());
    EXPECT_EQ(members(table, "root"), (Strings{"address admin@example.com @1"}));
    EXPECT_TRUE(parse_aliases("").aliases.empty());
}

// SM-46: .forward and :include: files are lists, each line one of its own.
TEST(AliasesTest, ListsHaveNoNames) {
    const AliasList list = parse_alias_list("# mine\n\\alice, alice@example.net\n  bob@example.com\n\"|vacation alice\"\nbad one\n");
    EXPECT_EQ(shown(list.values), (Strings{"final alice @2", "address alice@example.net @2", "address bob@example.com @3",
                                           "command vacation alice @4"}));
    ASSERT_EQ(list.faults.size(), 1U);
    EXPECT_EQ(list.faults[0].line, 5U);
}

TEST(AliasesTest, CommentsInParenthesesNestAndMayHoldCommas) {
    const AliasList list = parse_alias_list("a@example.com (one, (two), \\) three), b@example.com\n");
    EXPECT_EQ(shown(list.values), (Strings{"address a@example.com @1", "address b@example.com @1"}));
    EXPECT_TRUE(list.faults.empty());
}

}  // namespace
}  // namespace posthorn::mail
