// What the tests of all kinds of worlds share: reading, naming, and the words that must be said.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "support/dns_world.hpp"

namespace posthorn::test {

// A world that cannot be read is a test that says why, not a program that does not start.
inline std::vector<DnsWorld> worlds_of(const std::string& kind) {
    std::vector<DnsWorld> worlds;
    try {
        worlds = WorldFiles::read_all();
        std::erase_if(worlds, [&](const DnsWorld& world) { return world.kind != kind; });
    } catch (const std::exception& mistake) {
        DnsWorld broken;
        broken.kind = broken.name = "unreadable";
        broken.about = mistake.what();
        worlds.push_back(std::move(broken));
    }
    return worlds;
}

inline std::string name_of_world(const ::testing::TestParamInfo<DnsWorld>& one) {
    std::string name = one.param.name;
    for (char& c : name)
        if (!text::is_alnum(c)) c = '_';
    return name;
}

inline IpAddress ip_of(const std::string& text) {
    const auto ip = IpAddress::parse(text);
    if (!ip) throw std::runtime_error("no address: " + text);
    return *ip;
}

inline auth::dkim::PrivateKeyPtr key_of(const std::string& file) {
    static std::map<std::string, auth::dkim::PrivateKeyPtr> keys;
    auth::dkim::PrivateKeyPtr& key = keys[file];
    if (!key) key = auth::dkim::PrivateKey::parse(WorldFiles::pem(file), file).value();
    return key;
}

inline void expect_words(const WorldExpectation& wanted, const std::string& said) {
    for (const std::string& word : wanted.words) EXPECT_NE(said.find(word), std::string::npos) << "missing: " << word << "\nsaid:\n" << said;
    for (const std::string& word : wanted.not_words) EXPECT_EQ(said.find(word), std::string::npos) << "must not be there: " << word << "\nsaid:\n" << said;
}

}  // namespace posthorn::test
