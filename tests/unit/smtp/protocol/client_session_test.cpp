// The client's dialogue: opening, TLS, pipelined and single-step transactions, and what becomes of each
// recipient.
#include "client_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

const std::string kMail = "MAIL FROM:<a@example.org>\r\n";
const std::string kRcpt = "RCPT TO:<b@example.net>\r\n";
const std::string kRcptC = "RCPT TO:<c@example.net>\r\n";
const std::string kOk = "250 2.0.0 Ok\r\n";
const std::string kGo = "354 go\r\n";

ClientScript piped() {
    return ClientScript().greeted({"PIPELINING"});
}

// EXT-2, RFC 2920 s3.1: DATA is the last of its group. SMTP-12: QUIT, and its answer awaited.
TEST(ClientSession, TwoRoundTripsForAMessage) {
    piped()
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + kGo)
        .sends_message()
        .peer("250 2.0.0 queued as 1\r\n")
        .ready()
        .results({"end_of_data delivered 250 2.0.0 queued as 1"})
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + kGo)
        .sends_message()
        .peer("250 2.0.0 queued as 2\r\n")
        .ready()
        .results({"end_of_data delivered 250 2.0.0 queued as 2"})
        .checks([](const ClientSession& s) { EXPECT_EQ(s.transactions(), 2U); })
        .quits()
        .sends("QUIT\r\n")
        .peer("221 2.0.0 bye\r\n")
        .closes()
        .run();
}

TEST(ClientSession, OneByOneWithoutPipelining_RFC2920) {
    ClientScript()
        .greeted({"8BITMIME"})
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail)
        .peer(kOk)
        .sends(kRcpt)
        .peer("550 5.1.1 no\r\n")
        .sends(kRcptC)
        .peer(kOk)
        .sends("DATA\r\n")
        .peer(kGo)
        .sends_message()
        .peer(kOk)
        .ready()
        .results({"rcpt refused 550 5.1.1 no", "end_of_data delivered 250 2.0.0 Ok"})
        .run();
}

TEST(ClientSession, OneByOneStopsWhenNobodyIsLeft_SMTP_12) {
    ClientScript()
        .greeted({"8BITMIME"})
        .begins(letter())
        .sends(kMail)
        .peer(kOk)
        .sends(kRcpt)
        .peer("450 4.2.1 later\r\n")
        .ready()
        .results({"rcpt refused 450 4.2.1 later"})
        .begins(letter())
        .sends("RSET\r\n")
        .peer(kOk)
        .sends(kMail)
        .peer("451 4.3.0 no\r\n")
        .ready()
        .results({"mail refused 451 4.3.0 no"})
        .run();
}

// --- opening ---

TEST(ClientSession, GreetingRefused_SMTP_4_SMTP_29) {
    for (const char* greeting :
         {"554 5.7.1 go away\r\n", "521 no mail here\r\n", "421 4.3.2 later\r\n", "450 x\r\n"}) {
        ClientScript()
            .peer(greeting)
            .closes()
            .checks([greeting](const ClientSession& s) {
                ASSERT_TRUE(s.failure());
                EXPECT_EQ(s.failure()->stage, Stage::greeting);
                EXPECT_EQ(s.failure()->reply.joined() + "\r\n", greeting);
            })
            .run();
    }
}

TEST(ClientSession, HeloAfterEhloRefused_SMTP_3) {
    for (const char* no : {"500", "501", "502", "504", "550", "554", "599"}) {
        ClientScript()
            .peer("220 x\r\n")
            .sends("EHLO out.example.org\r\n")
            .peer(std::string(no) + " what?\r\n")
            .sends("HELO out.example.org\r\n")
            .peer("250 x\r\n")
            .ready()
            .checks([](const ClientSession& s) { EXPECT_FALSE(s.extensions().esmtp); })
            .run();
    }
    for (const char* no : {"421", "451", "521"}) {
        ClientScript()
            .peer("220 x\r\n")
            .sends("EHLO out.example.org\r\n")
            .peer(std::string(no) + " no\r\n")
            .closes()
            .checks([](const ClientSession& s) { EXPECT_EQ(s.failure()->stage, Stage::ehlo); })
            .run();
    }
    ClientScript()
        .peer("220 x\r\n")
        .sends("EHLO out.example.org\r\n")
        .peer("502 a\r\n")
        .sends("HELO out.example.org\r\n")
        .peer("554 b\r\n")
        .closes()
        .checks([](const ClientSession& s) { EXPECT_EQ(s.failure()->stage, Stage::helo); })
        .run();
}

TEST(ClientSession, NoReplyAtAll) {
    ClientScript()
        .peer("SSH-2.0-OpenSSH\r\n")
        .closes()
        .checks([](const ClientSession& s) {
            EXPECT_EQ(s.failure()->reply.joined(),
                      "4.5.0 the peer sent what is no SMTP reply while waiting for the greeting");
        })
        .run();
}

ClientScript offered_tls(TlsUse use) {
    ClientOptions options = client_options();
    options.tls = use;
    return ClientScript(options)
        .peer("220 x\r\n")
        .sends("EHLO out.example.org\r\n")
        .peer("250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 10\r\n250 STARTTLS\r\n");
}

TEST(ClientSession, StartTlsAndEhloAgain_TLS_1_EXT_2) {
    offered_tls(TlsUse::opportunistic)
        .sends("STARTTLS\r\n")
        .peer("220 2.0.0 go\r\n")
        .handshakes()
        .sends("EHLO out.example.org\r\n")
        .checks([](const ClientSession& s) {
            EXPECT_EQ(s.extensions(), Extensions{}) << "forgotten with the clear";
        })
        .peer("250-mx.example.net\r\n250-8BITMIME\r\n250 STARTTLS\r\n")
        .ready()
        .checks([](const ClientSession& s) {
            EXPECT_TRUE(s.secure());
            EXPECT_EQ(s.tls_version(), "TLSv1.3");
            EXPECT_TRUE(s.extensions().eight_bit_mime);
            EXPECT_FALSE(s.extensions().pipelining);
        })
        .begins(letter())
        .sends(kMail)
        .run();
}

TEST(ClientSession, OpportunisticGoesOnInTheClear_TLS_2) {
    for (const char* no : {"454 4.7.0 no certificate", "502 5.5.1 no", "554 5.7.3 no"}) {
        offered_tls(TlsUse::opportunistic)
            .sends("STARTTLS\r\n")
            .peer(std::string(no) + "\r\n")
            .ready()
            .checks([no](const ClientSession& s) {
                EXPECT_FALSE(s.secure());
                EXPECT_EQ(s.tls_refusal().joined(), no);
                EXPECT_TRUE(s.extensions().pipelining);
            })
            .run();
    }
    offered_tls(TlsUse::never).ready().run();
    ClientScript()
        .greeted({"PIPELINING"})
        .checks([](const ClientSession& s) { EXPECT_EQ(s.tls_refusal().code, 0); })
        .run();
}

TEST(ClientSession, RequiredTlsIsRequired) {
    offered_tls(TlsUse::required)
        .sends("STARTTLS\r\n")
        .peer("454 4.7.0 no\r\n")
        .closes()
        .checks([](const ClientSession& s) {
            EXPECT_EQ(s.failure()->stage, Stage::starttls);
            EXPECT_EQ(s.failure()->reply.code, 454);
            EXPECT_FALSE(s.failure()->local);
        })
        .run();
    ClientOptions required = client_options();
    required.tls = TlsUse::required;
    for (const char* ehlo : {"250 mx.example.net\r\n", "502 what?\r\n"}) {
        ClientScript script(required);
        script.peer("220 x\r\n").sends("EHLO out.example.org\r\n").peer(ehlo);
        script.closes()
            .checks([ehlo](const ClientSession& s) {
                EXPECT_TRUE(s.failure()->local);
                EXPECT_EQ(s.failure()->stage, Stage::starttls);
                EXPECT_EQ(s.failure()->reply.joined(),
                          ehlo[0] == '2' ? "4.7.10 TLS is required, and the server does not offer STARTTLS"
                                         : "4.7.10 TLS is required, and the server does not know EHLO: 502 what?");
            })
            .run();
    }
}

// CVE-2011-0411 from the other side: what a man in the middle appends to the 220 is never read as if TLS had
// brought it.
TEST(ClientSession, BytesAfterThe220AreAnInjection_SMTP_37) {
    for (TlsUse use : {TlsUse::opportunistic, TlsUse::required}) {
        offered_tls(use)
            .sends("STARTTLS\r\n")
            .peer("220 go\r\n250 mx.example.net\r\n")
            .closes()
            .checks([](const ClientSession& s) {
                EXPECT_EQ(s.failure()->stage, Stage::starttls);
                EXPECT_EQ(s.failure()->reply.code, 0);
            })
            .run_whole_only();
    }
}

TEST(ClientSession, RepliesBeforeTheirCommands) {
    ClientScript().peer("220 x\r\n250 mx\r\n").closes().run_whole_only();
    ClientScript()
        .greeted({"8BITMIME"})
        .begins(letter())
        .sends(kMail)
        .peer(kOk + kOk)
        .closes()
        .run_whole_only();
    piped()
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + kGo + "250 2.0.0 stored, really\r\n")
        .closes()
        .results({"data refused 4.5.0 the peer sent more than it was asked for during DATA"})
        .run_whole_only();
    // A goodbye behind the last reply takes nothing back.
    piped()
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + kGo)
        .sends_message()
        .peer(kOk + "421 4.3.2 bye\r\n")
        .closes()
        .results({"end_of_data delivered 250 2.0.0 Ok"})
        .run_whole_only();
}

// --- refusals ---

TEST(ClientSession, MailRefused_EXT_1) {
    piped()
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt + kRcptC + "DATA\r\n")
        .peer("550 5.7.1 not you\r\n503 5.5.1 x\r\n503 5.5.1 x\r\n503 5.5.1 x\r\n")
        .ready()
        .results({"mail refused 550 5.7.1 not you", "mail refused 550 5.7.1 not you"})
        .begins(letter())
        .sends("RSET\r\n" + kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + kOk + kGo)
        .sends_message()
        .peer(kOk)
        .ready()
        .results({"end_of_data delivered 250 2.0.0 Ok"})
        .run();
}

// RFC 2920 s3.1: 354 though nobody is left. A lone dot, and nobody cares what it answers.
TEST(ClientSession, LoneDot_EXT_1) {
    for (const char* answer : {"554 5.5.1 no recipients\r\n", "250 2.0.0 stored\r\n"}) {
        piped()
            .begins(letter())
            .sends(kMail + kRcpt + "DATA\r\n")
            .peer(kOk + "550 5.1.1 no\r\n" + kGo)
            .sends(".\r\n")
            .peer(answer)
            .ready()
            .results({"rcpt refused 550 5.1.1 no"})
            .begins(letter())
            .sends(kMail + kRcpt + "DATA\r\n")
            .run();
    }
    piped()
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer("451 4.3.0 no\r\n503 x\r\n" + kGo)
        .sends(".\r\n")
        .peer("554 x\r\n")
        .ready()
        .results({"mail refused 451 4.3.0 no"})
        .run();
}

TEST(ClientSession, SomeRecipientsRefused_SMTP_34) {
    piped()
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt + kRcptC + "DATA\r\n")
        .peer(kOk + "450 4.2.1 later\r\n" + kOk + kGo)
        .sends_message()
        .peer("451 4.3.0 disk\r\n")
        .ready()
        .results({"rcpt refused 450 4.2.1 later", "end_of_data refused 451 4.3.0 disk"})
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .run();
}

TEST(ClientSession, DataRefused) {
    piped()
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + "451 4.7.1 greylisted\r\n")
        .ready()
        .results({"data refused 451 4.7.1 greylisted"})
        .begins(letter())
        .sends("RSET\r\n" + kMail + kRcpt + "DATA\r\n")
        .run();
    piped()
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + "250 what?\r\n")
        .closes()
        .run();
}

// 4xx and 5xx of every kind at every stage of a transaction reach the result with their words.
TEST(ClientSession, EveryCodeAtEveryStage_SMTP_7) {
    for (const char* code : {"421", "450", "451", "452", "454", "455", "499", "500", "501", "503",
                             "521", "541", "550", "551", "552", "553", "554", "555", "556", "571"}) {
        const std::string reply = std::string(code) + " 9.9.9 words";
        const bool gone = std::string(code) == "421";
        SCOPED_TRACE(code);
        {
            ClientScript script = piped();
            script.begins(letter())
                .sends(kMail + kRcpt + "DATA\r\n")
                .peer(kOk + reply + "\r\n" + (gone ? "" : "554 no\r\n"));
            gone ? script.closes() : script.ready();
            script.results({"rcpt refused " + reply}).run();
        }
        {
            ClientScript script = piped();
            script.begins(letter())
                .sends(kMail + kRcpt + "DATA\r\n")
                .peer(reply + "\r\n" + (gone ? "" : "503 x\r\n503 x\r\n"));
            gone ? script.closes() : script.ready();
            script.results({"mail refused " + reply}).run();
        }
        {
            ClientScript script = piped();
            script.begins(letter()).sends(kMail + kRcpt + "DATA\r\n").peer(kOk + kOk + reply + "\r\n");
            gone ? script.closes() : script.ready();
            script.results({"data refused " + reply}).run();
        }
        {
            ClientScript script = piped();
            script.begins(letter())
                .sends(kMail + kRcpt + "DATA\r\n")
                .peer(kOk + kOk + kGo)
                .sends_message()
                .peer(reply + "\r\n");
            gone ? script.closes() : script.ready();
            script.results({"end_of_data refused " + reply}).run();
        }
    }
}

TEST(ClientSession, GoodbyeBetweenRecipients_RFC5321_s3_8) {
    piped()
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt + kRcptC + "DATA\r\n")
        .peer(kOk + "550 5.1.1 no\r\n421 4.7.0 slow down\r\n")
        .closes()
        .results({"rcpt refused 550 5.1.1 no", "rcpt refused 421 4.7.0 slow down"})
        .checks([](const ClientSession& s) { EXPECT_EQ(s.failure()->reply.code, 421); })
        .run();
}

TEST(ClientSession, LostAfterTheDotMayBeDelivered_SMTP_10) {
    for (const int moment : {0, 1, 2}) {
        ClientSession session(client_options());
        (void)session.start();
        (void)session.on_bytes("220 x\r\n");
        (void)session.on_bytes("250-x\r\n250 PIPELINING\r\n");
        (void)session.begin(letter({"b@example.net", "c@example.net"}));
        const auto action = session.on_bytes(kOk + kOk + "550 5.1.1 no\r\n" + kGo);
        ASSERT_EQ(to_string(action.kind), "send_message");
        if (moment > 0) (void)session.on_message_sent();
        const auto last = moment == 2 ? session.on_bytes("huh?\r\n") : session.on_lost("connection closed by the peer");
        EXPECT_EQ(to_string(last.kind), "close");
        EXPECT_EQ(session.results()[0].maybe_delivered, moment > 0);
        EXPECT_EQ(show(session.results()[1]), "rcpt refused 550 5.1.1 no");
        if (moment == 0) {
            EXPECT_EQ(show(session.results()[0]), "data refused 4.4.2 connection closed by the peer during DATA");
        }
        if (moment == 1) {
            EXPECT_EQ(show(session.results()[0]),
                      "end_of_data refused maybe 4.4.2 connection closed by the peer after the end of data: the "
                      "message may be delivered twice");
        }
    }
}

// --- limits ---

TEST(ClientSession, TooManyRecipientsSplit_SMTP_9) {
    for (const char* limit : {"452 4.5.3 too many", "452 too many", "552 5.5.3 too many"}) {
        piped()
            .begins(letter({"b@example.net", "c@example.net", "d@example.net"}))
            .sends(kMail + kRcpt + kRcptC + "RCPT TO:<d@example.net>\r\nDATA\r\n")
            .peer(kOk + kOk + limit + "\r\n" + limit + "\r\n" + kGo)
            .sends_message()
            .peer(kOk)
            .ready()
            .results({"end_of_data delivered 250 2.0.0 Ok", std::string("rcpt split ") + limit,
                      std::string("rcpt split ") + limit})
            .run();
    }
    // A full mailbox is about itself; and with the first recipient there is nothing to split.
    piped()
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt + kRcptC + "DATA\r\n")
        .peer(kOk + "452 4.5.3 x\r\n452 4.2.2 full\r\n554 no\r\n")
        .ready()
        .results({"rcpt refused 452 4.5.3 x", "rcpt refused 452 4.2.2 full"})
        .run();
}

TEST(ClientSession, SplitStopsFurtherRecipients_SMTP_9) {
    ClientScript()
        .greeted({"8BITMIME"})
        .begins(letter({"b@example.net", "c@example.net", "d@example.net"}))
        .sends(kMail)
        .peer(kOk)
        .sends(kRcpt)
        .peer(kOk)
        .sends(kRcptC)
        .peer("452 4.5.3 enough\r\n")
        .sends("DATA\r\n")
        .peer(kGo)
        .sends_message()
        .peer(kOk)
        .results({"end_of_data delivered 250 2.0.0 Ok", "rcpt split 452 4.5.3 enough",
                  "rcpt split 452 4.5.3 enough"})
        .run();
}

TEST(ClientSession, LimitsAreObeyed_EXT_12) {
    ClientScript()
        .greeted({"PIPELINING", "LIMITS RCPTMAX=1 MAILMAX=1"})
        .checks([](const ClientSession& s) { EXPECT_TRUE(s.may_begin()); })
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + kGo)
        .sends_message()
        .peer(kOk)
        .ready()
        .results({"end_of_data delivered 250 2.0.0 Ok",
                  "rcpt split local 452 4.5.3 the server takes fewer recipients in one transaction"})
        .checks([](const ClientSession& s) { EXPECT_FALSE(s.may_begin()); })
        .run();
}

TEST(ClientSession, WindowOfUnansweredCommands_EXT_3) {
    ClientOptions options = client_options();
    options.max_unanswered = kMail.size() + kRcpt.size();
    ClientScript script(options);
    script.greeted({"PIPELINING"})
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt)
        .peer(kOk)
        .sends(kRcptC)
        .peer(kOk)
        .sends("DATA\r\n")
        .peer(kOk + kGo)
        .sends_message()
        .peer(kOk)
        .ready()
        .results({"end_of_data delivered 250 2.0.0 Ok", "end_of_data delivered 250 2.0.0 Ok"})
        .run();

    // A thousand recipients: never more than 4 KiB under way, and all are sent.
    std::vector<std::string> many;
    for (int i = 0; i < 1000; ++i) many.push_back("user" + std::to_string(i) + "@example.net");
    ClientSession session(client_options());
    (void)session.start();
    (void)session.on_bytes("220 x\r\n");
    (void)session.on_bytes("250-x\r\n250 PIPELINING\r\n");
    auto action = session.begin(letter(many));
    std::size_t commands = 0, under_way = 0, round_trips = 0;
    while (action.kind == ClientAction::Kind::read) {
        under_way = action.output.size();
        ASSERT_LE(under_way, 4096U);
        ASSERT_GT(under_way, 0U);
        std::string replies;
        for (std::size_t at = 0; (at = action.output.find("\r\n", at)) != std::string::npos;
             at += 2, ++commands)
            replies += action.output.compare(at >= 4 ? at - 4 : 0, 4, "DATA") == 0 ? kGo : kOk;
        ++round_trips;
        action = session.on_bytes(replies);
    }
    EXPECT_EQ(to_string(action.kind), "send_message");
    EXPECT_EQ(commands, 1002U);
    EXPECT_LT(round_trips, 12U);
}

TEST(ClientSession, OptionTurnsPipeliningOff) {
    ClientOptions options = client_options();
    options.pipelining = false;
    ClientScript(options).greeted({"PIPELINING"}).begins(letter()).sends(kMail).peer(kOk).sends(kRcpt).run();
}

// --- extensions ---

TEST(ClientSession, ParametersOnlyWhereOffered_EXT_5_DSN_3_DSN_4) {
    Transaction full = letter();
    full.body_has_8bit = true;
    full.envelope.ret = mail::DsnReturn::headers;
    full.envelope.envid = "id+1";
    full.envelope.recipients[0].notify = mail::Notify::success | mail::Notify::delay;
    full.envelope.recipients[0].orcpt = "rfc822;x+y@example.com";
    ClientScript()
        .greeted({"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN"})
        .begins(full)
        .sends(
            "MAIL FROM:<a@example.org> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=id+2B1\r\n"
            "RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@example.com\r\nDATA\r\n")
        .run();
    full.body_has_8bit = false;
    piped().begins(full).sends(kMail + kRcpt + "DATA\r\n").run();
    Transaction never = letter();
    never.envelope.reverse_path.clear();
    never.envelope.ret = mail::DsnReturn::full;
    never.envelope.recipients[0].notify = mail::Notify::never;
    never.envelope.recipients[0].orcpt = "utf-8;\xc3\xa4@example.net";
    ClientScript()
        .greeted({"PIPELINING", "DSN"})
        .begins(never)
        .sends("MAIL FROM:<> RET=FULL\r\nRCPT TO:<b@example.net> NOTIFY=NEVER\r\nDATA\r\n")
        .run();
}

TEST(ClientSession, KnownRefusalsCostNoRoundTrip_EXT_5_EXT_8_EXT_10_SMTP_37) {
    const std::vector<std::string> kAll = {"PIPELINING", "SIZE 999", "8BITMIME", "SMTPUTF8"};
    Transaction eight_bit = letter();
    eight_bit.body_has_8bit = true;
    Transaction utf8 = letter({"\xc3\xa4@example.net"});
    Transaction utf8_header = letter();
    utf8_header.envelope.smtputf8 = utf8_header.header_has_8bit = true;
    Transaction forged = letter({"b@example.net>\r\nRCPT TO:<evil@example.net"});
    Transaction require_tls = letter();
    require_tls.envelope.require_tls = true;
    const struct {
        Transaction transaction;
        std::vector<std::string> extensions;
        const char* result;
    } kTable[] = {
        {letter(), kAll, "mail refused local 552 5.3.4 the message has 1000 octets, the server takes 999"},
        {eight_bit,
         {"PIPELINING"},
         "mail refused local 554 5.6.3 the message has 8-bit text, and the server does not offer 8BITMIME"},
        {utf8,
         {"8BITMIME"},
         "rcpt refused local 553 5.6.7 the address needs SMTPUTF8, which the server does not offer"},
        {utf8_header,
         {"8BITMIME"},
         "mail refused local 553 5.6.7 the message needs SMTPUTF8, which the server does not offer"},
        {forged, {"PIPELINING"}, "mail refused local 553 5.1.3 an address has a control character"},
        {require_tls,
         {"REQUIRETLS"},
         "mail refused local 550 5.7.30 the message needs REQUIRETLS, which the server does not offer"},
    };
    for (const auto& row : kTable) {
        ClientScript()
            .greeted(row.extensions)
            .begins(row.transaction)
            .sends("")
            .ready()
            .results({row.result})
            .checks([](const ClientSession& s) { EXPECT_EQ(s.transactions(), 0U); })
            .run();
    }
}

// RFC 1870 s6.1: as large as the server takes is not larger.
TEST(ClientSession, AsLargeAsTheServerTakes_EXT_5) {
    ClientScript()
        .greeted({"PIPELINING", "SIZE 1000"})
        .begins(letter())
        .sends("MAIL FROM:<a@example.org> SIZE=1000\r\n" + kRcpt + "DATA\r\n")
        .run();
}

// RFC 8689 s4.2.1: TLS alone is not enough, the next server must know what it promises.
TEST(ClientSession, RequireTlsNeedsTheExtensionUnderTls_EXT_13) {
    Transaction require_tls = letter();
    require_tls.envelope.require_tls = true;
    offered_tls(TlsUse::required)
        .sends("STARTTLS\r\n")
        .peer("220 2.0.0 go\r\n")
        .handshakes()
        .sends("EHLO out.example.org\r\n")
        .peer("250-mx.example.net\r\n250 PIPELINING\r\n")
        .ready()
        .begins(require_tls)
        .sends("")
        .ready()
        .results({"mail refused local 550 5.7.30 the message needs REQUIRETLS, which the server does not offer"})
        .run();
}

// RFC 8689 s5: a report about a message that required TLS goes also to a server that does not know the option.
TEST(ClientSession, AReportIsNotHeldBackByRequireTls_EXT_13) {
    Transaction report = letter();
    report.envelope.reverse_path.clear();
    report.envelope.require_tls = true;
    ClientScript()
        .greeted({"PIPELINING", "REQUIRETLS"})
        .begins(report)
        .sends("MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        .run();
}

TEST(ClientSession, Utf8WhereNeeded_EXT_10) {
    Transaction utf8 = letter({"\xc3\xa4@example.net"});
    utf8.header_has_8bit = true;
    ClientScript()
        .greeted({"PIPELINING", "8BITMIME", "SMTPUTF8"})
        .begins(utf8)
        .sends(
            "MAIL FROM:<a@example.org> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<\xc3\xa4@example.net>\r\nDATA\r\n")
        .run();
    // Asked for, and not needed: any server will do.
    Transaction asked = letter();
    asked.envelope.smtputf8 = true;
    piped().begins(asked).sends(kMail + kRcpt + "DATA\r\n").run();
}

TEST(ClientSession, RsetRefusedEndsTheSession) {
    piped()
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + "451 4.3.0 no\r\n")
        .ready()
        .begins(letter())
        .sends("RSET\r\n" + kMail + kRcpt + "DATA\r\n")
        .peer("500 5.5.1 what?\r\n")
        .closes()
        .results({"rset refused 500 5.5.1 what?"})
        .run();
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
