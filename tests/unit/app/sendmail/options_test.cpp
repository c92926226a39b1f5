// Tests of app/sendmail/options.hpp: every option in the table SM-1 to SM-20, joined, separate and bundled.
#include "app/sendmail/options.hpp"

#include <gtest/gtest.h>

#include "base/sysexits.hpp"

namespace posthorn::app::sendmail {
namespace {

Plan plan(std::vector<std::string_view> arguments, std::string_view program = "/usr/sbin/sendmail") {
    return plan_of(program, arguments);
}
std::vector<std::string> recipients(const Plan& plan) {
    std::vector<std::string> addresses;
    for (const auto& recipient : plan.envelope.recipients) addresses.push_back(recipient.address);
    return addresses;
}
using Addresses = std::vector<std::string>;
void expect_refused(std::vector<std::string_view> arguments, int code, std::string_view words) {
    const Plan result = plan(arguments);
    EXPECT_EQ(result.mode, Mode::refuse) << arguments.front();
    EXPECT_EQ(result.exit_code, code) << result.words;
    EXPECT_NE(result.words.find(words), std::string::npos) << result.words;
}

// The command lines of par. 5.2, as their programs write them.
TEST(SendmailOptions, RealCallers) {
    Plan php = plan({"-t", "-i"});
    EXPECT_EQ(php.mode, Mode::send);
    EXPECT_TRUE(php.header_recipients);
    EXPECT_TRUE(php.dot_is_text);
    EXPECT_FALSE(php.sender_asked);

    const Plan phpmailer = plan({"-oi", "-fwordpress@example.com", "-t"});
    EXPECT_TRUE(phpmailer.dot_is_text && phpmailer.header_recipients && phpmailer.sender_asked);
    EXPECT_EQ(phpmailer.envelope.reverse_path, "wordpress@example.com");

    EXPECT_EQ(plan({"-bs"}).mode, Mode::dialogue);

    const Plan cron = plan({"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"});
    EXPECT_EQ(cron.full_name, "CronDaemon");
    EXPECT_EQ(cron.envelope.body, mail::BodyType::eight_bit_mime);
    EXPECT_EQ(recipients(cron), Addresses{"root"});
    EXPECT_FALSE(cron.header_recipients);

    EXPECT_TRUE(plan({"-FCronDaemon", "-odi", "-oem", "-oi", "-t"}).header_recipients);  // cronie
    EXPECT_TRUE(plan({"-ti"}).dot_is_text);                                              // busybox

    const Plan nodemailer = plan({"-i", "-f", "a@example.com", "b@example.org", "c@example.org"});
    EXPECT_EQ(nodemailer.envelope.reverse_path, "a@example.com");
    EXPECT_EQ(recipients(nodemailer), (Addresses{"b@example.org", "c@example.org"}));

    const Plan mutt = plan({"-oem", "-oi", "-f", "a@example.com", "-B8BITMIME", "-N", "failure,delay", "-R", "hdrs", "--", "-odd@example.org"});
    EXPECT_EQ(recipients(mutt), Addresses{"-odd@example.org"});  // SM-20
    EXPECT_EQ(mutt.envelope.recipients[0].notify, mail::Notify::failure | mail::Notify::delay);
    EXPECT_EQ(mutt.envelope.ret, mail::DsnReturn::headers);

    EXPECT_EQ(recipients(plan({"-v", "-m", "anna"})), Addresses{"anna"});  // bsd-mailx
}

TEST(SendmailOptions, TheNameOfTheProgram) {
    EXPECT_EQ(plan({}, "mailq").mode, Mode::list_queue);
    EXPECT_EQ(plan({}, "/usr/bin/mailq").mode, Mode::list_queue);
    EXPECT_EQ(plan({}, "/usr/bin/newaliases").mode, Mode::check_aliases);
    EXPECT_EQ(plan({"a"}, "sendmail").mode, Mode::send);
    EXPECT_EQ(plan({"-bp"}).mode, Mode::list_queue);
    EXPECT_EQ(plan({"-b", "p"}).mode, Mode::list_queue);
    EXPECT_EQ(plan({"-bi"}).mode, Mode::check_aliases);
    EXPECT_EQ(plan({"-I"}).mode, Mode::check_aliases);
    EXPECT_EQ(plan({"-bm", "a"}).mode, Mode::send);  // SM-5
}

TEST(SendmailOptions, Senders) {  // SM-3
    for (const std::string_view null : {"", "<>", " <> "}) {
        const Plan result = plan({"-f", null, "a"});
        EXPECT_TRUE(result.sender_asked) << null;
        EXPECT_EQ(result.envelope.reverse_path, "");
    }
    EXPECT_EQ(plan({"-f<a@b>", "x"}).envelope.reverse_path, "a@b");
    EXPECT_EQ(plan({"-r", "a@b", "x"}).envelope.reverse_path, "a@b");
    EXPECT_EQ(plan({"-itfa@b"}).envelope.reverse_path, "a@b");
    EXPECT_EQ(plan({"-f", "Anna <a@b>", "x"}).envelope.reverse_path, "a@b");
    EXPECT_EQ(plan({"-f", "www-data", "x"}).envelope.reverse_path, "www-data");
    EXPECT_EQ(plan({"-f", "\"a b\"@c", "x"}).envelope.reverse_path, "\"a b\"@c");
    EXPECT_EQ(plan({"-fa@b", "-fc@d", "x"}).envelope.reverse_path, "c@d");
    expect_refused({"-f", "a@b, c@d", "x"}, exit_code::kDataError, "no address");
    expect_refused({"-f", "a b", "x"}, exit_code::kDataError, "no address");
}

// SM-24: what could become a line of a dialogue or a record.
TEST(SendmailOptions, ControlCharactersAreRefused) {
    expect_refused({"-f", "a@b>\r\nRCPT TO:<c@d", "x"}, exit_code::kDataError, "control character");
    expect_refused({"-f", "a\n@b", "x"}, exit_code::kDataError, "control character");
    expect_refused({"a@b\nc@d"}, exit_code::kDataError, "control character");
    expect_refused({"-V", "a\rb", "x"}, exit_code::kDataError, "control character");
    expect_refused({"-V", "caf\xe9", "x"}, exit_code::kUsage, "ASCII");
    expect_refused({"-qRa\nb"}, exit_code::kDataError, "control character");
}

TEST(SendmailOptions, RecipientsAsArguments) {  // SM-19
    EXPECT_EQ(recipients(plan({"a@b,c@d , Anna <e@f>", "root"})), (Addresses{"a@b", "c@d", "e@f", "root"}));
    EXPECT_EQ(recipients(plan({"a@b", "-i", "c@d"})), (Addresses{"a@b", "c@d"}));  // options behind recipients
    EXPECT_TRUE(plan({"a@b", "-i"}).dot_is_text);
    EXPECT_EQ(recipients(plan({"\"a@b c\"@d"})), Addresses{"\"a@b c\"@d"});
    EXPECT_EQ(recipients(plan({"-N", "never", "a"})), Addresses{"a"});
    EXPECT_EQ(plan({"a", "-N", "never"}).envelope.recipients[0].notify, mail::Notify::never);
    expect_refused({"a b@c d"}, exit_code::kDataError, "no address");
    expect_refused({"@"}, exit_code::kDataError, "no address");
    expect_refused({"-i"}, exit_code::kUsage, "no recipients");
    expect_refused({"", " "}, exit_code::kUsage, "no recipients");
    EXPECT_EQ(plan({"-t"}).mode, Mode::send);
}

TEST(SendmailOptions, Queue) {  // SM-9
    EXPECT_EQ(plan({"-q"}).mode, Mode::flush_queue);
    EXPECT_EQ(plan({"-qf"}).mode, Mode::flush_queue);
    EXPECT_EQ(plan({"-qI0abc"}).queue_id, "0abc");
    EXPECT_EQ(plan({"-qRexample.com"}).site, "example.com");
    EXPECT_EQ(plan({"-q15m", "a"}).mode, Mode::send);
    expect_refused({"-qSanna"}, exit_code::kUsage, "not offered");
    expect_refused({"-qI"}, exit_code::kUsage, "not offered");
}

TEST(SendmailOptions, Refused) {
    for (const std::string_view mode : {"-bd", "-bD", "-bl"}) expect_refused({mode}, exit_code::kUsage, "posthorn serve");  // SM-10
    expect_refused({"-bv", "a"}, exit_code::kUsage, "route test");  // SM-11
    for (const std::string_view mode : {"-bt", "-bh", "-bH"}) expect_refused({mode}, exit_code::kUsage, "not offered");  // SM-12
    expect_refused({"-Z", "a"}, exit_code::kUsage, "-Z");
    expect_refused({"--help"}, exit_code::kUsage, "--help; usage: sendmail");
    expect_refused({"-f"}, exit_code::kUsage, "needs a value");
    expect_refused({"-BUTF8", "a"}, exit_code::kUsage, "-B");
    expect_refused({"-N", "sometimes", "a"}, exit_code::kUsage, "-N");
    expect_refused({"-N", "never,delay", "a"}, exit_code::kUsage, "-N");
    expect_refused({"-N", "", "a"}, exit_code::kUsage, "-N");
    expect_refused({"-R", "x", "a"}, exit_code::kUsage, "-R");
}

// SM-15, SM-16, SM-17, SM-18: accepted, and nothing else becomes of the arguments beside them.
TEST(SendmailOptions, Ignored) {
    for (const std::string_view option :
         {"-odi", "-odb", "-odq", "-odd", "-odf", "-oem", "-oep", "-oeq", "-oew", "-oee", "-om", "-m", "-oo", "-os", "-n", "-U", "-x", "-G", "-v",
          "-vv", "-Am", "-Ac", "-d", "-d0-99.1", "-oA/etc/a", "-o7", "-o8", "-Ltag", "-h7", "-psmtp", "-em", "-oQ/x", "-OTimeout=5", "-oWhatever"})
        EXPECT_EQ(recipients(plan({option, "anna"})), Addresses{"anna"}) << option;
    for (const std::string_view option : {"-h", "-L", "-C", "-X", "-p", "-O", "-A", "-e"})
        EXPECT_EQ(recipients(plan({option, "value", "anna"})), Addresses{"anna"}) << option;
    EXPECT_EQ(recipients(plan({"-oA", "/etc/aliases", "anna"})), Addresses{"anna"});
    EXPECT_EQ(recipients(plan({"-oA", "anna"})), Addresses{"anna"});
}

TEST(SendmailOptions, Envelope) {  // SM-13, SM-14, SM-15
    const Plan result = plan({"-B7bit", "-R", "FULL", "-VQQ=1", "-Orequiretls=yes", "-O", "smtputf8=yes", "-Nsuccess,Failure", "a"});
    EXPECT_EQ(result.envelope.body, mail::BodyType::seven_bit);
    EXPECT_EQ(result.envelope.ret, mail::DsnReturn::full);
    EXPECT_EQ(result.envelope.envid, "QQ=1");
    EXPECT_TRUE(result.envelope.require_tls);
    EXPECT_TRUE(result.envelope.smtputf8);
    EXPECT_EQ(result.notify, mail::Notify::success | mail::Notify::failure);
    EXPECT_FALSE(plan({"-Orequiretls=no", "a"}).envelope.require_tls);
}

TEST(SendmailAddresses, OfFields) {
    const AddressList list = read_addresses(" Anna (x) <a@b>,\r\n grp: c @ d, \"e f\"@g ;, root (local), <@r:h@i>, undisclosed <>, x y z, , j@[192.0.2.1]");
    EXPECT_EQ(list.addresses, (Addresses{"a@b", "c@d", "\"e f\"@g", "root", "h@i", "j@[192.0.2.1]"}));
    EXPECT_EQ(list.unsound, Addresses{"x y z"});
    EXPECT_TRUE(read_addresses("undisclosed-recipients:;").addresses.empty());
    EXPECT_TRUE(read_addresses("undisclosed-recipients:;").unsound.empty());
    EXPECT_TRUE(read_addresses("").addresses.empty());
    // A fold behind a backslash would be a CR within RCPT's line.
    EXPECT_TRUE(read_addresses("\"a\\\r\n b\"@c").addresses.empty());
    EXPECT_EQ(read_addresses("\"a\\\r\n b\"@c, d@e").unsound.size(), 1U);
}

}  // namespace
}  // namespace posthorn::app::sendmail
