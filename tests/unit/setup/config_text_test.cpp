// Changes of posthorn.toml by example: what is put in goes where a person would put it, and nothing else
// moves.
#include "setup/config_text.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "config/config.hpp"

namespace posthorn::setup {
namespace {

ConfigText parsed(std::string text) {
    return ConfigText::parse(std::move(text), "posthorn.toml").value();
}

NewDomain example(std::string name) {
    NewDomain domain;
    domain.keys = {{"m1", "keys/" + name + "/m1.pem"}};
    domain.name = std::move(name);
    return domain;
}

constexpr const char* kTwoDomains = R"(# Our mailer. Ask Ann before you change this.
hostname = "mail.example.com"   # as the PTR record says

[[listener]]
address = "127.0.0.1:25"

# the shop
[[domain]]
name = "example.com"
dkim = [{ selector = "m1", key_file = "keys/example.com/m1.pem" }]  # 2048 bits
#unsigned_policy = "hold"

# the blog
[[domain]]
name = "Example.ORG"
dkim = [
  { selector = "m1", key_file = "a.pem" },
]

[local]
users_to = ["ann@example.com"]
)";

TEST(ConfigText, IsNotToml) {
    const auto text = ConfigText::parse("hostname = mail", "a.toml");
    ASSERT_FALSE(text);
    EXPECT_TRUE(text.error().what.starts_with("a.toml:1:1")) << text.error().what;
}

TEST(ConfigText, ListsDomainsInSmallLetters) {
    EXPECT_EQ(parsed(kTwoDomains).domains(), (std::vector<std::string>{"example.com", "example.org"}));
    EXPECT_TRUE(parsed("hostname = 'x'\n").domains().empty());
}

TEST(ConfigText, ADomainComesAfterTheLastOne) {
    ConfigText text = parsed(kTwoDomains);
    ASSERT_TRUE(text.add_domain(example("example.net")).value());
    const std::string before = kTwoDomains;
    const auto at = before.find("[local]");
    EXPECT_EQ(text.text(), before.substr(0, at) +
                               "[[domain]]\nname = \"example.net\"\n"
                               "dkim = [{ selector = \"m1\", key_file = \"keys/example.net/m1.pem\" }]\n\n" +
                               before.substr(at));
}

TEST(ConfigText, ADomainThatIsThereStaysAsItIs) {  // SD-50: idempotent
    ConfigText text = parsed(kTwoDomains);
    EXPECT_FALSE(text.add_domain(example("EXAMPLE.org")).value());
    EXPECT_EQ(text.text(), kTwoDomains);
}

TEST(ConfigText, TheFirstDomainGoesToTheEnd) {
    ConfigText text = parsed("hostname = \"a.example\"\n[log]\nlevel = \"info\" # no line end");
    NewDomain managed = example("example.net");
    managed.keys.clear();
    managed.key_directory = "keys/example.net";
    ASSERT_TRUE(text.add_domain(managed).value());
    EXPECT_EQ(text.text(),
              "hostname = \"a.example\"\n[log]\nlevel = \"info\" # no line end\n\n[[domain]]\nname = "
              "\"example.net\"\n"
              "key_directory = \"keys/example.net\"\n");
}

TEST(ConfigText, ARemovedDomainTakesItsParagraphAlong) {
    ConfigText text = parsed(kTwoDomains);
    ASSERT_TRUE(text.remove_domain("example.com").value());
    EXPECT_EQ(text.removed(),
              "[[domain]]\nname = \"example.com\"\ndkim = [{ selector = \"m1\", key_file = "
              "\"keys/example.com/m1.pem\" }]  # 2048 "
              "bits\n#unsigned_policy = \"hold\"\n");
    const std::string before = kTwoDomains;
    const auto from = before.find("[[domain]]");
    EXPECT_EQ(text.text(), before.substr(0, from) + before.substr(from + text.removed().size()));
    EXPECT_FALSE(text.remove_domain("example.com").value());
}

TEST(ConfigText, TheLastDomainLeavesNoHeadingBehind) {
    ConfigText text = parsed("hostname = \"a.example\"\n\n[[domain]]\nname = \"a.example\"\n");
    ASSERT_TRUE(text.remove_domain("A.example").value());
    EXPECT_EQ(text.text(), "hostname = \"a.example\"\n");
}

TEST(ConfigText, CommentsAboveTheNextHeadingAreThatHeadings) {
    ConfigText text =
        parsed("[[domain]]\nname = \"a.example\"\n# about b\n[[domain]]\nname = \"b.example\"\n");
    ASSERT_TRUE(text.remove_domain("a.example").value());
    EXPECT_EQ(text.text(), "# about b\n[[domain]]\nname = \"b.example\"\n");
}

TEST(ConfigText, ACommentedOutDomainBelowStays) {
    const std::string below = "# not yet:\n#[[domain]]\n#name = \"b.example\"\n";
    ConfigText text = parsed("hostname = \"mail.a.example\"\n\n[[domain]]\nname = \"a.example\"\n" + below);
    ASSERT_TRUE(text.remove_domain("a.example").value());
    EXPECT_EQ(text.removed(), "[[domain]]\nname = \"a.example\"\n");
    EXPECT_EQ(text.text(), "hostname = \"mail.a.example\"\n\n" + below);
}

TEST(ConfigText, DomainsInOneLineAreLeftToTheOperator) {
    const std::string before =
        "hostname = \"a.example\"\ndomain = [{ name = \"a.example\" }, { name = \"b.example\" }]\n";
    ConfigText text = parsed(before);
    const auto added = text.add_domain(example("c.example"));
    ASSERT_FALSE(added);
    EXPECT_NE(added.error().what.find("[[domain]]\nname = \"c.example\"\n"), std::string::npos)
        << added.error().what;
    const auto removed = text.remove_domain("a.example");
    ASSERT_FALSE(removed);
    EXPECT_NE(removed.error().what.find("take the [[domain]] of a.example out yourself"), std::string::npos);
    EXPECT_EQ(text.text(), before);
    EXPECT_EQ(text.removed(), "");
}

// A sub-table far below its domain: the lines between are not the domain's.
TEST(ConfigText, NothingElseGoesWithADomain) {
    const std::string before =
        "[[domain]]\nname = \"a.example\"\n[log]\nlevel = \"info\"\n[domain.more]\nx = 1\n";
    ConfigText text = parsed(before);
    EXPECT_FALSE(text.remove_domain("a.example"));
    EXPECT_EQ(text.text(), before);
}

TEST(ConfigText, AValueIsReplacedInItsPlace) {
    ConfigText text = parsed(kTwoDomains);
    ASSERT_TRUE(text.set_value("hostname", "\"mx.example.com\"").value());
    std::string expected = kTwoDomains;
    expected.replace(expected.find("mail.example.com"), 4, "mx");
    EXPECT_EQ(text.text(), expected);
    EXPECT_FALSE(text.set_value("hostname", "'mx.example.com'").value());
    EXPECT_EQ(text.text(), expected);
    ASSERT_TRUE(text.set_value("local.users_to", "[\"b@example.com\", \"c@example.com\"]").value());
    EXPECT_NE(text.text().find("users_to = [\"b@example.com\", \"c@example.com\"]\n"), std::string::npos);
}

TEST(ConfigText, PlacesAreCountedInCodePoints) {
    ConfigText text = parsed("a = { \"\u00e4\u00f6\" = 1, b = \"\u00fc\" } # \u20ac\r\n");
    ASSERT_TRUE(text.set_value("a.b", "2").value());
    EXPECT_EQ(text.text(), "a = { \"\u00e4\u00f6\" = 1, b = 2 } # \u20ac\r\n");
    ConfigText marked = parsed("\xEF\xBB\xBFhostname = 'a'\n");
    ASSERT_TRUE(marked.set_value("hostname", "'b'").value());
    EXPECT_EQ(marked.text(), "\xEF\xBB\xBFhostname = 'b'\n");
}

TEST(ConfigText, AMissingValueGoesBelowItsCommentedDefault) {
    ConfigText text = parsed(
        "hostname = \"a.example\"\n#postmaster = \"\"\n\n[tls]\n# The chain.\n#certificate_file = "
        "\"\"\n\n#key_file = \"\"\n[log]\n");
    ASSERT_TRUE(text.set_value("postmaster", "\"p@a.example\"").value());
    ASSERT_TRUE(text.set_value("tls.certificate_file", "\"c.pem\"").value());
    EXPECT_EQ(text.text(),
              "hostname = \"a.example\"\n#postmaster = \"\"\npostmaster = \"p@a.example\"\n\n[tls]\n# The "
              "chain.\n#certificate_file = "
              "\"\"\ncertificate_file = \"c.pem\"\n\n#key_file = \"\"\n[log]\n");
}

TEST(ConfigText, AMissingValueGoesToTheEndOfItsSection) {
    ConfigText text = parsed(
        "hostname = \"a.example\" # ours\n# the door\n[[listener]]\naddress = "
        "\"127.0.0.1:25\"\n[tls]\n[log]\nlevel = \"info\"\n\n# the end\n");
    ASSERT_TRUE(text.set_value("postmaster", "\"p@a.example\"").value());
    ASSERT_TRUE(text.set_value("log.format", "\"json\"").value());
    ASSERT_TRUE(text.set_value("tls.key_file", "\"k.pem\"").value());
    ASSERT_TRUE(text.set_value("auth.users_file", "\"users\"").value());
    EXPECT_EQ(text.text(),
              "hostname = \"a.example\" # ours\npostmaster = \"p@a.example\"\n# the "
              "door\n[[listener]]\naddress = \"127.0.0.1:25\"\n[tls]\nkey_file = \"k.pem\"\n[log]\n"
              "level = \"info\"\nformat = \"json\"\n\n# the end\n\n[auth]\nusers_file = \"users\"\n");
}

TEST(ConfigText, AtTheTopOfAFileThatHasOnlyTables) {
    ConfigText text = parsed("# ours\n\n# the log\n[log]\n");
    ASSERT_TRUE(text.set_value("hostname", "\"a.example\"").value());
    EXPECT_EQ(text.text(), "# ours\n\nhostname = \"a.example\"\n\n# the log\n[log]\n");
    ConfigText comments = parsed("# ours\n");
    ASSERT_TRUE(comments.set_value("hostname", "\"a.example\"").value());
    EXPECT_EQ(comments.text(), "# ours\n\nhostname = \"a.example\"\n");
    ConfigText empty = parsed("");
    ASSERT_TRUE(empty.set_value("hostname", "\"a.example\"").value());
    EXPECT_EQ(empty.text(), "hostname = \"a.example\"\n");
}

TEST(ConfigText, DottedKeysWithoutHeading) {
    ConfigText text = parsed("hostname = \"a.example\"\ntls.key_file = \"k.pem\"\n[log]\n");
    ASSERT_TRUE(text.set_value("tls.certificate_file", "\"c.pem\"").value());
    EXPECT_EQ(
        text.text(),
        "hostname = \"a.example\"\ntls.key_file = \"k.pem\"\ntls.certificate_file = \"c.pem\"\n[log]\n");
    ConfigText inlined = parsed("tls = { key_file = \"k.pem\" }\n");
    EXPECT_FALSE(inlined.set_value("tls.certificate_file", "\"c.pem\""));
    EXPECT_EQ(inlined.text(), "tls = { key_file = \"k.pem\" }\n");
}

TEST(ConfigText, AnOperatorsLineEndsAreKept) {
    ConfigText text = parsed("hostname = \"a.example\"\r\n");
    ASSERT_TRUE(text.add_domain(example("a.example")).value());
    std::size_t plain = 0;
    for (std::size_t i = 0; i < text.text().size(); ++i)
        plain += text.text()[i] == '\n' && text.text()[i - 1] != '\r' ? 1U : 0U;
    EXPECT_EQ(plain, 0U) << text.text();
}

TEST(ConfigText, TakesNothingThatIsMoreThanOneValue) {
    ConfigText text = parsed("hostname = \"a.example\"\n");
    EXPECT_FALSE(text.set_value("postmaster", "\"a@b.c\"\nhostname = \"x\""));
    EXPECT_FALSE(text.add_table("listener", {"address = \"127.0.0.1:25\"", "[tls]", "self_signed = true"}));
    EXPECT_FALSE(text.set_value("hostname.more", "1"));
    EXPECT_EQ(text.text(), "hostname = \"a.example\"\n");
}

// The file we ship has every key commented out: what setup sets lands beside its words, and the result loads.
TEST(ConfigText, TheExampleFileTakesEverythingThatSetupSets) {
    std::ifstream file(POSTHORN_SOURCE_DIR "/etc/posthorn.toml");
    std::stringstream example_file;
    example_file << file.rdbuf();
    ConfigText text = parsed(example_file.str());
    ASSERT_TRUE(text.add_domain(example("example.net")).value());
    ASSERT_TRUE(text.set_value("tls.certificate_file", "\"c.pem\"").value());
    ASSERT_TRUE(text.set_value("tls.key_file", "\"k.pem\"").value());
    ASSERT_TRUE(text.set_value("auth.users_file", "\"people\"").value());
    ASSERT_TRUE(text.set_value("local.users_to", "[\"you@example.net\"]").value());
    ASSERT_TRUE(
        text.add_table("listener", {"address = \"*:465\"", "tls = \"implicit\"", "auth = \"required\""}));
    ASSERT_TRUE(text.add_domain(example("example.org")).value());
    ASSERT_TRUE(text.remove_domain("example.net").value());
    const config::Loaded loaded = config::parse(text.text(), "/etc/posthorn/posthorn.toml", {});
    for (const auto& mistake : loaded.mistakes) ADD_FAILURE() << mistake.to_string();
    ASSERT_EQ(loaded.config.auth.domains.size(), 2U);
    EXPECT_EQ(loaded.config.auth.domains[1].name, "example.org");
    EXPECT_EQ(loaded.config.server.listeners.size(), 2U);
    EXPECT_NE(text.text().find("#certificate_file = \"\"\ncertificate_file = \"c.pem\"\n"),
              std::string::npos);
}

}  // namespace
}  // namespace posthorn::setup
