// Every folder of tests/bad_configs holds a configuration with a mistake and the exact words it must be
// answered with.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace posthorn::config {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(POSTHORN_SOURCE_DIR) / "tests" / "bad_configs";

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
}

std::vector<std::string> cases() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
        if (entry.is_directory()) {
            names.push_back(entry.path().filename().string());
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

class BadConfig : public testing::TestWithParam<std::string> {};

// posthorn.toml: the text. environment (may be missing): lines NAME=value. expected: one mistake a line, in
// order.
TEST_P(BadConfig, IsRefusedInTheseWords) {
    const auto folder = kFolder / GetParam();
    std::vector<std::pair<std::string, std::string>> environment;
    std::istringstream lines(content(folder / "environment"));
    for (std::string line; std::getline(lines, line);) {
        const auto equals = line.find('=');
        ASSERT_NE(equals, std::string::npos) << line;
        environment.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
    const Loaded loaded = parse(content(folder / "posthorn.toml"), "posthorn.toml", environment);
    std::string found;
    for (const Mistake& mistake : loaded.mistakes) {
        found += mistake.to_string() + "\n";
    }
    EXPECT_FALSE(found.empty());
    EXPECT_EQ(found, content(folder / "expected"));
}

INSTANTIATE_TEST_SUITE_P(Folder, BadConfig, testing::ValuesIn(cases()), [](const auto& info) {
    std::string name = info.param;
    std::replace_if(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
});

TEST(BadConfigs, AreAtLeastThirty) {
    EXPECT_GE(cases().size(), 30U);
}

}  // namespace
}  // namespace posthorn::config
