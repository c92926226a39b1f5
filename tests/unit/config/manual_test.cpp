// posthorn.toml(5): text as man(1) wants it.
#include "config/manual.hpp"

#include <gtest/gtest.h>

namespace posthorn::config {
namespace {

TEST(ManualTest, NothingOfATextIsARequestOrAnEscape) {
    EXPECT_EQ(in_roff(".br is text"), "\\&.br is text");
    EXPECT_EQ(in_roff("'tis"), "\\&\\(aqtis");
    EXPECT_EQ(in_roff("C:\\n"), "C:\\en");
    EXPECT_EQ(in_roff("--config ~/x^y"), "\\-\\-config \\(ti/x\\(hay");
}

TEST(ManualTest, CodeAndStrongTextAreBoldAndAlwaysEnd) {
    EXPECT_EQ(in_roff("use `a` or **b**."), "use \\fBa\\fR or \\fBb\\fR.");
    EXPECT_EQ(in_roff("an `open"), "an \\fBopen\\fR");
}

TEST(ManualTest, MarkdownBecomesSectionsSubjectsAndParagraphs) {
    EXPECT_EQ(markdown_in_roff("# Title\n\n<!-- made\nby -->\n\nOne\ntwo.\n\n## Top of it\n\nWords.\n\n### `key`\n\nWhat.\n- default: `1`\n"),
              ".PP\nOne two.\n.SH TOP OF IT\nWords.\n.TP\n.B key\nWhat.\n.br\ndefault: \\fB1\\fR\n");
    EXPECT_EQ(markdown_in_roff("Like so:\n```\n[queue]\n.x\n```\n"), ".PP\nLike so:\n.PP\n.RS 4\n.EX\n[queue]\n\\&.x\n.EE\n.RE\n");
    EXPECT_EQ(markdown_in_roff("| a | b\\|c |\n|---|---|\n| 1 | 2 |\n"), ".PP\na; b|c\n.br\n1; 2\n");
}

TEST(ManualTest, EverySettingHasItsPlace) {
    const std::string page = manual_page();
    EXPECT_TRUE(page.starts_with(".TH POSTHORN.TOML 5 "));
    for (const char* wanted : {"\n.SH [queue]\n", "\n.B state_directory\n", "\\fBPOSTHORN_HOSTNAME\\fR", "\n.SH [[domain]]\n"})
        EXPECT_NE(page.find(wanted), std::string::npos) << wanted;
    EXPECT_EQ(page.find('`'), std::string::npos);
}

}  // namespace
}  // namespace posthorn::config
