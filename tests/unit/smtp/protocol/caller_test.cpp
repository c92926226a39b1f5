// What programs of this machine say at the unix socket: XCALLER's parameters, names without a domain, and
// nothing of it elsewhere.
#include <gtest/gtest.h>

#include "smtp/protocol/command.hpp"

namespace posthorn::smtp::protocol {
namespace {

AcceptedParameters at_the_socket() {
    AcceptedParameters accepted;
    accepted.caller = true;
    return accepted;
}

MailCommand good(std::string_view arguments) {
    auto parsed = parse_mail(arguments, at_the_socket());
    if (const auto* reply = std::get_if<Reply>(&parsed)) {
        ADD_FAILURE() << arguments << ": " << reply->joined();
        return {};
    }
    return std::get<MailCommand>(parsed);
}

std::string refusal(std::string_view arguments, const AcceptedParameters& accepted = at_the_socket()) {
    auto parsed = parse_mail(arguments, accepted);
    const auto* reply = std::get_if<Reply>(&parsed);
    return reply != nullptr ? reply->joined().substr(0, 9) : "";
}

std::string recipient(std::string_view arguments, const AcceptedParameters& accepted) {
    auto parsed = parse_rcpt(arguments, accepted, false);
    const auto* reply = std::get_if<Reply>(&parsed);
    return reply != nullptr ? reply->joined().substr(0, 9)
                            : std::get<RcptCommand>(parsed).recipient.to_string();
}

TEST(Caller, ParametersOfMail) {
    const MailCommand mail = good(
        "FROM:<> XFROM=default xname=Anna+20Blume XCALLER=pid+3D812;cmd+3Dphp "
        "XHANDOFF=0006443a1c9d2e40.812.9f86");
    EXPECT_FALSE(mail.caller.sender_asked);
    EXPECT_EQ(mail.caller.full_name, "Anna Blume");
    EXPECT_EQ(mail.caller.claim, "pid=812;cmd=php");
    EXPECT_EQ(mail.caller.handoff, "0006443a1c9d2e40.812.9f86");
    EXPECT_TRUE(good("FROM:<>").caller.sender_asked);
    EXPECT_EQ(good("FROM:<a@b.test> XNAME=J+C3+B6rg+0D+0ABcc:+20x").caller.full_name,
              "J\xc3\xb6rg  Bcc: x");  // no line of its own
}

TEST(Caller, ParametersThatMakeNoSense) {
    for (const char* said :
         {"FROM:<a@b.test> XFROM=default", "FROM:<> XFROM=other", "FROM:<> XFROM", "FROM:<> XNAME",
          "FROM:<> XNAME=+G0", "FROM:<> XNAME=+FF+FE", "FROM:<> XHANDOFF=../../etc/passwd",
          "FROM:<> XHANDOFF", "FROM:<> XHANDOFF=.a", "FROM:<> XCALLER=a XCALLER=b"})
        EXPECT_EQ(refusal(said), "501 5.5.4") << said;
}

TEST(Caller, NamesWithoutADomain) {
    EXPECT_EQ(good("FROM:<www-data>").sender.to_string(), "www-data");
    EXPECT_EQ(recipient("TO:<root>", at_the_socket()), "root");
    EXPECT_EQ(recipient("TO:<\"web master\">", at_the_socket()), "\"web master\"");
    EXPECT_EQ(recipient("TO:<>", at_the_socket()), "501 5.1.3");
    EXPECT_EQ(recipient("TO:<root@>", at_the_socket()), "501 5.1.3");
    EXPECT_EQ(recipient("TO:<ro ot>", at_the_socket()), "501 5.1.3");
    EXPECT_EQ(refusal("FROM:<" + std::string(300, 'a') + ">"), "501 5.1.7");
}

TEST(Caller, NothingOfItWhereItIsNotOffered) {
    const AcceptedParameters elsewhere;
    for (const char* said :
         {"FROM:<> XFROM=default", "FROM:<> XNAME=a", "FROM:<> XCALLER=a", "FROM:<> XHANDOFF=1.2.3"})
        EXPECT_EQ(refusal(said, elsewhere), "555 5.5.4") << said;
    EXPECT_EQ(refusal("FROM:<root>", elsewhere), "501 5.1.7");
    EXPECT_EQ(recipient("TO:<root>", elsewhere), "501 5.1.3");
    EXPECT_EQ(recipient("TO:<Postmaster>", elsewhere), "Postmaster");  // RFC 5321 s4.5.1
}

}  // namespace
}  // namespace posthorn::smtp::protocol
