// The files made from the table of settings are up to date, and what is shown reads back to the same.
#include "config/reference.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "config/schema.hpp"

namespace posthorn::config {
namespace {

std::string source_file(const std::string& path) {
    std::ifstream file(std::string(POSTHORN_SOURCE_DIR) + "/" + path, std::ios::binary);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
}

TEST(Reference, ManualIsUpToDate) {
    EXPECT_TRUE(source_file("docs/CONFIGURATION.md") == reference_markdown())
        << "run: posthorn config-reference > docs/CONFIGURATION.md";
}

TEST(Reference, ExampleFileIsUpToDate) {
    EXPECT_TRUE(source_file("etc/posthorn.toml") == example_toml())
        << "run: posthorn config-reference --example > etc/posthorn.toml";
}

TEST(Reference, ExampleFilesAreCorrect) {
    for (const char* path : {"etc/posthorn.toml", "etc/examples/minimal.toml"}) {
        const std::string text = source_file(path);
        ASSERT_FALSE(text.empty()) << path;
        const Loaded loaded = parse(text, path, {});
        for (const Mistake& mistake : loaded.mistakes) {
            ADD_FAILURE() << mistake.to_string();
        }
        for (const Mistake& warning : loaded.warnings) {
            ADD_FAILURE() << warning.to_string();
        }
    }
}

// What people copy: each TOML block of the recipes, beside the smallest configuration.
TEST(Reference, RecipesAreCorrect) {
    const std::string minimal = source_file("etc/examples/minimal.toml");
    std::istringstream lines(source_file("docs/ROUTES.md"));
    std::string block;
    bool inside = false;
    int blocks = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line == "```toml") {
            inside = true;
            block.clear();
        } else if (line == "```" && inside) {
            inside = false;
            ++blocks;
            const Loaded loaded = parse(minimal + "\n" + block, "posthorn.toml", {});
            for (const Mistake& mistake : loaded.mistakes) ADD_FAILURE() << block << mistake.to_string();
            for (const Mistake& warning : loaded.warnings) ADD_FAILURE() << block << warning.to_string();
        } else if (inside) {
            block += line + "\n";
        }
    }
    EXPECT_GE(blocks, 7);
}

// Taking every '#' of a key away leaves all defaults as they are: the example file does not lie about them.
TEST(Reference, CommentedKeysOfTheExampleAreTheDefaults) {
    std::istringstream lines(source_file("etc/posthorn.toml"));
    std::string all;
    bool tables = false;  // the commented [[tables]] are examples, not defaults
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("#[[")) {
            tables = true;
        } else if (line.empty() || line.starts_with('[') || line.starts_with("# ")) {
            tables = false;
        }
        const bool key = line.starts_with('#') && line.size() > 1 && line[1] >= 'a' && line[1] <= 'z';
        all += (key && !tables ? line.substr(1) : line) + "\n";
    }
    const Loaded shown = parse(all, "etc/posthorn.toml", {});
    for (const Mistake& mistake : shown.mistakes) {
        ADD_FAILURE() << mistake.to_string();
    }
    const Config plain = parse(source_file("etc/posthorn.toml"), "etc/posthorn.toml", {}).config;
    EXPECT_EQ(show(shown.config), show(plain));
}

TEST(Show, ReadsBackToTheSame) {
    const std::string text = R"(
hostname = "mail.example.com"
postmaster = "ops@example.com"
[[listener]]
address = "*:587"
auth = "required"
[[listener]]
address = "unix:/run/posthorn/submit.sock"
socket_mode = "0600"
[[domain]]
name = "example.com"
dkim = [{ selector = "m1", key_file = "/k/m1.pem" }, { selector = "e1", key_file = "/k/\"e1\".pem" }]
[[domain]]
name = "example.org"
unsigned_policy = "send-unsigned"
[[stream]]
name = "news"
users = ["news", "shop"]
unsubscribe_url = "https://example.com/u/{token}"
[unsubscribe]
key_file = "/k/unsubscribe"
[tls]
certificate_file = "/c.pem"
key_file = "/k.pem"
[auth]
users_file = "/users"
[retry]
jitter = 0.25
[dns]
servers = ["127.0.0.1:5353"]
)";
    const Loaded first = parse(text, "/p.toml", {});
    ASSERT_TRUE(first.mistakes.empty()) << first.mistakes[0].to_string();
    const std::string shown = show(first.config);
    const Loaded second = parse(shown, "/p.toml", {});
    ASSERT_TRUE(second.mistakes.empty()) << second.mistakes[0].to_string() << "\n" << shown;
    EXPECT_EQ(show(second.config), shown);
    EXPECT_EQ(second.config.auth.domains.at(0).keys.at(1).key_file, "/k/\"e1\".pem");
    EXPECT_EQ(second.config.auth.streams.at(0).users.size(), 2U);
}

TEST(Table, EveryKeyBelongsToASectionAndHasWords) {
    for (const Setting<Config>& setting : settings()) {
        bool found = false;
        for (const Section& section : sections()) {
            found = found || section.name == setting.section;
        }
        EXPECT_TRUE(found) << setting.section;
        EXPECT_GE(setting.doc.size(), 10U) << setting.key;
        EXPECT_TRUE(setting.doc.ends_with('.')) << setting.key;
    }
}

}  // namespace
}  // namespace posthorn::config
