// Tests of delivery/in_doubt.hpp: marks survive the object, damage and strangers' octets are passed over (RFC 1047).
#include "delivery/in_doubt.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace posthorn::delivery {
namespace {

class InDoubtTest : public testing::Test {
protected:
    InDoubtTest() {
        char name[] = "/tmp/posthorn-in-doubt-XXXXXX";
        directory_ = ::mkdtemp(name);
    }
    ~InDoubtTest() override { std::filesystem::remove_all(directory_); }

    static Doubt doubt(std::int64_t message, std::vector<queue::RecipientId> recipients = {7}) {
        Doubt made;
        made.message = QueueId(message);
        made.domain = "dest.test";
        made.host = "mx.dest.test[192.0.2.1]";
        made.since = TimePoint(Duration(1'795'294'321'000));
        made.recipients = std::move(recipients);
        return made;
    }
    std::vector<Doubt> left() {
        InDoubtFile file;
        return file.open(directory_);
    }
    [[nodiscard]] std::string path() const { return directory_ + "/in-doubt"; }

    std::string directory_;
};

TEST_F(InDoubtTest, ASlotComesBackAsItWas) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
        std::vector<queue::RecipientId> ids;
        for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<queue::RecipientId>(i * 3 + 1));
        const Doubt before = doubt(42, ids);
        const std::string slot = encode_doubt(before);
        EXPECT_LE(slot.size(), kDoubtSlot);
        Doubt after;
        ASSERT_TRUE(decode_doubt(slot, after)) << count;
        EXPECT_EQ(after, before);
        EXPECT_TRUE(decode_doubt(slot + std::string(kDoubtSlot - slot.size(), 'x'), after)) << "what was there before";
    }
}

TEST_F(InDoubtTest, ATornOrChangedSlotIsNone) {
    const std::string slot = encode_doubt(doubt(42, {1, 2, 3}));
    Doubt out;
    for (std::size_t cut = 0; cut < slot.size(); ++cut) EXPECT_FALSE(decode_doubt(slot.substr(0, cut), out)) << cut;
    for (std::size_t at = 0; at < slot.size(); ++at) {
        std::string changed = slot;
        changed[at] = static_cast<char>(changed[at] ^ 0x20);
        EXPECT_FALSE(decode_doubt(changed, out)) << at;
    }
    EXPECT_FALSE(decode_doubt(std::string(kDoubtSlot, '\0'), out));
}

// Nobody is kept from writing a sum that fits: what the slot says of itself is held against what is there.
TEST_F(InDoubtTest, MoreRecipientsThanThereAreOctetsIsNone) {
    const auto number = [](std::uint64_t value) {
        std::string octets;
        for (int shift = 0; shift < 64; shift += 8) octets += static_cast<char>(value >> shift & 0xff);
        return octets;
    };
    for (const std::uint64_t count : {std::uint64_t{1} << 61, std::uint64_t{1}, ~std::uint64_t{0}}) {
        const std::string body = number(42) + number(1) + number(1) + "d" + number(1) + "h" + number(count);
        std::uint64_t sum = 14695981039346656037U;
        for (const char c : body) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
        Doubt out;
        EXPECT_FALSE(decode_doubt("PHdoubt1" + number(body.size()) + number(sum) + body, out)) << count;
    }
}

// Contract of kill -9: what was noted and not settled is found by the next process, once.
TEST_F(InDoubtTest, WhatWasNotSettledIsLeft) {
    {
        InDoubtFile file;
        EXPECT_TRUE(file.open(directory_).empty());
        InDoubtFile::Mark settled(file), lost(file), never_noted(file);
        settled.note(doubt(1));
        lost.note(doubt(2, {5, 6}));
        settled.settled();
        never_noted.settled();
    }
    InDoubtFile next;
    const std::vector<Doubt> found = next.open(directory_);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.front(), doubt(2, {5, 6}));
    // Until it is forgotten its slot is nobody else's.
    {
        InDoubtFile::Mark mark(next), more(next);
        mark.note(doubt(3));
        more.note(doubt(4));
        EXPECT_EQ(left().size(), 3U);
        mark.settled();
        more.settled();
    }
    EXPECT_EQ(left().size(), 1U);
    next.forget_left();
    EXPECT_TRUE(left().empty());
}

TEST_F(InDoubtTest, SlotsAreUsedAgain) {
    InDoubtFile file;
    ASSERT_TRUE(file.open(directory_).empty());
    for (int i = 1; i <= 100; ++i) {
        InDoubtFile::Mark mark(file);
        mark.note(doubt(i));
        mark.settled();
    }
    EXPECT_LE(std::filesystem::file_size(path()), kDoubtSlot);
}

TEST_F(InDoubtTest, ForeignOctetsAreNotDoubtsAndDoNotMatter) {
    std::ofstream(path(), std::ios::binary) << std::string(3 * kDoubtSlot / 2, 'z');
    InDoubtFile file;
    EXPECT_TRUE(file.open(directory_).empty());
    InDoubtFile::Mark mark(file);
    mark.note(doubt(9));
    EXPECT_EQ(left(), std::vector<Doubt>{doubt(9)});
}

TEST_F(InDoubtTest, AFileThatCannotBeUsedCostsTheMarksOnly) {
    ASSERT_EQ(::mkdir(path().c_str(), 0700), 0);
    InDoubtFile file;
    EXPECT_TRUE(file.open(directory_).empty());
    InDoubtFile::Mark mark(file);
    mark.note(doubt(9));
    mark.settled();
    InDoubtFile never_opened;
    InDoubtFile::Mark other(never_opened);
    other.note(doubt(9));
    other.settled();
}

TEST_F(InDoubtTest, ALinkIsNotFollowed) {
    std::ofstream(directory_ + "/victim") << "precious";
    ASSERT_EQ(::symlink((directory_ + "/victim").c_str(), path().c_str()), 0);
    InDoubtFile file;
    EXPECT_TRUE(file.open(directory_).empty());
    InDoubtFile::Mark mark(file);
    mark.note(doubt(9));
    EXPECT_EQ(std::filesystem::file_size(directory_ + "/victim"), 8U);
}

queue::QueueEntry entry_of(std::vector<queue::Recipient> recipients) {
    queue::QueueEntry entry;
    entry.id = QueueId(42);
    entry.expires_at = TimePoint(Duration(1'795'999'999'000));
    entry.recipient_count = recipients.size();
    entry.recipients = std::move(recipients);
    return entry;
}

// RFC 5321 s4.5.3.2.6, RFC 1047: as a connection lost after the final dot, so the retry schedule says when it goes again.
TEST(JudgeDoubt, IsAnAttemptThatWasLostAfterTheFinalDot) {
    Doubt doubt;
    doubt.message = QueueId(42);
    doubt.host = "mx.dest.test[192.0.2.1]";
    doubt.since = TimePoint(Duration(1'795'294'321'000));
    doubt.recipients = {1, 2, 3, 4};
    queue::Recipient waiting;
    waiting.id = 1;
    waiting.address = "bob@dest.test";
    queue::Recipient recorded = waiting;   // deferred, and killed right after
    recorded.id = 2;
    recorded.last_attempt = doubt.since + std::chrono::milliseconds(5);
    queue::Recipient suspended = waiting;
    suspended.id = 3;
    suspended.state = queue::RecipientState::suspended;   // 4 is gone: delivered
    const auto judged = judge_doubt(doubt, entry_of({waiting, recorded, suspended}));
    ASSERT_EQ(judged.size(), 1U);
    EXPECT_EQ(judged[0].recipient.id, 1);
    EXPECT_TRUE(judged[0].outcome.maybe_delivered);
    const queue::RetryOptions retry;
    const TimePoint now = doubt.since + std::chrono::seconds(30);
    Judged item = judged[0];
    item.recipient.expires_at = now + std::chrono::hours(48);
    const queue::Verdict verdict = verdict_of(item, doubt.since, retry, now, 0.5);
    EXPECT_EQ(verdict.kind, queue::Verdict::Kind::defer);
    EXPECT_EQ(verdict.in_doubt, "mx.dest.test[192.0.2.1]");
    EXPECT_EQ(verdict.due_at, now + retry.first);   // not at once
    item.recipient.state = queue::RecipientState::held;
    EXPECT_EQ(verdict_of(item, doubt.since, retry, now, 0.5).kind, queue::Verdict::Kind::hold);
}

// The queue shows 100 recipients of a message; the others are marked as well.
TEST(JudgeDoubt, RecipientsThatThePageDoesNotShow) {
    Doubt doubt;
    doubt.message = QueueId(42);
    doubt.host = "mx[192.0.2.1]";
    doubt.since = TimePoint(Duration(1'795'294'321'000));
    doubt.recipients = {500};
    queue::Recipient other;
    other.id = 1;
    queue::QueueEntry entry = entry_of({other});
    EXPECT_TRUE(judge_doubt(doubt, entry).empty());
    entry.recipient_count = 200;
    const auto judged = judge_doubt(doubt, entry);
    ASSERT_EQ(judged.size(), 1U);
    EXPECT_EQ(judged[0].recipient.id, 500);
    EXPECT_EQ(judged[0].recipient.message, QueueId(42));
}

}  // namespace
}  // namespace posthorn::delivery
