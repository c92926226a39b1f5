// How the message itself goes: by chunks where they are wanted and offered, and what unusual answers around it mean.
#include "client_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

const std::string kMail = "MAIL FROM:<a@example.org>\r\n";
const std::string kRcpt = "RCPT TO:<b@example.net>\r\n";
const std::string kRcptC = "RCPT TO:<c@example.net>\r\n";
const std::string kOk = "250 2.0.0 Ok\r\n";

ClientScript chunked() {
    ClientOptions options = client_options();
    options.chunking = true;
    ClientScript script(options);
    return script.greeted({"PIPELINING", "CHUNKING", "SIZE"});
}

Transaction of_size(std::uint64_t size, std::vector<std::string> recipients = {"b@example.net"}) {
    Transaction transaction = letter(std::move(recipients));
    transaction.size = size;
    return transaction;
}

std::string mail_of(std::uint64_t size) { return "MAIL FROM:<a@example.org> SIZE=" + std::to_string(size) + "\r\n"; }

// RFC 3030 s2: no 354, no dot. Two round trips, as with DATA: BDAT waits for RCPT, so that what is lost before it is not in doubt.
TEST(ClientContent, OneChunk_EXT_6) {
    chunked()
        .begins(of_size(1000))
        .sends(mail_of(1000) + kRcpt)
        .peer(kOk + kOk)
        .sends("BDAT 1000 LAST\r\n")
        .sends_chunk(1000)
        .peer("250 2.0.0 queued\r\n")
        .ready()
        .results({"end_of_data delivered 250 2.0.0 queued"})
        .begins(of_size(1000))
        .sends(mail_of(1000) + kRcpt)
        .run();
}

TEST(ClientContent, SeveralChunks_EXT_6) {
    const std::uint64_t size = 2 * kChunk + 7;
    chunked()
        .begins(of_size(size))
        .sends(mail_of(size) + kRcpt)
        .peer(kOk + kOk)
        .sends("BDAT 4194304\r\n")
        .sends_chunk(kChunk)
        .peer(kOk)
        .sends("BDAT 4194304\r\n")
        .sends_chunk(kChunk)
        .peer(kOk)
        .sends("BDAT 7 LAST\r\n")
        .sends_chunk(7)
        .peer("250 2.0.0 queued\r\n")
        .ready()
        .results({"end_of_data delivered 250 2.0.0 queued"})
        .run();
    // What fills its last chunk needs no empty one behind it.
    chunked().begins(of_size(kChunk)).sends(mail_of(kChunk) + kRcpt).peer(kOk + kOk).sends("BDAT 4194304 LAST\r\n").run();
}

// RFC 3030 s2: a refused chunk is the end of the transaction; RSET before the next.
TEST(ClientContent, ChunkRefused_EXT_6) {
    chunked()
        .begins(of_size(kChunk + 1))
        .sends(mail_of(kChunk + 1) + kRcpt)
        .peer(kOk + kOk)
        .sends("BDAT 4194304\r\n")
        .sends_chunk(kChunk)
        .peer("452 4.3.1 disk full\r\n")
        .ready()
        .results({"data refused 452 4.3.1 disk full"})
        .begins(of_size(10))
        .sends("RSET\r\n" + mail_of(10) + kRcpt)
        .peer(kOk + kOk + kOk)
        .sends("BDAT 10 LAST\r\n")
        .sends_chunk(10)
        .peer("554 5.6.0 no\r\n")
        .ready()
        .results({"end_of_data refused 554 5.6.0 no"})
        .begins(of_size(10))
        .sends("RSET\r\n" + mail_of(10) + kRcpt)
        .run();
    chunked()
        .begins(of_size(kChunk + 1))
        .sends(mail_of(kChunk + 1) + kRcpt)
        .peer(kOk + kOk)
        .sends("BDAT 4194304\r\n")
        .sends_chunk(kChunk)
        .peer("354 go\r\n")
        .closes()
        .results({"data refused 4.5.0 the peer answered 354, neither yes nor no, during DATA"})
        .run();
}

// Nobody is left: nothing is sent, and so there is no lone dot either.
TEST(ClientContent, NoChunkForNobody_EXT_1) {
    chunked()
        .begins(of_size(10, {"b@example.net", "c@example.net"}))
        .sends(mail_of(10) + kRcpt + kRcptC)
        .peer(kOk + "550 5.1.1 no\r\n450 4.2.1 later\r\n")
        .ready()
        .results({"rcpt refused 550 5.1.1 no", "rcpt refused 450 4.2.1 later"})
        .begins(of_size(10))
        .sends("RSET\r\n" + mail_of(10) + kRcpt)
        .run();
    chunked().begins(of_size(10)).sends(mail_of(10) + kRcpt).peer("451 4.3.0 no\r\n503 x\r\n").ready().run();
}

TEST(ClientContent, ChunksOnlyWhereOfferedAndWanted_EXT_6) {
    ClientOptions options = client_options();
    options.chunking = true;
    ClientScript(options).greeted({"PIPELINING"}).begins(letter()).sends(kMail + kRcpt + "DATA\r\n").run();
    ClientScript().greeted({"PIPELINING", "CHUNKING"}).begins(letter()).sends(kMail + kRcpt + "DATA\r\n").run();
}

TEST(ClientContent, LostInAChunk_SMTP_10) {
    for (const bool last : {false, true}) {
        ClientOptions options = client_options();
        options.chunking = true;
        ClientSession session(options);
        (void)session.start();
        (void)session.on_bytes("220 x\r\n");
        (void)session.on_bytes("250-x\r\n250 CHUNKING\r\n");
        (void)session.begin(of_size(last ? 10 : kChunk + 1));
        (void)session.on_bytes(kOk);
        ASSERT_EQ(to_string(session.on_bytes(kOk).kind), "send_chunk");
        EXPECT_EQ(to_string(session.stage()), "data");
        (void)session.on_chunk_sent();
        EXPECT_EQ(to_string(session.stage()), last ? "end_of_data" : "data");
        (void)session.on_lost("connection closed");
        EXPECT_EQ(session.results()[0].maybe_delivered, last);
    }
}

// RFC 5321 s3.4, s3.5.3: 251 and 252 to RCPT are a yes.
TEST(ClientContent, ForwardedRecipients) {
    ClientScript()
        .greeted({"PIPELINING"})
        .begins(letter({"b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt + kRcptC + "DATA\r\n")
        .peer(kOk + "251 2.1.5 will forward\r\n252 2.5.2 cannot say\r\n354 go\r\n")
        .sends_message()
        .peer("299 whatever\r\n")
        .ready()
        .results({"end_of_data delivered 299 whatever", "end_of_data delivered 299 whatever"})
        .run();
}

// 3yz to anything but DATA: the peer may be reading what it takes for a message already.
TEST(ClientContent, ThreeHundredsOutOfPlace_SMTP_7) {
    ClientScript()
        .greeted({"PIPELINING"})
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + "354 go\r\n")
        .closes()
        .results({"rcpt refused 4.5.0 the peer answered 354, neither yes nor no, after RCPT"})
        .run();
    ClientScript()
        .greeted({"PIPELINING"})
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer("354 go\r\n")
        .closes()
        .results({"mail refused 4.5.0 the peer answered 354, neither yes nor no, after MAIL"})
        .run();
    ClientScript()
        .greeted({"PIPELINING"})
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + "354 go\r\n")
        .sends_message()
        .peer("354 more\r\n")
        .closes()
        .results({"end_of_data refused maybe 4.5.0 the peer answered 354, neither yes nor no, after the end of data: the "
                  "message may be delivered twice"})
        .run();
}

// RFC 5321 s4.5.3.1.10. Each transaction gets at least one recipient out of the way: nobody is split for ever.
TEST(ClientContent, SplittingEnds_SMTP_9) {
    std::vector<std::string> left;
    for (int i = 0; i < 7; ++i) left.push_back("user" + std::to_string(i) + "@example.net");
    ClientSession session(client_options());
    (void)session.start();
    (void)session.on_bytes("220 x\r\n");
    (void)session.on_bytes("250-x\r\n250 PIPELINING\r\n");
    int transactions = 0;
    while (!left.empty()) {
        ASSERT_LT(transactions, 10);
        ++transactions;
        auto action = session.begin(letter(left));
        std::string replies = kOk;
        if (action.output.starts_with("RSET")) replies += kOk;
        // The first one is refused for good, two more are taken.
        for (std::size_t i = 0; i < left.size(); ++i)
            replies += i == 0 ? "550 5.1.1 no\r\n" : i < 3 ? kOk : "451 4.5.3 too many\r\n";
        replies += left.size() > 1 ? "354 go\r\n" : "554 5.5.1 no valid recipients\r\n";
        action = session.on_bytes(replies);
        if (action.kind == ClientAction::Kind::send_message) {
            (void)session.on_message_sent();
            action = session.on_bytes("451 4.3.0 disk\r\n");
        }
        ASSERT_EQ(to_string(action.kind), "ready");
        std::vector<std::string> again;
        for (std::size_t i = 0; i < left.size(); ++i)
            if (session.results()[i].fate == Fate::split) again.push_back(left[i]);
        left = std::move(again);
    }
    EXPECT_EQ(transactions, 3);
}

// RFC 6531 s3.2: a UTF-8 recipient is its own trouble where there is no SMTPUTF8; the other one gets the message.
TEST(ClientContent, Utf8RecipientAlone_EXT_10) {
    ClientScript()
        .greeted({"PIPELINING", "LIMITS RCPTMAX=1"})
        .begins(letter({"\xc3\xa4@example.net", "b@example.net", "c@example.net"}))
        .sends(kMail + kRcpt + "DATA\r\n")
        .peer(kOk + kOk + "354 go\r\n")
        .sends_message()
        .peer(kOk)
        .ready()
        .results({"rcpt refused local 553 5.6.7 the address needs SMTPUTF8, which the server does not offer",
                  "end_of_data delivered 250 2.0.0 Ok",
                  "rcpt split local 452 4.5.3 the server takes fewer recipients in one transaction"})
        .run();
    Transaction from_utf8 = letter();
    from_utf8.envelope.reverse_path = "\xc3\xa4@example.org";
    ClientScript()
        .greeted({"PIPELINING"})
        .begins(from_utf8)
        .ready()
        .results({"mail refused local 553 5.6.7 the message needs SMTPUTF8, which the server does not offer"})
        .run();
}

// RFC 3461 s5.2.1: what came along goes on; an ORCPT that nobody gave is not made up (a MAY that helps nobody here, as addresses
// are never rewritten).
TEST(ClientContent, DsnParametersAreHandedOn_DSN_3) {
    ClientScript()
        .greeted({"PIPELINING", "DSN"})
        .begins(letter())
        .sends(kMail + kRcpt + "DATA\r\n")
        .run();
    Transaction asked = letter();
    asked.envelope.ret = mail::DsnReturn::full;
    asked.envelope.envid = "QQ=314 +";
    asked.envelope.recipients[0].notify = mail::Notify::success | mail::Notify::failure | mail::Notify::delay;
    asked.envelope.recipients[0].orcpt = "rfc822;\"a b\"@example.com";
    ClientScript()
        .greeted({"PIPELINING", "DSN"})
        .begins(asked)
        .sends("MAIL FROM:<a@example.org> RET=FULL ENVID=QQ+3D314+20+2B\r\n"
               "RCPT TO:<b@example.net> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;\"a+20b\"@example.com\r\nDATA\r\n")
        .run();
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
