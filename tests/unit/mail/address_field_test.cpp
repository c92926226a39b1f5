// Where the parts of addresses stand, in fields as they are written.
#include "mail/address_field.hpp"

#include <gtest/gtest.h>

#include <string>

namespace posthorn::mail {
namespace {

// "display|local|domain" of each address, "!" before one that is unsound.
std::string parts(std::string_view value) {
    std::string out;
    for (const AddressPlace& place : read_address_field(value).addresses) {
        if (!out.empty()) out += " ";
        out += place.sound ? "" : "!";
        out.append(place.display.of(value)).append("|").append(place.local.of(value)).append("|").append(place.domain.of(value));
    }
    return out;
}

TEST(AddressField, FindsTheParts) {  // RFC 5322 s3.4
    EXPECT_EQ(parts("a@b.example"), "|a|b.example");
    EXPECT_EQ(parts(" Bob  <bob@b.example> , \"C, D\" (x) <c@d.example>"), "Bob|bob|b.example \"C, D\"|c|d.example");
    EXPECT_EQ(parts("alice"), "|alice|");
    EXPECT_EQ(parts("Alice <alice>"), "Alice|alice|");
    EXPECT_EQ(parts("<\"a b\"@[192.0.2.1]>"), "|\"a b\"|[192.0.2.1]");
    EXPECT_EQ(parts("a (comment, with @ and <) @ b . example"), "|a|b . example");
    EXPECT_EQ(parts("team: a@x.example, b; , c@y.example"), "|a|x.example |b| |c|y.example");
    EXPECT_EQ(parts("undisclosed-recipients:;"), "");
    EXPECT_EQ(parts("John Q. Public <j@x.example>"), "John Q. Public|j|x.example");
}

TEST(AddressField, NotesWhatGmailRefuses) {  // RFC 5322 s4.4
    EXPECT_TRUE(read_address_field("<@relay.example,@other.example:a@b.example>").addresses.front().has_route);
    EXPECT_TRUE(read_address_field("team: a@b.example;").has_group);
    EXPECT_TRUE(read_address_field("a@b.example <a@b.example>").addresses.front().display_has_at);
    EXPECT_TRUE(read_address_field("a@b.example <a@b.example>").sound);
}

TEST(AddressField, KnowsWhatIsNone) {
    for (const char* value : {"Our Shop", "a@", "@b.example", "<a@b.example", "a@b.example>", "a@b@c.example", "<a@b.example> more",
                              "\"open <a@b.example>", "(open a@b.example", "team: a@b.example", "a;b@c.example",
                              "<>", "a b@c.example", "a\\b@c.example"}) {
        EXPECT_FALSE(read_address_field(value).sound) << value;
    }
}

}  // namespace
}  // namespace posthorn::mail
