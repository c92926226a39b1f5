// Parts, delimiters and levels of MIME bodies (RFC 2046 s5.1).
#include "mail/mime_walk.hpp"

#include <gtest/gtest.h>

namespace posthorn::mail {
namespace {

struct Tale : MimeVisitor {
    std::string text;      // what was told
    std::string octets;    // all of the body, put together again
    void structure(std::string_view piece) override { octets += piece; }
    void part(const MimePart& part, std::string_view header) override {
        octets += header;
        text += (part.frozen ? "!" : "") + part.type.type + "/" + part.type.subtype + (part.is_container ? "(" : "[");
    }
    void content(std::string_view piece) override {
        octets += piece;
        text += piece;
    }
    void part_end() override { text += "]"; }
};

Tale walk(std::string_view type, std::string_view body, std::size_t slice = 1 << 20, bool* doubtful = nullptr) {
    Tale tale;
    MimeWalk walk(read_content_type(type), TransferEncoding::identity, tale);
    for (std::size_t at = 0; at < body.size(); at += slice) walk.feed(body.substr(at, slice));
    walk.finish();
    if (doubtful) *doubtful = walk.doubtful();
    return tale;
}

struct Case {
    const char* type;
    std::string body;
    std::string tale;
};

const Case kCases[] = {
    {"text/plain", "a\r\n--b\r\n", "text/plain[a\r\n--b\r\n]"},
    {"", "", "text/plain[]"},
    {"multipart/mixed; boundary=b", "pre\r\n--b\r\n\r\none\r\n--b  \r\nContent-Type: text/html\r\n\r\ntwo\r\n\r\n--b--\r\npost",
     "multipart/mixed(text/plain[one]text/html[two\r\n]"},
    {"multipart/mixed; boundary=\"b c\"", "--b c\r\n\r\nno end", "multipart/mixed(text/plain[no end]"},
    {"multipart/mixed; boundary=o",
     "--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\n1\r\n--i\r\n\r\n2\r\n--i--\r\n--o\r\n\r\n3\r\n--o--\r\n",
     "multipart/mixed(multipart/alternative(text/plain[1]text/plain[2]text/plain[3]"},
    {"multipart/mixed; boundary=o", "--o\r\nContent-Type: multipart/mixed; boundary=o2\r\n\r\n--o2\r\n\r\n1\r\n--o\r\n\r\n2",
     "multipart/mixed(multipart/mixed(text/plain[1]text/plain[2]"},
    {"multipart/signed; boundary=s", "--s\r\n\r\nx\r\n--s--", "multipart/signed(!text/plain[x]"},
    {"multipart/digest; boundary=d", "--d\r\n\r\nSubject: x\r\n\r\ny\r\n--d--", "multipart/digest(!message/rfc822[Subject: x\r\n\r\ny]"},
    {"multipart/mixed; boundary=b", "--b\r\nContent-Type: text/html\r\n--b--\r\n", "multipart/mixed("},
    {"multipart/mixed", "--b\r\n", "!multipart/mixed[--b\r\n]"},
    {"multipart/mixed; boundary=b", "--b\r\n\r\n-\r\n--\r\n--x\r\n--b--", "multipart/mixed(text/plain[-\r\n--\r\n--x]"},
};

TEST(MimeWalk, TellsTheParts) {
    for (const Case& test : kCases) {
        bool doubtful = true;
        const Tale tale = walk(test.type, test.body, 1 << 20, &doubtful);
        EXPECT_EQ(tale.text, test.tale) << test.body;
        EXPECT_EQ(tale.octets, test.body);
        EXPECT_FALSE(doubtful) << test.body;
    }
}

TEST(MimeWalk, AnySlicingTellsTheSame) {
    for (const Case& test : kCases) {
        for (std::size_t slice = 1; slice < 8; ++slice) {
            const Tale tale = walk(test.type, test.body, slice);
            EXPECT_EQ(tale.text, test.tale) << test.body;
            EXPECT_EQ(tale.octets, test.body);
        }
    }
}

TEST(MimeWalk, DoubtsWhatOnlyBeginsLikeADelimiter) {  // RFC 2046 s5.1.1: readers differ
    bool doubtful = false;
    (void)walk("multipart/mixed; boundary=b", "--b\r\n\r\nx\r\n--bogus\r\n--b--", 1 << 20, &doubtful);
    EXPECT_TRUE(doubtful);
    const std::string endless = "--b\r\nX: " + std::string(MimeWalk::kMaxHeader, 'x');
    const Tale tale = walk("multipart/mixed; boundary=b", endless, 1000, &doubtful);
    EXPECT_TRUE(doubtful);
    EXPECT_EQ(tale.octets, endless);
}

TEST(MimeWalk, DepthIsBounded) {
    std::string body;
    for (int i = 0; i < 100; ++i) {
        const std::string n = std::to_string(i);
        body += "--b" + n + "x\r\nContent-Type: multipart/mixed; boundary=b" + std::to_string(i + 1) + "x\r\n\r\n";
    }
    const Tale tale = walk("multipart/mixed; boundary=b0x", body);
    EXPECT_EQ(tale.octets, body);
    EXPECT_EQ(std::count(tale.text.begin(), tale.text.end(), '('), 20);
}

TEST(ContentType, AsItIsWritten) {  // RFC 2045 s5.1
    EXPECT_EQ(read_content_type("Multipart/Mixed;\r\n\tBOUNDARY=\"a b \" (comment)").boundary, "a b");
    EXPECT_EQ(read_content_type("multipart/mixed; charset=x; boundary=--=_a/b").boundary, "--=_a/b");
    EXPECT_EQ(read_content_type("text").type, "text");
    EXPECT_EQ(read_content_type("text").subtype, "plain");
    EXPECT_EQ(read_content_type("application / pdf; name=x").subtype, "pdf");
    EXPECT_EQ(read_transfer_encoding(" Quoted-Printable (x)"), TransferEncoding::quoted_printable);
    EXPECT_EQ(read_transfer_encoding("x-uuencode"), TransferEncoding::unknown);
    EXPECT_EQ(read_transfer_encoding("8BIT"), TransferEncoding::identity);
}

}  // namespace
}  // namespace posthorn::mail
