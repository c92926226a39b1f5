// What setup writes: a file that loads, and the second time nothing.
#include "setup/setup_plan.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace posthorn::setup {
namespace {

constexpr const char* kPath = "/etc/posthorn/posthorn.toml";

Answers example() {
    Answers answers;
    answers.hostname = "mail.example.com";
    answers.domains = {"example.com"};
    answers.root_mail = "ann@example.com";
    return answers;
}

SetupPlan planned(const std::string& text, const Answers& answers, const Doors& doors = {},
                  const Machine& machine = {}) {
    return make_setup_plan(ConfigText::parse(text, kPath).value(), config::parse(text, kPath, {}).config,
                           kPath, answers, machine, doors)
        .value();
}

config::Config loaded(const std::string& text) {
    config::Loaded read = config::parse(text, kPath, {});
    for (const auto& mistake : read.mistakes) ADD_FAILURE() << mistake.to_string() << "\n" << text;
    for (const auto& warning : read.warnings) ADD_FAILURE() << warning.to_string() << "\n" << text;
    return read.config;
}

TEST(SetupPlan, AFreshFileSaysWhatWasAnswered) {
    const SetupPlan plan = planned("", example());
    EXPECT_TRUE(plan.fresh);
    EXPECT_FALSE(plan.needs_users_file);
    const config::Config config = loaded(plan.text);
    EXPECT_EQ(config.version, 1);  // SD-54
    EXPECT_EQ(config.hostname, "mail.example.com");
    ASSERT_EQ(config.auth.domains.size(), 1U);
    EXPECT_EQ(config.auth.domains[0].key_directory, "/etc/posthorn/keys/example.com");
    ASSERT_EQ(config.server.listeners.size(), 1U);
    EXPECT_EQ(config.server.listeners[0].address.to_string(), "127.0.0.1:25");
    EXPECT_EQ(config.intake.local.users_to, std::vector<std::string>{"ann@example.com"});
    EXPECT_TRUE(planned(plan.text, example()).changes.empty());
}

TEST(SetupPlan, UsersGetDoorsACertificateAndAFile) {
    Answers answers = example();
    answers.users = true;
    answers.certificate_file = "/etc/letsencrypt/live/mail.example.com/fullchain.pem";
    answers.key_file = "/etc/letsencrypt/live/mail.example.com/privkey.pem";
    const SetupPlan plan = planned("", answers);
    EXPECT_TRUE(plan.needs_users_file);
    const config::Config config = loaded(plan.text);
    ASSERT_EQ(config.server.listeners.size(), 3U);
    EXPECT_EQ(config.server.listeners[1].tls, smtp::server::ListenerTls::implicit);
    EXPECT_EQ(config.server.listeners[2].tls, smtp::server::ListenerTls::starttls);
    EXPECT_EQ(config.auth.credentials.users_file, "/etc/posthorn/users");
    EXPECT_TRUE(planned(plan.text, answers).changes.empty());
    // Without a certificate yet: only programs, and nothing that would not start.
    answers.certificate_later = true;
    EXPECT_EQ(loaded(planned("", answers).text).server.listeners.size(), 1U);
}

TEST(SetupPlan, WhatIsThereIsChangedOnlyWhereItDiffers) {
    const std::string before =
        "# Ann's\nhostname = \"mail.example.com\"  # ours\n\n[[listener]]\naddress = "
        "\"127.0.0.1:2525\"\nauth = \"none\"\n\n"
        "[[domain]]\nname = \"example.com\"\ndkim = [{ selector = \"m1\", key_file = \"m1.pem\" "
        "}]\n\n[[domain]]\nname = \"nokey.example\"\n"
        "unsigned_policy = \"send-unsigned\"\n";
    Answers answers = example();
    answers.domains = {"example.com", "nokey.example", "shop.example"};
    answers.hostname = "mx.example.com";
    const SetupPlan plan = planned(before, answers);
    EXPECT_FALSE(plan.fresh);
    EXPECT_EQ(plan.changes,
              (std::vector<std::string>{
                  "hostname becomes \"mx.example.com\"; it is \"mail.example.com\"",
                  "[[domain]] nokey.example has no key; it gets key_directory = \"keys/nokey.example\"",
                  "[[domain]] shop.example is added", "local.users_to = [\"ann@example.com\"] is added"}));
    EXPECT_EQ(plan.text,
              "# Ann's\nhostname = \"mx.example.com\"  # ours\n\n[[listener]]\naddress = "
              "\"127.0.0.1:2525\"\nauth = \"none\"\n\n"
              "[[domain]]\nname = \"example.com\"\ndkim = [{ selector = \"m1\", key_file = \"m1.pem\" "
              "}]\n\n[[domain]]\nname = \"nokey.example\"\n"
              "unsigned_policy = \"send-unsigned\"\nkey_directory = "
              "\"keys/nokey.example\"\n\n[[domain]]\nname = \"shop.example\"\n"
              "key_directory = \"keys/shop.example\"\n\n[local]\nusers_to = [\"ann@example.com\"]\n");
    EXPECT_TRUE(planned(plan.text, answers).changes.empty());
}

TEST(SetupPlan, AFileThatOnlyNamesAResolverIsFilledUp) {
    const std::string before = "[dns]\nservers = [\"127.0.0.1:5353\"]\n";
    const SetupPlan plan = planned(before, example());
    EXPECT_NE(plan.text.find(before), std::string::npos);
    EXPECT_EQ(loaded(plan.text).server.listeners.size(), 1U);
    EXPECT_TRUE(planned(plan.text, example()).changes.empty());
}

TEST(SetupPlan, OneOfSeveralAddressesIsWrittenDown) {
    Machine machine;
    machine.addresses = {IpAddress::parse("203.0.113.5").value(), IpAddress::parse("203.0.113.6").value(),
                         IpAddress::parse("2001:db8::5").value()};
    Answers answers = example();
    answers.addresses = {machine.addresses[1], machine.addresses[2]};
    const SetupPlan plan = planned("", answers, {}, machine);
    EXPECT_EQ(loaded(plan.text).delivery.source_v4, "203.0.113.6");
    EXPECT_EQ(loaded(plan.text).delivery.source_v6, "");  // it has no other
    EXPECT_TRUE(planned(plan.text, answers, {}, machine).changes.empty());
}

TEST(SetupPlan, DoorsByFlag) {
    Doors none;
    none.programs = std::vector<std::string>{};
    EXPECT_TRUE(loaded(planned("", example(), none).text).server.listeners.empty());
    Doors two;
    two.programs = std::vector<std::string>{"127.0.0.1:25", "[::1]:25"};
    const std::string text = planned("", example(), two).text;
    EXPECT_EQ(loaded(text).server.listeners.size(), 2U);
    EXPECT_TRUE(planned(text, example()).changes.empty());
    Doors wrong;
    wrong.programs = std::vector<std::string>{"here"};
    const auto refused = make_setup_plan(ConfigText::parse(text, kPath).value(),
                                         config::parse(text, kPath, {}).config, kPath, example(), {}, wrong);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("here is no address to listen at"), std::string::npos);
}

// Whatever is answered: the file loads, and a second run with the same answers leaves every octet.
RC_GTEST_PROP(SetupPlanOfAnyAnswers, LoadsAndIsDoneOnce, ()) {
    const auto chosen = [](const std::vector<std::string>& all) { return *rc::gen::elementOf(all); };
    const auto flip = [] { return *rc::gen::arbitrary<bool>(); };
    const auto answered = [&] {
        Answers answers;
        answers.hostname = chosen({"mail.example.com", "mx.example.org"});
        answers.domains = {chosen({"example.com", "a.example"})};
        if (flip()) answers.domains.push_back(chosen({"b.example", "xn--bcher-kva.example"}));
        answers.users = flip();
        answers.self_signed = flip();
        answers.certificate_later = !answers.self_signed && flip();
        if (answers.users && !answers.self_signed && !answers.certificate_later) {
            answers.certificate_file = chosen({"/c.pem", "tls/c.pem"});
            answers.key_file = chosen({"/k.pem", "tls/k \"1\".pem"});
        }
        if (flip()) answers.root_mail = chosen({"ann@example.com", "ann@example.com bob@example.com"});
        return answers;
    };
    const Answers first = answered();
    const std::string text = planned("", first).text;
    RC_ASSERT(config::parse(text, kPath, {}).mistakes.empty());
    const SetupPlan again = planned(text, first);
    RC_ASSERT(again.changes.empty());
    RC_ASSERT(again.text == text);
    // Other answers on top of it, twice.
    const Answers second = answered();
    RC_PRE(second.self_signed ==
           first.self_signed);  // a certificate of our own making beside files is a mistake, and told as one
    const std::string changed = planned(text, second).text;
    for (const auto& mistake : config::parse(changed, kPath, {}).mistakes)
        RC_LOG() << mistake.to_string() << "\n" << changed;
    RC_ASSERT(config::parse(changed, kPath, {}).mistakes.empty());
    RC_ASSERT(planned(changed, second).text == changed);
}

}  // namespace
}  // namespace posthorn::setup
