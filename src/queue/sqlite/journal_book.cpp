// Writing and trimming the journal.
#include "queue/sqlite/journal_book.hpp"

#include <algorithm>

namespace posthorn::queue::sqlite {

namespace {

// A look at what may go is worth a batch's time when so many came, or after so long.
constexpr std::uint64_t kLookAfter = 64;
constexpr Duration kLookEvery = std::chrono::minutes(1);
// What one batch removes at most beyond twice what was written: the journal shrinks to a smaller bound in steps.
constexpr std::uint64_t kStep = 256;

}  // namespace

JournalBook::JournalBook(Connection& connection, const JournalOptions& options)
    : options_(options),
      insert_(connection,
              "INSERT INTO journal (seq, at, message_id, attempts, delay, due_at, event, class, grp, recipient, sender, source,"
              " stream, host, rule, reply, diagnosis, transcript) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      oldest_(connection, "SELECT seq, at FROM journal ORDER BY seq LIMIT ?"),
      remove_(connection, "DELETE FROM journal WHERE seq < ?") {
    kept_.first = static_cast<std::uint64_t>(connection.value("SELECT min(seq) FROM journal"));
    kept_.last = static_cast<std::uint64_t>(connection.value("SELECT max(seq) FROM journal"));
    committed_ = kept_;
}

void JournalBook::write(const JournalEntry& entry) {
    if (options_.max_rows == 0) {
        return;
    }
    const std::uint64_t seq = kept_.last + 1;
    insert_.bind(1, static_cast<std::int64_t>(seq)).bind(2, entry.at).bind(3, entry.message.value());
    insert_.bind(4, entry.attempts).bind(5, entry.delay.count()).bind(6, entry.due_at);
    insert_.bind_text(7, entry.event).bind_text(8, entry.failure_class).bind_text(9, entry.group);
    insert_.bind_text(10, entry.to).bind_text(11, entry.from).bind_text(12, entry.source);
    insert_.bind_text(13, entry.stream).bind_text(14, entry.host).bind_text(15, entry.rule);
    insert_.bind_text(16, entry.reply).bind_text(17, entry.diagnosis);
    const std::string_view transcript = entry.transcript;
    insert_.bind_text(18, transcript.substr(0, JournalEntry::kLongestTranscript)).run();
    kept_.last = seq;
    kept_.first = std::max<std::uint64_t>(kept_.first, 1);
    unpaid_ += 1;
}

void JournalBook::trim(TimePoint now) {
    if (kept_.first >= kept_.last) {
        return;
    }
    const std::uint64_t rows = kept_.last - kept_.first + 1;
    const std::uint64_t too_many = rows - std::min(rows, std::max<std::uint64_t>(options_.max_rows, 1));
    // A clock that was set back must not end the looking.
    const bool age_is_due = now - age_checked_ >= kLookEvery || now < age_checked_;
    if (too_many < kLookAfter && unpaid_ < kLookAfter && !age_is_due) {
        return;
    }
    const std::uint64_t budget = 2 * unpaid_ + kStep;
    std::uint64_t cut = kept_.first + std::min(too_many, budget);
    if (age_is_due) {
        const StatementScope scope(oldest_);
        oldest_.bind(1, static_cast<std::int64_t>(budget));
        bool all_old = true;
        std::uint64_t first_kept = kept_.first;
        while (oldest_.step()) {
            if (oldest_.time(1) >= now - options_.keep) {
                all_old = false;
                break;
            }
            first_kept = static_cast<std::uint64_t>(oldest_.integer(0)) + 1;
        }
        cut = std::max(cut, std::min(first_kept, kept_.last));
        if (!all_old || first_kept > kept_.last) {
            age_checked_ = now;
        }
    }
    unpaid_ = 0;
    if (cut > kept_.first) {
        remove_.bind(1, static_cast<std::int64_t>(cut)).run();
        kept_.first = cut;
    }
}

void JournalBook::rolled_back() {
    kept_ = committed_;
}

}  // namespace posthorn::queue::sqlite
