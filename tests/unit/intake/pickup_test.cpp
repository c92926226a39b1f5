// The rules of picking up spool files: each kind of entry, each fault of a record, and when keys are forgotten (SM-31 to SM-34).
#include "intake/pickup.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <set>

namespace posthorn::intake {
namespace {

using namespace std::chrono_literals;
using Kind = EntryVerdict::Kind;

constexpr TimePoint kNow{std::chrono::hours(24 * 365 * 50)};

SpoolEntry good_entry() {
    SpoolEntry entry;
    entry.name = mail::handoff_name(1, 812, 7);
    entry.uid = 33;
    return entry;
}

TEST(SpoolEntryRules, APlainFileOfOurProgramIsTaken) {
    EXPECT_EQ(judge(good_entry()).kind, Kind::take);
    EXPECT_EQ(judge(good_entry()).reason, "");
}

TEST(SpoolEntryRules, WhatIsNoPlainFileIsPutAside) {
    SpoolEntry entry = good_entry();
    entry.kind = SpoolEntry::Kind::symlink;
    EXPECT_EQ(judge(entry).kind, Kind::refuse);
    entry = good_entry();
    entry.error = ELOOP;  // it became one between the look and the opening
    EXPECT_EQ(judge(entry).kind, Kind::refuse);
    entry = good_entry();
    entry.kind = SpoolEntry::Kind::other;
    EXPECT_EQ(judge(entry).kind, Kind::refuse);
    entry.error = EACCES;  // whether or not it may be read
    EXPECT_EQ(judge(entry).kind, Kind::refuse);
    entry = good_entry();
    entry.error = ENXIO;
    EXPECT_EQ(judge(entry).kind, Kind::refuse);
    for (const std::uint64_t links : {0, 2, 3}) {
        entry = good_entry();
        entry.links = links;
        EXPECT_EQ(judge(entry).kind, Kind::refuse) << links;
    }
    for (const char* name : {"UPPER", "with blank", "a/b", "line\n", "-", "%2e"}) {
        entry = good_entry();
        entry.name = name;
        EXPECT_EQ(judge(entry).kind, Kind::refuse) << name;
    }
}

// A file of alice's that www-data may write to and rename, moved here with a record in it, is not her mail (SM-32).
TEST(SpoolEntryRules, WhatWasWrittenElsewhereOrMayBeWrittenByOthersIsPutAside) {
    SpoolEntry entry = good_entry();
    entry.gid = 33;
    EXPECT_EQ(judge(entry).kind, Kind::take) << "no setgid bit, so groups say nothing";
    entry.spool_gid = 25;
    EXPECT_EQ(judge(entry).kind, Kind::refuse);
    EXPECT_NE(judge(entry).reason.find("33"), std::string::npos);
    entry.gid = 25;
    EXPECT_EQ(judge(entry).kind, Kind::take);
    for (const std::uint32_t mode : {0660U, 0646U, 0622U, 04666U}) {
        entry.mode = mode;
        EXPECT_EQ(judge(entry).kind, Kind::refuse) << mode;
    }
    for (const std::uint32_t mode : {0640U, 0644U, 0600U}) {
        entry.mode = mode;
        EXPECT_EQ(judge(entry).kind, Kind::take) << mode;
    }
}

TEST(SpoolEntryRules, OurOwnTroubleLeavesItForLater) {
    SpoolEntry entry = good_entry();
    entry.error = ENOENT;
    EXPECT_EQ(judge(entry).kind, Kind::gone);
    for (const int error : {EMFILE, ENFILE, EIO, ENOMEM, EINTR}) {
        entry.error = error;
        EXPECT_EQ(judge(entry).kind, Kind::later) << error;
    }
    entry.error = EACCES;
    EXPECT_EQ(judge(entry).kind, Kind::leave);
    EXPECT_NE(judge(entry).reason.find("0640"), std::string::npos) << "the operator has to know what to do";
}

TEST(SpoolEntryRules, ADamagedRecordIsPutAsideANewerOneIsLeft) {
    using mail::HandoffFault;
    EXPECT_EQ(judge(HandoffFault::none).kind, Kind::take);
    EXPECT_EQ(judge(HandoffFault::other_version).kind, Kind::leave);
    for (const auto fault : {HandoffFault::not_a_record, HandoffFault::bad_line, HandoffFault::head_too_long, HandoffFault::no_recipients,
                             HandoffFault::no_end, HandoffFault::wrong_length, HandoffFault::wrong_sum}) {
        EXPECT_EQ(judge(fault).kind, Kind::refuse);
        EXPECT_FALSE(judge(fault).reason.empty());
    }
}

TEST(SpoolEntryRules, NamesOfTwoUsersDoNotMeetInRefused) {
    SpoolEntry entry = good_entry();
    entry.name = "same";
    EXPECT_EQ(refused_name(entry, 0), "33-same");
    EXPECT_EQ(refused_name(entry, 2), "33-same-2");
    entry.name = std::string(255, 'x');
    EXPECT_LT(refused_name(entry, 999).size(), 255U);
}

TEST(SpoolEntryRules, UnfinishedFilesAreAbandonedAfterTheirTime) {
    EXPECT_FALSE(is_abandoned(kNow, kNow, 24h));
    EXPECT_FALSE(is_abandoned(kNow - 23h, kNow, 24h));
    EXPECT_TRUE(is_abandoned(kNow - 24h, kNow, 24h));
    EXPECT_FALSE(is_abandoned(kNow + 1h, kNow, 24h)) << "the clock of another machine";
    EXPECT_TRUE(is_abandoned(kNow + 25h, kNow, 24h)) << "it would lie there for ever";
}

mail::Handoff handoff(std::string sender, std::vector<std::string> recipients) {
    mail::Handoff handoff;
    handoff.sender_asked = true;
    handoff.envelope.reverse_path = std::move(sender);
    for (std::string& address : recipients) {
        mail::EnvelopeRecipient recipient;
        recipient.address = std::move(address);
        handoff.envelope.recipients.push_back(std::move(recipient));
    }
    return handoff;
}

// xtext can hold any octet, and anybody can write a record with the right checksum (SM-32).
TEST(ForgedRecords, OctetsThatWouldReachTheWireAreFound) {
    EXPECT_EQ(forged(handoff("alice@example.org", {"bob@example.net", "root"})), "");
    EXPECT_EQ(forged(handoff("www-data", {"bob@example.net"})), "");
    EXPECT_EQ(forged(handoff("", {"bob@example.net"})), "");
    for (const char* sender : {"a@example.org>\r\nDATA", "a@example.org>", "a@example.org> SIZE=1", "a b", "<a@example.org>"}) {
        EXPECT_NE(forged(handoff(sender, {"bob@example.net"})), "") << sender;
    }
    EXPECT_NE(forged(handoff("a@example.org", {"bob@example.net\r\nDATA"})), "");
    mail::Handoff record = handoff("a@example.org", {"bob@example.net"});
    record.envelope.envid = "x\ny";
    EXPECT_NE(forged(record), "");
    record.envelope.envid.clear();
    record.name = "Anna\r\nBcc: victim@example.net";
    EXPECT_NE(forged(record), "");
    record.name = "Anna Blume";
    record.envelope.recipients[0].orcpt = std::string("rfc822;a\0b", 10);
    EXPECT_NE(forged(record), "");
}

TEST(ForgedRecords, ParametersThatSmtpWouldNotHaveTakenAreFound) {
    mail::Handoff record = handoff("a@example.org", {"bob@example.net"});
    record.envelope.envid = std::string(101, 'x');
    EXPECT_NE(forged(record), "");
    record.envelope.envid = "caf\xe9";
    EXPECT_NE(forged(record), "");
    record.envelope.envid = "QQ 314159+";
    std::string& orcpt = record.envelope.recipients[0].orcpt;
    for (const char* good : {"", "rfc822;bob smith@example.net", "x-local;bob", "utf-8;b\xc3\xb6" "b@example.net"}) {
        orcpt = good;
        EXPECT_EQ(forged(record), "") << good;
    }
    for (const char* bad : {"bob", ";bob", "rfc822 NOTIFY=NEVER;bob", "rfc822> X;bob", "utf-8;a@b NOTIFY=NEVER", "UTF-8;\xff"}) {
        orcpt = bad;
        EXPECT_NE(forged(record), "") << bad;
    }
    orcpt = "rfc822;" + std::string(500, 'x');
    EXPECT_NE(forged(record), "");
}

TEST(ForgedRecords, RecipientsThatAreNoAddressesAreTakenOut) {
    mail::Envelope envelope = handoff("", {"bob@EXAMPLE.net", "a b", "root", "x@y>z", "two@@example.net", "\"a b\""}).envelope;
    const auto refused = refuse_malformed(envelope);
    ASSERT_EQ(refused.size(), 3U);
    for (const RefusedRecipient& one : refused) {
        EXPECT_EQ(one.code, 553);
        EXPECT_EQ(one.enhanced, "5.1.3");
        EXPECT_FALSE(one.text.empty());
    }
    EXPECT_EQ(refused[0].recipient.address, "a b");
    ASSERT_EQ(envelope.recipients.size(), 3U);
    EXPECT_EQ(envelope.recipients[0].address, "bob@example.net");
    EXPECT_EQ(envelope.recipients[1].address, "root");
    EXPECT_EQ(envelope.recipients[2].address, "\"a b\"");
}

TEST(ReportTo, TheSenderItWouldHaveHad) {
    SenderPolicy policy;
    policy.domains = {"example.org"};
    policy.ours = auth::SenderRules::of_domains(policy.domains);
    Submission submission;
    submission.sender_policy = &policy;
    submission.caller.emplace();
    submission.caller->user = "www-data";
    mail::Envelope envelope;
    const auto to = [&](bool asked, std::string path, std::string_view header) {
        submission.sender_asked = asked;
        envelope.reverse_path = std::move(path);
        return report_to(submission, envelope, header);
    };
    EXPECT_EQ(to(true, "anna@example.org", ""), "anna@example.org");
    EXPECT_EQ(to(true, "", "From: anna@example.org\r\n\r\n"), "") << "about mail of the null sender nobody is told (RFC 5321 s4.5.5)";
    EXPECT_EQ(to(false, "", "From: Anna <anna@example.org>\r\n\r\nbody"), "anna@example.org");
    EXPECT_EQ(to(false, "", "no header at all\r\n"), "www-data@example.org");
    EXPECT_EQ(to(false, "", ""), "www-data@example.org");
    EXPECT_EQ(to(true, "visitor@gmail.com", "From: visitor@gmail.com\r\n\r\n"), "www-data@example.org") << "never to a stranger";
    policy.foreign = ForeignFrom::refuse;
    policy.address = "site@example.org";
    EXPECT_EQ(to(true, "visitor@gmail.com", "From: visitor@gmail.com\r\n\r\n"), "site@example.org");
    submission.sender_policy = nullptr;
    EXPECT_EQ(to(true, "anna@elsewhere.net", ""), "anna@elsewhere.net");
}

// SM-34, mail/handoff.hpp: a key may go when nobody can bring its hand-over again.
TEST(Forgettable, AfterAScanThatBeganAnHourLaterAndSawNoSuchFile) {
    std::set<std::string, std::less<>> files = {"there"};
    LastScan scan;
    scan.began = kNow;
    scan.present = [&](std::string_view name) { return files.contains(name); };
    const auto forgotten = [&](const char* key, Duration ago) { return !forgettable({{key, kNow - ago}}, scan, kNow).empty(); };
    EXPECT_TRUE(forgotten("33/gone", 1h));
    EXPECT_FALSE(forgotten("33/gone", 59min)) << "its program may be about to spool it";
    EXPECT_FALSE(forgotten("33/there", 1h));
    EXPECT_FALSE(forgotten("33/there", 24h * 365)) << "a file that cannot be removed is never stored twice";
    EXPECT_FALSE(forgotten("33/there+1", 24h)) << "nor what else was made of it";
    EXPECT_FALSE(forgotten("33/there#r1", 24h));
    EXPECT_TRUE(forgotten("33/gone+1", 1h));
    EXPECT_TRUE(forgotten("nonsense", 1h));

    // No scan was whole since: some spool cannot be read.
    scan.began = kNow - 2h;
    EXPECT_FALSE(forgotten("33/gone", 90min));
    EXPECT_TRUE(forgotten("33/gone", 3h));
    scan.began = TimePoint{};
    EXPECT_FALSE(forgotten("33/gone", 23h));
    EXPECT_TRUE(forgotten("33/gone", 24h)) << "the list does not grow for ever";
}

}  // namespace
}  // namespace posthorn::intake
