// BDAT in the server's dialogue: chunks, their order, their limits, and what must never be taken for commands
// (RFC 3030, EXT-6).
#include "server_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

const std::string kBadOrder = "503 5.5.1 Bad sequence of commands\r\n";
const std::string kNoop = "250 2.0.0 Ok\r\n";

ServerScript ready(ServerFacts facts = test::facts()) {
    ServerScript script(std::move(facts));
    script.up_to_rcpt();
    return script;
}

TEST(ServerChunks, OneChunk_EXT_6) {
    ready()
        .says("BDAT 7 LAST\r\nHello\r\nQUIT\r\n")
        .accepts(Kind::begin_data)
        .stores("1")
        .content("Hello\r\n")
        .gets("250 2.0.0 Ok: queued as 1\r\n221 2.0.0 mx.example.org Goodbye\r\n")
        .closes(SessionEnd::quit)
        .run();
}

// RFC 3030 s4.2: an empty last chunk; a line end cut in two; blanks as they come.
TEST(ServerChunks, ManyChunks_EXT_6) {
    ready()
        .says("BDAT 3\r\nab\r")
        .accepts(Kind::begin_data)
        .gets("250 2.0.0 3 octets received\r\n")
        .says("bdat  4 \r\n\ncd\r")
        .gets("250 2.0.0 4 octets received\r\n")
        .says("NOOP\r\nBDAT 1\r\n\nBDAT 0\r\n")
        .gets(kNoop + "250 2.0.0 1 octets received\r\n250 2.0.0 0 octets received\r\n")
        .says("BDAT 00 last\r\nNOOP\r\n")
        .stores("1")
        .content("ab\r\ncd\r\n")
        .gets("250 2.0.0 Ok: queued as 1\r\n" + kNoop)
        .run();
}

TEST(ServerChunks, PipelinedFromMailOn_EXT_4) {
    const std::string mail =
        "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 4\r\nab\r\nBDAT 4 LAST\r\ncd\r\n";
    ServerScript script;
    script.ehlo().says(mail + mail + "NOOP\r\n");
    for (const char* id : {"1", "2"})
        script.accepts(Kind::check_mail)
            .accepts(Kind::check_recipient)
            .accepts(Kind::begin_data)
            .stores(id)
            .content("ab\r\ncd\r\n");
    const std::string replies = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 4 octets received\r\n";
    script.gets(replies + "250 2.0.0 Ok: queued as 1\r\n" + replies + "250 2.0.0 Ok: queued as 2\r\n" + kNoop)
        .run();
}

// Dots mean nothing in a chunk, and the message gets the CRLF that it does not end with.
TEST(ServerChunks, NoDotsAndALineEnd_EXT_6) {
    ready()
        .says("BDAT 12 LAST\r\n.\r\n..\r\n.\r\n.x")
        .accepts(Kind::begin_data)
        .stores("1")
        .content(".\r\n..\r\n.\r\n.x\r\n")
        .gets("250 2.0.0 Ok: queued as 1\r\n")
        .run();
    ready()
        .says("BDAT 0 LAST\r\n")
        .accepts(Kind::begin_data)
        .stores("1")
        .content("")
        .gets("250 2.0.0 Ok: queued as 1\r\n")
        .run();
}

TEST(ServerChunks, NotMixedWithData_EXT_6) {
    ready()
        .says("BDAT 4\r\nab\r\nDATA\r\nRCPT TO:<c@example.net>\r\nMAIL FROM:<>\r\nAUTH PLAIN\r\nSTARTTLS\r\n")
        .accepts(Kind::begin_data)
        .gets("250 2.0.0 4 octets received\r\n" + kBadOrder + kBadOrder + kBadOrder + kBadOrder + kBadOrder)
        .says("BDAT 0 LAST\r\n")
        .stores("1")
        .content("ab\r\n")
        .gets("250 2.0.0 Ok: queued as 1\r\n")
        .run();
}

// The chunk of a refused BDAT is read and forgotten, though it looks like commands.
TEST(ServerChunks, RefusedChunksAreSwallowed_EXT_6) {
    const std::string chunk = "BDAT 12\r\nQUIT\r\nQUIT\r\n";
    ServerScript()
        .says(chunk + "NOOP\r\n")
        .gets("503 5.5.1 Bad sequence of commands: send EHLO first\r\n" + kNoop)
        .ehlo()
        .says(chunk + "NOOP\r\n")
        .gets(kBadOrder + kNoop)
        .says("MAIL FROM:<a@example.org>\r\n" + chunk + "RCPT TO:<b@example.net>\r\n")
        .accepts(Kind::check_mail)
        .gets("250 2.1.0 Ok\r\n503 5.5.1 No valid recipients\r\n" + kBadOrder)
        .run();
    ServerFacts required = submission_facts();
    required.tls = SessionTls::none;
    ServerScript(required)
        .ehlo()
        .says(chunk + "NOOP\r\n")
        .gets("530 5.7.0 Authentication required\r\n" + kNoop)
        .run();
}

// Had the second chunk been taken for the first one, half a message would go out.
TEST(ServerChunks, ARefusedChunkEndsTheTransaction_EXT_6) {
    ready()
        .says("BDAT 4\r\nab\r\nBDAT 4\r\ncd\r\nBDAT 4 LAST\r\nef\r\nNOOP\r\n")
        .refuses(Kind::begin_data, make_reply(452, "4.3.1", "Busy"))
        .content("")
        .gets("452 4.3.1 Busy\r\n" + kBadOrder + kBadOrder + kNoop)
        .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 4 LAST\r\ngh\r\n")
        .accepts(Kind::check_mail)
        .accepts(Kind::check_recipient)
        .accepts(Kind::begin_data)
        .stores("1")
        .content("gh\r\n")
        .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok: queued as 1\r\n")
        .run();
}

// A hundred chunks sent before the refusal was read are no hundred errors.
TEST(ServerChunks, ChunksBehindARefusedOneAreNoErrors_EXT_6) {
    ServerScript script = ready();
    std::string chunks = "BDAT 4\r\na\n\r\n";
    std::string replies = "550 5.5.2 Message has a bare LF; lines must end in CRLF\r\n";
    for (int i = 0; i < 100; ++i) {
        chunks += "BDAT 4\r\nab\r\n";
        replies += kBadOrder;
    }
    script.says(chunks)
        .accepts(Kind::begin_data)
        .drops()
        .content("a\n\r\n")
        .gets(replies)
        .says("BDAT 4 LAST\r\nab\r\n")  // and with the last one that is over
        .gets(kBadOrder)
        .asks(Kind::read,
              [](ServerSession& s) {
                  EXPECT_EQ(s.errors(), 0U);
                  return ServerAction(Kind::read);
              })
        .says("BDAT 4\r\nab\r\n")
        .gets(kBadOrder)
        .asks(Kind::read,
              [](ServerSession& s) {
                  EXPECT_EQ(s.errors(), 1U);
                  return ServerAction(Kind::read);
              })
        .run();
}

// The same law as for DATA, but the session goes on: there is no doubt where the message ends.
TEST(ServerChunks, BareLineEndsAndNul_SMTP_5_SMTP_36_SUB_16) {
    const std::string lf = "550 5.5.2 Message has a bare LF; lines must end in CRLF\r\n";
    const std::string cr = "550 5.5.2 Message has a bare CR; lines must end in CRLF\r\n";
    const struct {
        std::string content, reply;
    } kTable[] = {
        {"a\nb\r\n", lf},
        {"a\rb\r\n", cr},
        {"a\r\n.\nMAIL FROM:<x@example.org>\r\n", lf},
        {"a\n.\r\nMAIL FROM:<x@example.org>\r\n", lf},
        {"a\r\n\r.\r\n", cr},
        {"a\r", cr},
        {std::string("a\0\r\n", 4), "550 5.6.0 Message has a NUL octet\r\n"},
    };
    for (const auto& row : kTable) {
        SCOPED_TRACE(row.content);
        ready()
            .says("BDAT " + std::to_string(row.content.size()) + " LAST\r\n" + row.content + "NOOP\r\n")
            .accepts(Kind::begin_data)
            .drops()
            .gets(row.reply + kNoop)
            .content(row.content + (row.content.ends_with("\n") ? "" : "\r\n"))
            .run();
    }
}

TEST(ServerChunks, SizeIsKnownBeforehand_EXT_5) {
    ServerFacts small = facts();
    small.limits.max_message_size = 10;
    const std::string reply = "552 5.3.4 Message is larger than the limit of 10 octets\r\n";
    ready(small)  // at once
        .says("BDAT 11 LAST\r\n123456789\r\nNOOP\r\n")
        .content("")
        .gets(reply + kNoop)
        .run();
    ready(small)  // by a later chunk
        .says("BDAT 6\r\n1234\r\nBDAT 5 LAST\r\n789\r\nNOOP\r\n")
        .accepts(Kind::begin_data)
        .drops()
        .content("1234\r\n")
        .gets("250 2.0.0 6 octets received\r\n" + reply + kNoop)
        .run();
    ready(small)  // by one whose sum overflows
        .says("BDAT 6\r\n1234\r\nBDAT 18446744073709551612\r\n")
        .accepts(Kind::begin_data)
        .content("1234\r\n")
        .gets("250 2.0.0 6 octets received\r\n552 5.3.4 No chunk is that large\r\n")
        .closes(SessionEnd::unknown_chunk)
        .run();
    ready(small)  // exactly
        .says("BDAT 6\r\n1234\r\nBDAT 4 LAST\r\n78\r\nNOOP\r\n")
        .accepts(Kind::begin_data)
        .stores("1")
        .content("1234\r\n78\r\n")
        .gets("250 2.0.0 6 octets received\r\n250 2.0.0 Ok: queued as 1\r\n" + kNoop)
        .run();
}

// Whatever follows may be a message: it must not be looked at for commands.
TEST(ServerChunks, NoSmugglingBehindABadSize_SMTP_36) {
    const std::string unknown = "501 5.5.4 Syntax: BDAT octets [LAST]; the end of the chunk is unknown\r\n";
    const struct {
        std::string command, reply;
    } kTable[] = {
        {"BDAT", unknown},
        {"BDAT LAST", unknown},
        {"BDAT -1 LAST", unknown},
        {"BDAT +1 LAST", unknown},
        {"BDAT 0x10 LAST", unknown},
        {"BDAT 10 LAS", unknown},
        {"BDAT 10 LAST LAST", unknown},
        {"BDAT 10LAST", unknown},
        {"BDAT 10\tLAST", unknown},
        {"BDAT 1 0", unknown},
        {std::string("BDAT 1\0", 7), unknown},
        {"BDAT 10 LAST\r", unknown},
        {"BDAT 99999999999999999999999999 LAST", "552 5.3.4 No chunk is that large\r\n"},
        {"BDAT 18446744073709551616", "552 5.3.4 No chunk is that large\r\n"},
        {"BDAT 1" + std::string(3000, ' '), "500 5.5.2 Line too long; the end of the chunk is unknown\r\n"},
        {" bdat " + std::string(3000, '0') + "1",
         "500 5.5.2 Line too long; the end of the chunk is unknown\r\n"},
    };
    for (const auto& row : kTable) {
        SCOPED_TRACE(row.command);
        ready()
            .says(row.command + "\r\nRSET\r\nMAIL FROM:<evil@example.org>\r\n")
            .gets(row.reply)
            .closes(SessionEnd::unknown_chunk)
            .run();
    }
}

// What came of the message is let go of at once, not when the next one begins.
TEST(ServerChunks, RsetBetweenChunksDiscards_EXT_6) {
    for (const std::string& command : {std::string("RSET"), std::string("HELO c.example")}) {
        const std::string reply = command == "RSET" ? kNoop : "250 mx.example.org\r\n";
        ready()
            .says("BDAT 4\r\nab\r\n" + command + "\r\nNOOP\r\n")
            .accepts(Kind::begin_data)
            .abandons()
            .content("ab\r\n")
            .gets("250 2.0.0 4 octets received\r\n" + reply + kNoop)
            .says("BDAT 4 LAST\r\ncd\r\n")
            .content("")
            .gets(kBadOrder)
            .run();
    }
    ready()
        .says("BDAT 4\r\nab\r\nQUIT\r\n")
        .accepts(Kind::begin_data)
        .gets("250 2.0.0 4 octets received\r\n221 2.0.0 mx.example.org Goodbye\r\n")
        .closes(SessionEnd::quit)
        .run();
}

TEST(ServerChunks, StoreRefusesAndTheSessionGoesOn_SMTP_11) {
    ready()
        .says("BDAT 4 LAST\r\nab\r\nBDAT 4 LAST\r\nab\r\n")
        .accepts(Kind::begin_data)
        .asks(Kind::store, [](ServerSession& s) { return s.on_stored(StoreResult::temporary("Full")); })
        .gets("451 4.3.0 Full\r\n" + kBadOrder)
        .content("ab\r\n")
        .run();
}

TEST(ServerChunks, WhatIsUnderWayAndWhatIsNot) {
    ServerSession session(facts());
    (void)session.start();
    (void)session.on_bytes("EHLO c\r\nBDAT 5\r\n");
    EXPECT_FALSE(session.in_data()) << "a refused chunk is nobody's message";
    (void)session.on_bytes("12345MAIL FROM:<a@example.org>\r\n");
    (void)session.on_verdict(Verdict::accept());
    (void)session.on_bytes("RCPT TO:<b@example.net>\r\n");
    (void)session.on_verdict(Verdict::accept());
    (void)session.on_bytes("BDAT 4\r\n");
    (void)session.on_verdict(Verdict::accept());
    EXPECT_TRUE(session.in_data());
    (void)session.on_bytes("ab\r\n");
    EXPECT_TRUE(session.in_data()) << "between two chunks";
}

// RFC 8689 s3: REQUIRETLS is offered and known under TLS only.
TEST(ServerRequireTls, OnlyUnderTls_EXT_13) {
    ServerFacts facts = test::facts();
    facts.tls = SessionTls::starttls;
    facts.require_tls = true;
    const auto ehlo = [](const std::string& extra) {
        return "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
               "250-DSN\r\n250-CHUNKING\r\n" +
               extra + "250 ENHANCEDSTATUSCODES\r\n";
    };
    ServerScript script(facts);
    script.says("EHLO c\r\nMAIL FROM:<a@example.org> REQUIRETLS\r\n")
        .gets(ehlo("250-STARTTLS\r\n") + "555 5.5.4 Parameter not recognized or not implemented\r\n")
        .says("STARTTLS\r\n")
        .handshakes()
        .gets("220 2.0.0 Ready to start TLS\r\n")
        .says("EHLO c\r\nMAIL FROM:<a@example.org> REQUIRETLS=yes\r\n")
        .gets(ehlo("250-REQUIRETLS\r\n") + "501 5.5.4 REQUIRETLS takes no value\r\n")
        .says("MAIL FROM:<a@example.org> REQUIRETLS\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        .accepts(Kind::check_mail)
        .accepts(Kind::check_recipient)
        .asks(Kind::begin_data,
              [](ServerSession& s) {
                  EXPECT_TRUE(s.envelope().require_tls);
                  return s.on_verdict(Verdict::accept());
              })
        .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")
        .run();
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
