// A message made 7-bit: what is encoded how, what is relabelled, what is refused, and that slicing changes nothing.
#include "mail/downgrade.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/text.hpp"
#include "mail/downgrade_header.hpp"
#include "mail/split.hpp"

namespace posthorn::mail {
namespace {

struct Form {
    std::string text;
    DowngradeObstacle obstacle;
};

template <class Sizes>
Form downgrade_in_pieces(std::string_view message, Sizes size) {
    const SplitMessage split = split_message(message);
    Downgrade downgrade{std::string(split.header)};
    for (std::string_view rest = split.body; !rest.empty();) {
        const std::string_view piece = rest.substr(0, size());
        downgrade.survey(piece);
        rest.remove_prefix(piece.size());
    }
    downgrade.end_of_survey();
    Form form;
    form.obstacle = downgrade.obstacle();
    if (form.obstacle) return form;
    form.text = downgrade.header() + "\r\n";
    for (std::string_view rest = split.body; !rest.empty();) {
        const std::string_view piece = rest.substr(0, size());
        downgrade.rewrite(piece, form.text);
        rest.remove_prefix(piece.size());
    }
    downgrade.end_of_rewrite(form.text);
    return form;
}

// Whole, by octets, and at random: always the same, and without octets above 127.
Form downgraded(std::string_view message) {
    const Form whole = downgrade_in_pieces(message, [] { return std::size_t{1} << 20; });
    EXPECT_EQ(downgrade_in_pieces(message, [] { return std::size_t{1}; }).text, whole.text);
    std::mt19937 random(7);
    EXPECT_EQ(downgrade_in_pieces(message, [&] { return std::size_t{1} + random() % 50; }).text, whole.text);
    EXPECT_TRUE(text::is_ascii(whole.text)) << whole.text;
    return whole;
}

std::string made_of(std::string_view message) {
    Form form = downgraded(message);
    EXPECT_EQ(form.obstacle.what, "");
    return form.text;
}

std::string refusal_of(std::string_view message) {
    const Form form = downgraded(message);
    return (form.obstacle.of_addresses ? "5.6.7 " : "5.6.3 ") + form.obstacle.what;
}

const std::string kMime = "MIME-Version: 1.0\r\n";
const std::string kText = "Content-Type: text/plain; charset=utf-8\r\n";
const std::string k8bit = "Content-Transfer-Encoding: 8bit\r\n";
const std::string kQp = "Content-Transfer-Encoding: quoted-printable\r\n";
const std::string kBase64 = "Content-Transfer-Encoding: base64\r\n";

// RFC 6152 s3, RFC 2045 s6.7.
TEST(Downgrade, TextBecomesQuotedPrintable_EXT_8) {
    EXPECT_EQ(made_of("From: a@example.org\r\n" + kMime + kText + k8bit + "\r\nHello, dear J\xc3\xbcrgen, how are you?\r\n"),
              "From: a@example.org\r\n" + kMime + kText + kQp + "\r\nHello, dear J=C3=BCrgen, how are you?\r\n");
}

// RFC 2045 s6.8, where quoted-printable would be longer.
TEST(Downgrade, TextOfOtherScriptsBecomesBase64_EXT_8) {
    EXPECT_EQ(made_of(kMime + kText + k8bit + "\r\n\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\r\n"),
              kMime + kText + kBase64 + "\r\n0J/RgNC40LLQtdGCDQo=");
    EXPECT_EQ(made_of(kMime + "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\nlong enough ASCII \x89 text here"),
              kMime + "Content-Type: image/png\r\n" + kBase64 + "\r\nbG9uZyBlbm91Z2ggQVNDSUkgiSB0ZXh0IGhlcmU=");
}

// RFC 2045 s4, RFC 1428 s3: without MIME an encoding would be text.
TEST(Downgrade, MimeFieldsAreAdded_EXT_8) {
    EXPECT_EQ(made_of("Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9f" "e an alle, die das lesen\r\n"),
              "Subject: x\r\n" + kQp + kMime + kText + "\r\nGr=C3=BC=C3=9Fe an alle, die das lesen\r\n");
    EXPECT_EQ(made_of("Subject: x\r\n\r\nGr\xfc\xdf" "e an alle, die das lesen\r\n"),
              "Subject: x\r\n" + kQp + kMime + "Content-Type: text/plain; charset=unknown-8bit\r\n\r\nGr=FC=DFe an alle, die das lesen\r\n");
}

// Only what must change does; labels of all that is around it are true afterwards (RFC 2045 s6.4).
TEST(Downgrade, PartsAndLabels_EXT_8) {
    const std::string before = kMime + "Content-Type: multipart/mixed; boundary=b\r\n" + k8bit +
                               "\r\npreamble\r\n"
                               "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n" + k8bit + "\r\n"
                               "--c\r\n" + kText + k8bit + "\r\nna\xc3\xafve, and nothing else of the kind\r\n"
                               "--c\r\nContent-Type: text/html\r\n" + k8bit + "\r\n<p>plain</p>\r\n"
                               "--c--\r\n"
                               "--b\r\nContent-Type: image/gif\r\n" + kBase64 + "\r\nR0lGODlh\r\n"
                               "--b\r\n\r\nno fields, \xe2\x82\xac, and some more text\r\n"
                               "--b--\r\nepilogue\r\n";
    EXPECT_EQ(made_of(before), kMime + "Content-Type: multipart/mixed; boundary=b\r\n"
                               "\r\npreamble\r\n"
                               "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
                               "--c\r\n" + kText + kQp + "\r\nna=C3=AFve, and nothing else of the kind\r\n"
                               "--c\r\nContent-Type: text/html\r\n\r\n<p>plain</p>\r\n"
                               "--c--\r\n"
                               "--b\r\nContent-Type: image/gif\r\n" + kBase64 + "\r\nR0lGODlh\r\n"
                               "--b\r\n" + kQp + "\r\nno fields, =E2=82=AC, and some more text\r\n"
                               "--b--\r\nepilogue\r\n");
}

// RFC 2045 s6.4: nothing is encoded twice. Octets above 127 in quoted-printable are somebody's mistake that can be put right.
TEST(Downgrade, NothingIsEncodedTwice_EXT_8) {
    EXPECT_EQ(made_of(kMime + kText + kQp + "\r\n=C3=A4 and \xc3\xa4\r\n"), kMime + kText + kQp + "\r\n=C3=A4 and =C3=A4\r\n");
    EXPECT_EQ(refusal_of(kMime + "Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n\xc3\xa4\r\n"),
              "5.6.3 its part has a Content-Transfer-Encoding that is not known here");
}

// RFC 2046 s5.2.1: message/rfc822 is not encoded, so the message inside is converted.
TEST(Downgrade, AttachedMessages_EXT_8) {
    const std::string outside = kMime + "Content-Type: multipart/mixed; boundary=b\r\n";
    const std::string inside = "Subject: inner\r\n" + kMime + kText;
    EXPECT_EQ(made_of(outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n" + k8bit + "\r\n" + inside + k8bit +
                      "\r\ncaf\xc3\xa9 and more text\r\n--b--\r\n"),
              outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inside + kQp +
                  "\r\ncaf=C3=A9 and more text\r\n--b--\r\n");
    // Inside of one inside; and a header in UTF-8.
    EXPECT_EQ(made_of(kMime + "Content-Type: message/rfc822\r\n" + k8bit + "\r\nSubject: \xc3\xa4\r\nContent-Type: message/rfc822\r\n"
                      "\r\n" + inside + "\r\ncaf\xc3\xa9 and more text\r\n"),
              kMime + "Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?B?w6Q=?=\r\nContent-Type: message/rfc822\r\n\r\n" +
                  inside + kQp + "\r\ncaf=C3=A9 and more text\r\n");
    // One of the two is 7-bit and signed: it stays as it is, its label too.
    const std::string sealed = "DKIM-Signature: v=1\r\n" + k8bit + kMime + "\r\nas it was\r\n";
    EXPECT_EQ(made_of(outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + sealed + "--b\r\n\r\nna\xc3\xafve, and more text\r\n--b--\r\n"),
              outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + sealed + "--b\r\n" + kQp +
                  "\r\nna=C3=AFve, and more text\r\n--b--\r\n");
    // Without a body, and without its last line end, which belongs to the delimiter.
    EXPECT_EQ(made_of(outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \xc3\xa4\r\nX: y\r\n--b--\r\n"),
              outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?B?w6Q=?=\r\nX: y\r\n--b--\r\n");
    EXPECT_EQ(made_of(outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\r\nna\xc3\xafve, no header at all\r\n--b--\r\n"),
              outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + kQp + kMime + kText +
                  "\r\nna=C3=AFve, no header at all\r\n--b--\r\n");
    EXPECT_EQ(refusal_of(outside + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\n\r\n\xc3\xa4\r\n--b--\r\n"),
              "5.6.3 in an attached message: it is signed (DKIM or ARC), and must not be changed");
    EXPECT_EQ(refusal_of(outside + "\r\n--b\r\nContent-Type: message/partial; id=1\r\n\r\n\xc3\xa4\r\n--b--\r\n"),
              "5.6.3 it is in an attached message/partial, which must not be encoded (RFC 2046 section 5.2)");
    // RFC 6532 s3.7: this kind may be encoded.
    EXPECT_EQ(made_of(kMime + "Content-Type: message/global\r\n" + k8bit + "\r\nSubject: \xc3\xa4\r\n"),
              kMime + "Content-Type: message/global\r\n" + kBase64 + "\r\nU3ViamVjdDogw6QNCg==");
}

TEST(Downgrade, AsDeepAsItGoes) {
    std::string message = kMime;
    for (int i = 0; i < 12; ++i) message += "Content-Type: message/rfc822\r\n\r\n";
    EXPECT_NE(refusal_of(message + "Subject: x\r\n\r\n\xc3\xa4\r\n").find("must not be encoded"), std::string::npos);
}

// RFC 1847 s2.1, RFC 6376 s5.3: what is signed is not changed, and goes on when it is 7-bit.
TEST(Downgrade, SignedIsNeverChanged_EXT_8) {
    const std::string part = "--b\r\nContent-Type: text/plain; charset=utf-8\r\n" + k8bit + "\r\n";
    const std::string end = "\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n";
    const std::string is = kMime + "Content-Type: multipart/signed; boundary=b\r\n\r\n";
    EXPECT_EQ(refusal_of(is + part + "\xc3\xa4" + end), "5.6.3 it is in a part that is signed or encrypted, which must not be changed");
    const std::string mixed = kMime + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n" +
                              part + "as it was" + end;
    EXPECT_EQ(made_of(mixed + "--m\r\n\r\nna\xc3\xafve, and more text\r\n--m--\r\n"),
              mixed + "--m\r\n" + kQp + "\r\nna=C3=AFve, and more text\r\n--m--\r\n");
    // An epilogue is not the signature's, but who could say so for certain?
    EXPECT_EQ(refusal_of(mixed + "--m--\r\n\xc3\xa4\r\n"), "5.6.3 it is in a part that is signed or encrypted, which must not be changed");
    EXPECT_EQ(refusal_of("DKIM-Signature: v=1; d=x\r\nSubject: x\r\n\r\n\xc3\xa4\r\n"),
              "5.6.3 it is signed (DKIM or ARC), and must not be changed");
}

// RFC 2046 s5.1.1: shown to nobody.
TEST(Downgrade, PreambleLosesWhatItMust) {
    EXPECT_EQ(made_of(kMime + "Content-Type: multipart/mixed; boundary=b\r\n\r\n\xc3\xa4\r\n--b\r\n\r\nx\r\n--b--\r\n"),
              kMime + "Content-Type: multipart/mixed; boundary=b\r\n\r\n??\r\n--b\r\n\r\nx\r\n--b--\r\n");
}

TEST(Downgrade, DoubtfulPartsAreLeftAlone) {
    EXPECT_EQ(refusal_of(kMime + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xa4\r\n--bb\r\n\r\nx\r\n--b--\r\n"),
              "5.6.3 its MIME parts cannot be told from each other");
}

TEST(Downgrade, HeadersOfParts) {
    EXPECT_EQ(made_of(kMime + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf;\r\n name=\"\xc3\x9c" "ber uns.pdf\"\r\n"
                      "Content-Description: \xc3\x9c\r\n" + kBase64 + "\r\nAAAA\r\n--b--\r\n"),
              kMime + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf;\r\n name*=utf-8''%C3%9Cber%20uns.pdf\r\n"
              "Content-Description: =?utf-8?B?w5w=?=\r\n" + kBase64 + "\r\nAAAA\r\n--b--\r\n");
    EXPECT_EQ(refusal_of(kMime + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-ID: <\xc3\x9c@x>\r\n\r\nx\r\n--b--\r\n"),
              "5.6.7 a MIME part has UTF-8 that has no ASCII form in the field Content-ID");
}

// --- headers: RFC 2047, RFC 2231, RFC 5891, RFC 6857

std::string field(std::string_view text) {
    const DowngradedHeader made = downgrade_header(std::string(text) + "\r\n");
    if (!made.obstacle.empty()) return "! " + made.obstacle;
    EXPECT_TRUE(text::is_ascii(made.fields));
    EXPECT_TRUE(made.fields.ends_with("\r\n"));
    return made.fields.substr(0, made.fields.size() - 2);
}

TEST(DowngradeHeader, Fields_EXT_10) {
    EXPECT_EQ(field("Subject: caf\xc3\xa9 today"), "Subject: =?utf-8?B?Y2Fmw6k=?= today");
    EXPECT_EQ(field("X-Anything: \xc3\xa9"), "X-Anything: =?utf-8?B?w6k=?=");
    EXPECT_EQ(field("To: J\xc3\xbcrgen <j@b\xc3\xbc" "cher.example>, bob"),
              "To: =?utf-8?Q?J=C3=BCrgen?= <j@xn--bcher-kva.example>, bob");
    EXPECT_EQ(field("Cc: a@example.org (caf\xc3\xa9)"), "Cc: a@example.org (=?utf-8?B?Y2Fmw6k=?=)");
    EXPECT_EQ(field("List-Id: \"Caf\xc3\xa9 list\" <cafe.example.org>"), "List-Id: =?utf-8?Q?Caf=C3=A9_list?=\r\n <cafe.example.org>");
    EXPECT_EQ(field("Keywords: caf\xc3\xa9, tea"), "Keywords: =?utf-8?B?Y2Fmw6k=?=, tea");
    EXPECT_EQ(field("Received: from a by b with UTF8SMTP id 1\r\n for <\xc3\xa9@example.net>; Mon, 1 Jan 2024 00:00:00 +0000"),
              "Received: from a by b with UTF8SMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000");
    EXPECT_EQ(field("Subject: plain"), "Subject: plain");
}

TEST(DowngradeHeader, Parameters_RFC2231) {
    EXPECT_EQ(field("Content-Disposition: attachment; filename=\"\xc3\xa9 \\\"x\\\"; y.txt\"; size=3"),
              "Content-Disposition: attachment;\r\n filename*=utf-8''%C3%A9%20%22x%22%3B%20y.txt; size=3");
    std::string name;
    for (int i = 0; i < 30; ++i) name += "\xc3\xa9x";
    const std::string made = field("Content-Disposition: attachment; filename=\"" + name + "\"");
    EXPECT_NE(made.find("\r\n filename*0*=utf-8''%C3%A9x"), std::string::npos) << made;
    EXPECT_NE(made.find(";\r\n filename*3*="), std::string::npos) << made;
    for (std::string_view rest = made; !rest.empty();) EXPECT_LE(text::take_field(rest, '\n').size(), 79U);
    // No character is torn: what follows "%" is always two digits of the same piece.
    for (std::size_t at = made.find('%'); at != std::string::npos; at = made.find('%', at + 1))
        EXPECT_TRUE(text::hex_value(made[at + 1]) >= 0 && text::hex_value(made[at + 2]) >= 0) << made;
}

TEST(DowngradeHeader, NoAsciiForm_EXT_10) {
    EXPECT_EQ(field("From: \xc3\xa9@example.org"), "! UTF-8 that has no ASCII form in the field From");
    EXPECT_EQ(field("Message-ID: <\xc3\xa9@example.org>"), "! UTF-8 that has no ASCII form in the field Message-ID");
    EXPECT_EQ(field("Content-Type: multipart/mixed; boundary=\"\xc3\xa9\""), "! UTF-8 that has no ASCII form in the field Content-Type");
    EXPECT_EQ(field("Content-Type: \xc3\xa9/x; a=b"), "! UTF-8 that has no ASCII form in the field Content-Type");
    EXPECT_EQ(field("List-Unsubscribe: <https://example.org/\xc3\xa9>"), "! UTF-8 that has no ASCII form in the field List-Unsubscribe");
    EXPECT_EQ(field("Received: from \xc3\xa9 by b; date"), "! UTF-8 that has no ASCII form in the field Received");
    EXPECT_EQ(field("Subject: caf\xe9"), "! octets above 127 that are not UTF-8 in the field Subject");
    EXPECT_EQ(field("caf\xc3\xa9: x"), "! UTF-8 that has no ASCII form in a line that is no field");
}

}  // namespace
}  // namespace posthorn::mail
