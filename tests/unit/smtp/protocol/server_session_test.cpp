// The server's dialogue: orders of commands, rights, limits, refusals, each as a script.
#include "base/base64.hpp"
#include "server_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

const std::string kMessage = "From: <a@example.org>\r\n\r\nHello\r\n";
const std::string kClosing = "421 4.7.0 mx.example.org Too many errors, closing the connection\r\n";

ServerFacts login_facts() {
    ServerFacts facts = submission_facts();
    facts.tls = SessionTls::active;
    return facts;
}

const std::string kLoginEhlo =
    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n"
    "250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES\r\n";

TEST(ServerSession, OneMessage_SMTP_11_SD_53) {
    ServerScript()
        .up_to_data()
        .says(kMessage + ".\r\n")
        .stores("0abc")
        .content(kMessage)
        .gets("250 2.0.0 Ok: queued as 0abc\r\n")
        .says("QUIT\r\n")
        .gets("221 2.0.0 mx.example.org Goodbye\r\n")
        .closes(SessionEnd::quit)
        .run();
}

// RFC 2920: the replies of a group leave together, in order.
TEST(ServerSession, GroupIsAnsweredInOneWrite_EXT_4) {
    ServerSession session(facts());
    (void)session.start();
    (void)session.on_bytes("EHLO c\r\n");
    auto action = session.on_bytes(
        "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n");
    EXPECT_EQ(to_string(action.kind), "check_mail");
    EXPECT_EQ(action.output, "");
    EXPECT_EQ(session.mail_command().sender.to_string(), "a@example.org");
    action = session.on_verdict(Verdict::accept());
    EXPECT_EQ(to_string(action.kind), "check_recipient");
    EXPECT_EQ(session.rcpt_command().recipient.to_string(), "b@example.net");
    action = session.on_verdict(Verdict::accept());
    EXPECT_EQ(session.rcpt_command().recipient.to_string(), "c@example.net");
    action = session.on_verdict(Verdict::refuse(make_reply(550, "5.1.1", "No such user")));
    EXPECT_EQ(to_string(action.kind), "begin_data");
    ASSERT_EQ(session.envelope().recipients.size(), 1U);
    EXPECT_EQ(session.envelope().reverse_path, "a@example.org");
    EXPECT_EQ(session.envelope().recipients[0].address, "b@example.net");
    action = session.on_verdict(Verdict::accept());
    EXPECT_EQ(to_string(action.kind), "read");
    EXPECT_TRUE(session.in_data());
    EXPECT_EQ(
        action.output,
        "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 No such user\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
}

// Whole transactions in one segment, the next one behind the end of data.
TEST(ServerSession, PipeliningPastTheEndOfData_EXT_4) {
    const std::string mail =
        "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n" + kMessage + ".\r\n";
    const std::string replies = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n";
    ServerScript script;
    script.ehlo().says(mail + mail + "QUIT\r\n");
    for (const char* id : {"1", "2"})
        script.accepts(Kind::check_mail)
            .accepts(Kind::check_recipient)
            .accepts(Kind::begin_data)
            .stores(id)
            .content(kMessage);
    script.gets(replies + "250 2.0.0 Ok: queued as 1\r\n" + replies + "250 2.0.0 Ok: queued as 2\r\n")
        .gets("221 2.0.0 mx.example.org Goodbye\r\n")
        .closes(SessionEnd::quit)
        .run();
}

TEST(ServerSession, EnvelopeCarriesTheParameters_DSN_1_EXT_10) {
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n")
        .accepts(Kind::check_mail)
        .says("RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@example.com\r\n")
        .accepts(Kind::check_recipient)
        .says("DATA\r\n")
        .asks(Kind::begin_data,
              [](ServerSession& s) {
                  const auto& envelope = s.envelope();
                  EXPECT_EQ(envelope.reverse_path, "");
                  EXPECT_EQ(envelope.body, mail::BodyType::eight_bit_mime);
                  EXPECT_TRUE(envelope.smtputf8);
                  EXPECT_EQ(envelope.ret, mail::DsnReturn::headers);
                  EXPECT_EQ(envelope.envid, "a+b");
                  EXPECT_EQ(envelope.recipients.at(0).orcpt, "rfc822;x+y@example.com");
                  EXPECT_EQ(envelope.recipients.at(0).notify, mail::Notify::success | mail::Notify::delay);
                  EXPECT_EQ(s.with_protocol(), "UTF8SMTP");
                  return s.on_verdict(Verdict::accept());
              })
        .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")
        .run();
}

struct Exchange {
    const char* says;
    const char* gets;
};

// Every answer that needs no question, after EHLO. RFC 5321 s4.1.4, s4.2; EXT-9 gives all but EHLO, 220 and
// 3xx an enhanced code.
TEST(ServerSession, TableOfReplies_SMTP_19_SUB_5_EXT_7_EXT_9) {
    const Exchange kTable[] = {
        {"NOOP", "250 2.0.0 Ok"},
        {"noop whatever", "250 2.0.0 Ok"},
        {"RSET", "250 2.0.0 Ok"},
        {"RSET x", "501 5.5.4 RSET takes no parameters"},
        {"VRFY someone", "252 2.0.0 Cannot verify, but will take mail for it and try to deliver"},
        {"VRFY", "501 5.5.4 Syntax: VRFY address"},
        {"EXPN list", "502 5.5.1 Command not implemented"},
        {"ETRN example.org", "502 5.5.1 Command not implemented"},
        {"ATRN", "502 5.5.1 Command not implemented"},
        {"TURN", "502 5.5.1 Command not implemented"},
        {"BURL imap://x LAST", "502 5.5.1 Command not implemented"},
        {"MAIL FROM:<a@example.org> BODY=BINARYMIME", "555 5.5.4 Parameter not recognized or not implemented"},
        {"XCLIENT ADDR=1.2.3.4", "550 5.7.0 XCLIENT is not for you"},
        {"HELP", "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"},
        {"HELP MAIL", "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"},
        {"", "500 5.5.1 Command not recognized"},
        {"FOO", "500 5.5.1 Command not recognized"},
        {"MAILFROM:<a@example.org>", "500 5.5.1 Command not recognized"},
        {"HELO", "501 5.5.4 Syntax: HELO hostname"},
        {"HELO c.example", "250 mx.example.org"},
        {"EHLO", "501 5.5.4 Syntax: EHLO hostname"},
        {"EHLO a(b)", "501 5.5.4 Syntax: EHLO hostname"},
        {"EHLO two words", "501 5.5.4 Syntax: EHLO hostname"},
        {"QUIT now", "501 5.5.4 QUIT takes no parameters"},
        {"STARTTLS", "502 5.5.1 STARTTLS is not offered"},
        {"AUTH PLAIN", "502 5.5.1 AUTH is not offered"},
        {"RCPT TO:<b@example.net>", "503 5.5.1 Bad sequence of commands"},
        {"DATA", "503 5.5.1 Bad sequence of commands"},
        {"MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"},
        {"MAIL TO:<a@example.org>", "501 5.5.4 Syntax: MAIL FROM:<address>"},
        {"MAIL FROM:<a@example.org> FOO=1", "555 5.5.4 Parameter not recognized or not implemented"},
        {"MAIL FROM:<a@example.org> REQUIRETLS", "555 5.5.4 Parameter not recognized or not implemented"},
        {"MAIL FROM:<a@example.org> AUTH=<>", "555 5.5.4 Parameter not recognized or not implemented"},
        {"MAIL FROM:<a@example.org> SIZE=36700161",
         "552 5.3.4 Message is larger than the limit of 36700160 octets"},
        {"MAIL FROM:<a@example.org> SIZE=99999999999999999999",
         "552 5.3.4 Message is larger than the limit of 36700160 octets"},
        {"MAIL FROM:<\xc3\xa4@example.org>", "550 5.6.7 An address with UTF-8 needs the SMTPUTF8 parameter"},
        {"NOOP a\tb", "501 5.5.2 Control character in a command"},
    };
    for (const auto& row : kTable) {
        SCOPED_TRACE(row.says);
        ServerScript().ehlo().says(std::string(row.says) + "\r\n").gets(std::string(row.gets) + "\r\n").run();
    }
}

TEST(ServerSession, NothingButHelloBeforeHello_SMTP_19) {
    const std::string send_ehlo = "503 5.5.1 Bad sequence of commands: send EHLO first\r\n";
    ServerScript()
        .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSTARTTLS\r\nAUTH PLAIN\r\n")
        .gets(send_ehlo + send_ehlo + send_ehlo + send_ehlo + send_ehlo)
        .says("RSET\r\nNOOP\r\n")
        .gets("250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n")
        .ehlo()
        .run();
}

TEST(ServerSession, HeloSpeaksSmtp_SMTP_13) {
    ServerScript()
        .says("HELO c.example\r\nMAIL FROM:<a@example.org>\r\n")
        .asks(Kind::check_mail,
              [](ServerSession& s) {
                  EXPECT_EQ(s.with_protocol(), "SMTP");
                  EXPECT_EQ(s.helo(), "c.example");
                  return s.on_verdict(Verdict::accept());
              })
        .gets("250 mx.example.org\r\n250 2.1.0 Ok\r\n")
        .run();
}

TEST(ServerSession, OrderWithinATransaction_SMTP_19) {
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<a@example.org>\r\n")
        .accepts(Kind::check_mail)
        .gets("250 2.1.0 Ok\r\n")
        .says("MAIL FROM:<a@example.org>\r\n")
        .gets("503 5.5.1 Bad sequence of commands\r\n")
        .says("DATA\r\n")
        .gets("554 5.5.1 No valid recipients\r\n")
        .says("RSET\r\nRCPT TO:<b@example.net>\r\n")
        .gets("250 2.0.0 Ok\r\n503 5.5.1 Bad sequence of commands\r\n")
        .run();
}

TEST(ServerSession, EhloForgetsTheTransaction_RFC5321_s4_1_4) {
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n")
        .accepts(Kind::check_mail)
        .accepts(Kind::check_recipient)
        .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n")
        .ehlo()
        .says("DATA\r\n")
        .gets("503 5.5.1 Bad sequence of commands\r\n")
        .says("MAIL FROM:<c@example.org>\r\n")
        .asks(Kind::check_mail,
              [](ServerSession& s) {
                  EXPECT_TRUE(s.envelope().recipients.empty());
                  return s.on_verdict(Verdict::accept());
              })
        .gets("250 2.1.0 Ok\r\n")
        .run();
}

TEST(ServerSession, PolicyRefusesAndTheSessionGoesOn_SUB_3) {
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<a@example.org>\r\n")
        .refuses(Kind::check_mail, make_reply(550, "5.7.1", "Not your domain"))
        .gets("550 5.7.1 Not your domain\r\n")
        .says("MAIL FROM:<b@example.org>\r\nRCPT TO:<c@example.net>\r\nRCPT TO:<d@example.net>\r\nDATA\r\n")
        .accepts(Kind::check_mail)
        .refuses(Kind::check_recipient, make_reply(556, "5.1.10", "No mail there"))
        .accepts(Kind::check_recipient)
        .refuses(Kind::begin_data, make_reply(452, "4.3.1", "Busy"))
        .gets("250 2.1.0 Ok\r\n556 5.1.10 No mail there\r\n250 2.1.5 Ok\r\n452 4.3.1 Busy\r\n")
        .run();
}

TEST(ServerSession, AllRecipientsRefused_EXT_1) {
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<b@example.org>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n")
        .accepts(Kind::check_mail)
        .refuses(Kind::check_recipient, make_reply(550, "5.1.1", "No"))
        .gets("250 2.1.0 Ok\r\n550 5.1.1 No\r\n554 5.5.1 No valid recipients\r\n")
        .run();
}

TEST(ServerSession, TooManyRecipients_SMTP_9) {
    ServerFacts few = facts();
    few.limits.max_recipients = 2;
    ServerScript(few)
        .ehlo()
        .says(
            "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nRCPT "
            "TO:<d@example.net>\r\n")
        .accepts(Kind::check_mail)
        .accepts(Kind::check_recipient)
        .accepts(Kind::check_recipient)
        .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n")
        .gets("452 4.5.3 Too many recipients, send the rest in another transaction\r\n")
        .run();
}

TEST(ServerSession, Utf8RecipientNeedsSmtputf8_EXT_10) {
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<\xc3\xa4@example.net>\r\n")
        .accepts(Kind::check_mail)
        .gets("250 2.1.0 Ok\r\n553 5.6.7 An address with UTF-8 needs the SMTPUTF8 parameter of MAIL\r\n")
        .says("RSET\r\nMAIL FROM:<\xc3\xa4@example.org> SMTPUTF8\r\nRCPT TO:<\xc3\xa4@example.net>\r\n")
        .accepts(Kind::check_mail)
        .accepts(Kind::check_recipient)
        .gets("250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n")
        .run();
}

TEST(ServerSession, StoreResultsBecomeReplies_SMTP_11) {
    ServerScript()
        .up_to_data()
        .says(kMessage + ".\r\n")
        .asks(Kind::store,
              [](ServerSession& s) { return s.on_stored(StoreResult::temporary("The disk is full")); })
        .gets("451 4.3.0 The disk is full\r\n")
        .content(kMessage)
        .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        .accepts(Kind::check_mail)
        .accepts(Kind::check_recipient)
        .accepts(Kind::begin_data)
        .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")
        .says(".\r\n")
        .asks(Kind::store,
              [](ServerSession& s) {
                  return s.on_stored(StoreResult::refused(make_reply(554, "5.6.0", "No From\r\n250 forged")));
              })
        .gets("554 5.6.0 No From  250 forged\r\n")
        .run();
}

TEST(ServerSession, SizeIsCountedAndReadToTheEnd_EXT_5) {
    ServerFacts small = facts();
    small.limits.max_message_size = 10;
    ServerScript(small)
        .up_to_data()
        .says("12345678\r\n123\r\nQUIT\r\n.\r\n")
        .drops()
        .content("12345678\r\n")
        .gets("552 5.3.4 Message is larger than the limit of 10 octets\r\n")
        .says("NOOP\r\n")
        .gets("250 2.0.0 Ok\r\n")
        .run();
}

TEST(ServerSession, ExactlyTheLimitIsTaken_EXT_5) {
    ServerFacts small = facts();
    small.limits.max_message_size = 10;
    ServerScript(small)
        .up_to_data()
        .says("12345678\r\n.\r\n")
        .stores("1")
        .content("12345678\r\n")
        .gets("250 2.0.0 Ok: queued as 1\r\n")
        .run();
}

TEST(ServerSession, NulIsRefused_SUB_16) {
    ServerScript()
        .up_to_data()
        .says(std::string("a\0b\r\n.\r\n", 8))
        .drops()
        .content(std::string("a\0b\r\n", 5))
        .gets("550 5.6.0 Message has a NUL octet\r\n")
        .says("NOOP\r\n")
        .gets("250 2.0.0 Ok\r\n")
        .run();
}

// Each looks like an end of data to some server and is none: all is content up to CRLF.CRLF, then refused
// (CVE-2023-51764).
TEST(ServerSession, NoSmuggling_SMTP_5_SMTP_36) {
    const std::string kLf = "550 5.5.2 Message has a bare LF; lines must end in CRLF\r\n";
    const std::string kCr = "550 5.5.2 Message has a bare CR; lines must end in CRLF\r\n";
    const struct {
        std::string end;
        std::string decoded;  // the first dot after a true CRLF goes (RFC 5321 s4.5.2)
        std::string reply;
    } kForms[] = {
        {"\n.\n", "\n.\n", kLf},     {"\n.\r\n", "\n.\r\n", kLf},         {"\r.\r", "\r.\r", kCr},
        {"\r.\r\n", "\r.\r\n", kCr}, {"\r\n.\n", "\r\n\n", kLf},          {"\r\n.\r", "\r\n\r", kCr},
        {"\n.\r", "\n.\r", kLf},     {"\r\n\r.\r\n", "\r\n\r.\r\n", kCr}, {"\r\n.\r\r\n", "\r\n\r\r\n", kCr},
    };
    for (const auto& form : kForms) {
        SCOPED_TRACE(::testing::PrintToString(form.end));
        const std::string smuggled = "MAIL FROM:<x@example.org>\r\nRCPT TO:<y@example.net>\r\nDATA\r\n";
        ServerScript()
            .up_to_data()
            .says("Hello" + form.end + smuggled + ".\r\nRSET\r\n")
            .drops()
            .content("Hello" + form.decoded + smuggled)
            .gets(form.reply)
            .closes(SessionEnd::bare_line_ends)
            .run();
    }
}

TEST(ServerSession, DotsAreUnstuffed_SMTP_6) {
    ServerScript()
        .up_to_data()
        .says("..\r\n.a\r\na.\r\n...\r\n.\r\n")
        .stores("1")
        .content(".\r\na\r\na.\r\n..\r\n")
        .gets("250 2.0.0 Ok: queued as 1\r\n")
        .run();
}

TEST(ServerSession, BareLfInACommandEndsTheSession_SMTP_5) {
    ServerScript()
        .says("EHLO c\nMAIL FROM:<a@example.org>\r\n")
        .gets("500 5.5.2 Lines must end in CRLF\r\n")
        .closes(SessionEnd::bare_line_ends)
        .run();
}

// Cross-protocol attack: what a browser posts is not read as commands (RFC 9112 s3).
TEST(ServerSession, AnHttpRequestEndsTheSession) {
    for (const std::string request : {"GET / HTTP/1.1", "POST /a HTTP/1.0", "PRI * HTTP/2.0", "CONNECT mx.example.org:25 HTTP/1.1"}) {
        ServerScript()
            .says(request + "\r\nHost: x\r\n\r\nEHLO c\r\nMAIL FROM:<a@example.org>\r\n")
            .gets("500 5.5.1 Command not recognized\r\n")
            .closes(SessionEnd::other_protocol)
            .run();
    }
    ServerScript().says("GET / \r\n").gets("500 5.5.1 Command not recognized\r\n").says("EHLO HTTP/1.1\r\n")
        .gets("501 5.5.4 Syntax: EHLO hostname\r\n").run();
}

TEST(ServerSession, ControlCharactersInACommand_SMTP_37) {
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<a@example.org>\rRCPT TO:<b@example.net>\r\n")
        .gets("501 5.5.2 Control character in a command\r\n")
        .says(std::string("MAIL FROM:<a\0@example.org>\r\n", 28))
        .gets("501 5.5.2 Control character in a command\r\n")
        .run();
}

TEST(ServerSession, LineLimits_SMTP_2) {
    const std::string fits(2048 - 2 - 5, 'x');
    ServerScript()
        .says("NOOP " + fits + "\r\n")
        .gets("250 2.0.0 Ok\r\n")
        .says("NOOP " + fits + "x\r\nNOOP\r\n")
        .gets("500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n")
        .says(std::string(100000, 'A') + "\r\n")
        .gets("500 5.5.2 Line too long\r\n")
        .run();
}

// A stranger's 16 KiB of short commands must not make 360 KiB of answers that he never reads.
TEST(ServerSession, GatheredRepliesAreBounded) {
    ServerSession session(facts());
    (void)session.start();
    std::string commands;
    for (int i = 0; i < 2000; ++i) commands += "EHLO a\r\n";
    std::size_t answers = 0, writes = 0;
    for (auto action = session.on_bytes(commands);; action = session.on_written()) {
        EXPECT_LT(action.output.size(), ServerSession::kMaxGathered + 512);
        for (auto at = action.output.find("\r\n250 "); at != std::string::npos;
             at = action.output.find("\r\n250 ", at + 1))
            ++answers;
        if (action.kind == ServerAction::Kind::read) break;
        ASSERT_EQ(to_string(action.kind), "write");
        ++writes;
    }
    EXPECT_EQ(answers, 2000U);
    EXPECT_GT(writes, 10U);
}

// RFC 3207 s6, also where the group is longer than what is answered at once.
TEST(ServerSession, BytesAfterStarttlsAreSeenBehindManyReplies) {
    ServerFacts offering = facts();
    offering.tls = SessionTls::starttls;
    ServerSession session(offering);
    (void)session.start();
    std::string commands;
    for (int i = 0; i < 100; ++i) commands += "EHLO a\r\n";
    auto action = session.on_bytes(commands + "STARTTLS\r\nNOOP\r\n");
    while (action.kind == ServerAction::Kind::write) action = session.on_written();
    EXPECT_EQ(to_string(action.kind), "close");
    EXPECT_EQ(to_string(session.end()), "bytes_after_starttls");
}

TEST(ServerSession, TooManyErrors_SMTP_19) {
    ServerFacts strict = facts();
    strict.limits.max_errors = 3;
    ServerSession session(strict);
    (void)session.start();
    const auto action = session.on_bytes("FOO\r\nFOO\r\nFOO\r\nNOOP\r\n");
    const std::string unknown = "500 5.5.1 Command not recognized\r\n";
    EXPECT_EQ(action.output, unknown + unknown + unknown + kClosing);
    EXPECT_EQ(to_string(action.kind), "close");
}

TEST(ServerSession, StoredMailForgivesErrors) {
    ServerFacts strict = facts();
    strict.limits.max_errors = 2;
    ServerScript(strict)
        .says("FOO\r\n")
        .gets("500 5.5.1 Command not recognized\r\n")
        .up_to_data()
        .says(kMessage + ".\r\n")
        .stores("1")
        .content(kMessage)
        .gets("250 2.0.0 Ok: queued as 1\r\n")
        .says("FOO\r\n")
        .gets("500 5.5.1 Command not recognized\r\n")
        .says("FOO\r\n")
        .gets("500 5.5.1 Command not recognized\r\n" + kClosing)
        .closes(SessionEnd::too_many_errors)
        .run();
}

// --- rights ---

TEST(ServerSession, StrangersDoNotRelay_SUB_1) {
    ServerFacts stranger = facts();
    stranger.trusted = false;
    ServerScript(stranger).ehlo().says("MAIL FROM:<>\r\n").gets("550 5.7.1 Relaying denied\r\n").run();

    ServerFacts optional = login_facts();
    optional.auth = SessionAuth::optional;
    ServerScript(optional)
        .says("EHLO c\r\n")
        .gets(kLoginEhlo)
        .says("MAIL FROM:<>\r\n")
        .gets("530 5.7.0 Authentication required\r\n")
        .run();

    optional.trusted = true;
    ServerScript(optional)
        .says("EHLO c\r\n")
        .gets(kLoginEhlo)
        .says("MAIL FROM:<>\r\n")
        .accepts(Kind::check_mail)
        .gets("250 2.1.0 Ok\r\n")
        .run();
}

TEST(ServerSession, RequiredMeansRequired_AUTH_5) {
    ServerFacts trusted = login_facts();
    trusted.trusted = true;
    const std::string denied = "530 5.7.0 Authentication required\r\n";
    ServerScript(trusted)
        .says("EHLO c\r\n")
        .gets(kLoginEhlo)
        .says("MAIL FROM:<>\r\nVRFY x\r\nHELP\r\nNOOP\r\nRSET\r\n")
        .gets(denied + denied + denied + "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n")
        .run();
}

TEST(ServerSession, NoAuthInTheClear_AUTH_3_TLS_3) {
    const std::string first = "530 5.7.0 Must issue a STARTTLS command first\r\n";
    ServerScript(submission_facts())
        .says("EHLO c\r\n")
        .gets(
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE "
            "36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n"
            "250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n")
        .says("AUTH PLAIN dXNlcg==\r\nMAIL FROM:<a@example.org>\r\n")
        .gets(first + first)
        .run();
}

TEST(ServerSession, AuthWithoutTlsWhereConfigured_AUTH_3) {
    ServerFacts local = submission_facts();
    local.tls = SessionTls::none;
    local.auth_without_tls = true;
    ServerScript(local)
        .says("EHLO c\r\n")
        .gets(kLoginEhlo)
        .says("AUTH PLAIN " + base64_encode("response") + "\r\n")
        .sasl({"PLAIN", true, "response"}, SaslAnswer::accepted("u"))
        .gets("235 2.7.0 Authentication successful\r\n")
        .run();
}

// --- STARTTLS ---

TEST(ServerSession, StartTlsForgetsEverything_TLS_1) {
    ServerFacts facts = submission_facts();
    facts.auth = SessionAuth::optional;
    facts.trusted = true;
    ServerScript script(facts);
    script.says("EHLO clear.example\r\nMAIL FROM:<a@example.org>\r\n")
        .accepts(Kind::check_mail)
        .gets(
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE "
            "36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n"
            "250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n250 2.1.0 Ok\r\n")
        .says("STARTTLS\r\n")
        .asks(Kind::start_tls,
              [](ServerSession& s) {
                  auto action = s.on_tls(TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256"));
                  EXPECT_EQ(s.helo(), "");
                  EXPECT_TRUE(s.secure());
                  EXPECT_EQ(s.tls()->version, "TLSv1.3");
                  EXPECT_TRUE(s.envelope().reverse_path.empty());
                  return action;
              })
        .gets("220 2.0.0 Ready to start TLS\r\n")
        .says("RCPT TO:<b@example.net>\r\n")
        .gets("503 5.5.1 Bad sequence of commands: send EHLO first\r\n")
        .says("EHLO tls.example\r\n")
        .gets(kLoginEhlo)
        .says("STARTTLS\r\n")
        .gets("503 5.5.1 TLS is already active\r\n")
        .run();
}

TEST(ServerSession, StartTlsTakesNoArgument_RFC3207_s4) {
    ServerSession session(submission_facts());
    (void)session.start();
    (void)session.on_bytes("EHLO c\r\n");
    EXPECT_EQ(session.on_bytes("STARTTLS now\r\n").output, "501 5.5.4 STARTTLS takes no parameters\r\n");
}

TEST(ServerSession, BytesAfterStartTlsEndTheSession_SMTP_37) {
    for (const char* more : {"RSET\r\n", "X", "\x16\x03\x01"}) {
        ServerScript(submission_facts())
            .says("EHLO c\r\n")
            .gets(
                "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE "
                "36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n"
                "250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n")
            .says(std::string("STARTTLS\r\n") + more)
            .gets("554 5.5.0 Bytes after STARTTLS, closing the connection\r\n")
            .closes(SessionEnd::bytes_after_starttls)
            .run_whole_only();
    }
}

// Also when the bytes had to wait for the answer to an earlier command of the group.
TEST(ServerSession, BytesAfterStartTlsBehindAQuestion_SMTP_37) {
    ServerFacts facts = submission_facts();
    facts.auth = SessionAuth::none;
    facts.trusted = true;
    ServerSession session(facts);
    (void)session.start();
    (void)session.on_bytes("EHLO c\r\n");
    auto action = session.on_bytes("MAIL FROM:<a@example.org>\r\nSTARTTLS\r\nRSET\r\n");
    ASSERT_EQ(to_string(action.kind), "check_mail");
    action = session.on_verdict(Verdict::accept());
    EXPECT_EQ(to_string(action.kind), "close");
    EXPECT_EQ(to_string(session.end()), "bytes_after_starttls");
}

TEST(ServerSession, ProtocolNames_SMTP_13) {
    const struct {
        SessionTls tls;
        bool utf8;
        const char* name;
    } kTable[] = {{SessionTls::none, false, "ESMTP"},
                  {SessionTls::active, false, "ESMTPS"},
                  {SessionTls::none, true, "UTF8SMTP"},
                  {SessionTls::active, true, "UTF8SMTPS"}};
    for (const auto& row : kTable) {
        ServerFacts some = facts();
        some.tls = row.tls;
        ServerSession session(some);
        (void)session.start();
        (void)session.on_bytes("EHLO c\r\n");
        (void)session.on_bytes(row.utf8 ? "MAIL FROM:<a@example.org> SMTPUTF8\r\n"
                                        : "MAIL FROM:<a@example.org>\r\n");
        (void)session.on_verdict(Verdict::accept());
        EXPECT_EQ(session.with_protocol(), row.name);
    }
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
