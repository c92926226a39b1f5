// Command lines and parameters, valid and not, with the exact refusal of each.
#include "smtp/protocol/command.hpp"

#include <gtest/gtest.h>

namespace posthorn::smtp::protocol {
namespace {

AcceptedParameters all() {
    AcceptedParameters accepted;
    accepted.auth = accepted.require_tls = true;
    return accepted;
}

MailCommand good_mail(std::string_view arguments) {
    auto parsed = parse_mail(arguments, all());
    if (const auto* reply = std::get_if<Reply>(&parsed)) {
        ADD_FAILURE() << arguments << ": " << reply->joined();
        return {};
    }
    return std::get<MailCommand>(parsed);
}

std::string mail_refusal(std::string_view arguments, const AcceptedParameters& accepted = all()) {
    auto parsed = parse_mail(arguments, accepted);
    const auto* reply = std::get_if<Reply>(&parsed);
    return reply != nullptr ? reply->joined().substr(0, 9) : "";
}

std::string rcpt_refusal(std::string_view arguments, bool smtputf8 = false) {
    auto parsed = parse_rcpt(arguments, all(), smtputf8);
    const auto* reply = std::get_if<Reply>(&parsed);
    return reply != nullptr ? reply->joined().substr(0, 9) : "";
}

RcptCommand good_rcpt(std::string_view arguments, bool smtputf8 = false) {
    auto parsed = parse_rcpt(arguments, all(), smtputf8);
    if (const auto* reply = std::get_if<Reply>(&parsed)) {
        ADD_FAILURE() << arguments << ": " << reply->joined();
        return {};
    }
    return std::get<RcptCommand>(parsed);
}

TEST(CommandLine, Verbs) {
    EXPECT_EQ(parse_command_line("MAIL FROM:<a@b>").verb, Verb::mail);
    EXPECT_EQ(parse_command_line("mAiL FROM:<a@b>").arguments, "FROM:<a@b>");
    EXPECT_EQ(parse_command_line("QUIT  ").verb, Verb::quit);
    EXPECT_EQ(parse_command_line("QUIT  ").arguments, "");
    EXPECT_EQ(parse_command_line("QUITS").verb, Verb::unknown);
    EXPECT_EQ(parse_command_line("").verb, Verb::unknown);
    EXPECT_EQ(parse_command_line("ETRN x").verb, Verb::refused);
    EXPECT_EQ(to_string(Verb::starttls), "STARTTLS");
    EXPECT_EQ(to_string(Verb::refused), "refused");
}

TEST(MailCommand, Addresses_SMTP_20_SMTP_21) {
    EXPECT_TRUE(good_mail("FROM:<>").sender.is_null());
    EXPECT_EQ(good_mail("from: <a@Example.ORG>").sender.to_string(), "a@example.org");
    EXPECT_EQ(good_mail("FROM:<@relay.example,@b.example:a@example.org>").sender.to_string(),
              "a@example.org");
    EXPECT_EQ(good_mail("FROM:<\"a b\"@example.org>").sender.local, "\"a b\"");
    EXPECT_EQ(mail_refusal("FROM:a@example.org"), "501 5.1.7");
    EXPECT_EQ(mail_refusal("FROM:<a@example.org"), "501 5.1.7");
    EXPECT_EQ(mail_refusal("FROM:<a b@example.org>"), "501 5.1.7");
    EXPECT_EQ(mail_refusal("FROM:<a@example.org>SIZE=1"), "501 5.5.4");
    EXPECT_EQ(mail_refusal("FROM"), "501 5.5.4");
    EXPECT_EQ(mail_refusal(""), "501 5.5.4");
}

TEST(MailCommand, Parameters_EXT_5_DSN_1_AUTH_6) {
    const auto command = good_mail(
        "FROM:<a@example.org>  size=123 BODY=8bitmime SMTPUTF8 RET=full ENVID=x+3Dy REQUIRETLS "
        "AUTH=u+40example.org");
    EXPECT_EQ(command.size, 123U);
    EXPECT_EQ(command.body, mail::BodyType::eight_bit_mime);
    EXPECT_TRUE(command.smtputf8);
    EXPECT_TRUE(command.require_tls);
    EXPECT_EQ(command.ret, mail::DsnReturn::full);
    EXPECT_EQ(command.envid, "x=y");
    EXPECT_EQ(good_mail("FROM:<a@example.org> BODY=7BIT").body, mail::BodyType::seven_bit);
    EXPECT_EQ(good_mail("FROM:<a@example.org> RET=HDRS").ret, mail::DsnReturn::headers);
    EXPECT_EQ(good_mail("FROM:<a@example.org> SIZE=99999999999999999999").size, UINT64_MAX);
    EXPECT_EQ(good_mail("FROM:<a@example.org> AUTH=<>").sender.local, "a");
    EXPECT_FALSE(good_mail("FROM:<a@example.org>").size.has_value());
}

TEST(MailCommand, BadParameters_DSN_2) {
    const struct {
        const char* parameter;
        const char* refusal;
    } kTable[] = {
        {"SIZE", "501 5.5.4"},
        {"SIZE=", "501 5.5.4"},
        {"SIZE=-1", "501 5.5.4"},
        {"SIZE=1x", "501 5.5.4"},
        {"SIZE=100000000000000000000", "501 5.5.4"},
        {"SIZE=1 SIZE=2", "501 5.5.4"},
        {"BODY=9BIT", "501 5.5.4"},
        {"BODY", "501 5.5.4"},
        {"BODY=BINARYMIME", "555 5.5.4"},
        {"SMTPUTF8=1", "501 5.5.4"},
        {"RET=x", "501 5.5.4"},
        {"RET", "501 5.5.4"},
        {"ENVID", "501 5.5.4"},
        {"ENVID=+0A", "501 5.5.4"},
        {"ENVID=a+", "501 5.5.4"},
        {"ENVID=a=b", "501 5.5.4"},
        {"REQUIRETLS=x", "501 5.5.4"},
        {"AUTH", "501 5.5.4"},
        {"AUTH=+", "501 5.5.4"},
        {"FOO", "555 5.5.4"},
        {"FOO=bar", "555 5.5.4"},
        {"-X", "501 5.5.4"},
        {"=", "501 5.5.4"},
        {"NOTIFY=NEVER", "555 5.5.4"},
        {"X_Y=1", "501 5.5.4"},
    };
    for (const auto& row : kTable)
        EXPECT_EQ(mail_refusal(std::string("FROM:<a@example.org> ") + row.parameter), row.refusal)
            << row.parameter;
    EXPECT_EQ(mail_refusal("FROM:<a@example.org> ENVID=" + std::string(101, 'x')), "501 5.5.4");
}

TEST(MailCommand, OnlyWhatIsAdvertised_RFC5321_s4_1_1_11) {
    AcceptedParameters none;
    none.size = none.eight_bit_mime = none.smtputf8 = none.dsn = false;
    for (const char* parameter :
         {"SIZE=1", "BODY=8BITMIME", "SMTPUTF8", "RET=FULL", "ENVID=x", "REQUIRETLS", "AUTH=<>"})
        EXPECT_EQ(mail_refusal(std::string("FROM:<a@example.org> ") + parameter, none), "555 5.5.4")
            << parameter;
    auto rcpt = parse_rcpt("TO:<a@example.org> NOTIFY=NEVER", none, false);
    ASSERT_TRUE(std::holds_alternative<Reply>(rcpt));
    EXPECT_EQ(std::get<Reply>(rcpt).code, 555);
}

TEST(MailCommand, Utf8NeedsTheParameter_RFC6531_s3_5) {
    EXPECT_EQ(mail_refusal("FROM:<\xc3\xa4@example.org>"), "550 5.6.7");
    EXPECT_EQ(mail_refusal("FROM:<a@\xc3\xa4.example>"), "550 5.6.7");
    EXPECT_EQ(mail_refusal("FROM:<\xc3\xa4@example.org> SMTPUTF8"), "");
    EXPECT_EQ(mail_refusal("FROM:<\xff@example.org> SMTPUTF8"), "501 5.1.7");
}

TEST(RcptCommand, Addresses_SMTP_18) {
    EXPECT_EQ(good_rcpt("TO:<b@example.net>").recipient.to_string(), "b@example.net");
    EXPECT_EQ(good_rcpt("to:<b@[192.0.2.1]>").recipient.domain, "[192.0.2.1]");
    EXPECT_TRUE(good_rcpt("TO:<Postmaster>").recipient.is_bare_postmaster());
    EXPECT_EQ(rcpt_refusal("TO:<>"), "501 5.1.3");
    EXPECT_EQ(rcpt_refusal("TO:b@example.net"), "501 5.1.3");
    EXPECT_EQ(rcpt_refusal("TO:<" + std::string(65, 'x') + "@example.net>"), "501 5.1.3");
    EXPECT_EQ(rcpt_refusal("FROM:<b@example.net>"), "501 5.5.4");
    EXPECT_EQ(rcpt_refusal("TO:<\xc3\xa4@example.net>"), "553 5.6.7");
    EXPECT_EQ(rcpt_refusal("TO:<\xc3\xa4@example.net>", true), "");
}

TEST(RcptCommand, Parameters_DSN_1_DSN_2) {
    using mail::Notify;
    EXPECT_EQ(good_rcpt("TO:<b@c.example> NOTIFY=never").notify, Notify::never);
    EXPECT_EQ(good_rcpt("TO:<b@c.example> NOTIFY=SUCCESS,FAILURE,DELAY").notify,
              Notify::success | Notify::failure | Notify::delay);
    EXPECT_EQ(good_rcpt("TO:<b@c.example>").notify, Notify::unset);
    EXPECT_EQ(good_rcpt("TO:<b@c.example> ORCPT=rfc822;a+2Bb@c.example").orcpt, "rfc822;a+b@c.example");
    EXPECT_EQ(good_rcpt("TO:<b@c.example> ORCPT=utf-8;a\\x{E4}@c.example").orcpt, "utf-8;a\\x{E4}@c.example");
    EXPECT_EQ(good_rcpt("TO:<b@c.example> ORCPT=utf-8;\xc3\xa4@c.example", true).orcpt,
              "utf-8;\xc3\xa4@c.example");
    for (const char* bad :
         {"NOTIFY", "NOTIFY=", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,NEVER", "NOTIFY=FOO",
          "NOTIFY=SUCCESS,", "ORCPT", "ORCPT=x", "ORCPT=;x", "ORCPT=rfc822;+0D+0A", "ORCPT=rf(c;x",
          "ORCPT=utf-8;\xc3\xa4@c.example", "ORCPT=rfc822;\xc3\xa4@c.example"})
        EXPECT_EQ(rcpt_refusal(std::string("TO:<b@c.example> ") + bad), "501 5.5.4") << bad;
    EXPECT_EQ(rcpt_refusal("TO:<b@c.example> SIZE=1"), "555 5.5.4");
    EXPECT_EQ(rcpt_refusal("TO:<b@c.example> ORCPT=rfc822;" + std::string(500, 'x')), "501 5.5.4");
}

TEST(Helo, Arguments_RFC5321_s4_1_1_1) {
    for (const char* good :
         {"example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]", "my_pc", "localhost", "WIN-1234"})
        EXPECT_TRUE(acceptable_helo(good)) << good;
    for (const char* bad : {"", "a b", "a(b)", "a;b", "<a>", "a\"", "\xc3\xa4.example"})
        EXPECT_FALSE(acceptable_helo(bad)) << bad;
    EXPECT_FALSE(acceptable_helo(std::string(256, 'a')));
}

}  // namespace
}  // namespace posthorn::smtp::protocol
