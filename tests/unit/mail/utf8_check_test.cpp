// UTF-8 in pieces: the same answer as for the whole (RFC 3629 s4).
#include "mail/utf8_check.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/text.hpp"

namespace posthorn::mail {
namespace {

TEST(Utf8Check, AnySlicingGivesTheAnswerOfTheWhole) {
    const std::string texts[] = {"plain", "gr\xc3\xbc\xc3\x9f" "e", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x99\x82", "\xf4\x8f\xbf\xbf",
                                 "\xfc", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                 "\xf5\x80\x80\x80", "a\xc3", "a\xe6\x97", "\xc3\xc3\xbc", "\x80", "\xc3\xbc\xff\xc3\xbc"};
    for (const std::string& text : texts) {
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            Utf8Check check;
            check.feed(text.substr(0, cut));
            check.feed(text.substr(cut));
            EXPECT_EQ(check.good(), text::is_utf8(text)) << text << " cut at " << cut;
        }
    }
}

}  // namespace
}  // namespace posthorn::mail
