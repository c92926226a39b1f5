// The writer's half of the journal: entries go in with their settlement, old ones go out with later batches, a bounded number each.
#pragma once

#include <cstdint>

#include "queue/options.hpp"
#include "queue/sqlite/database.hpp"

namespace posthorn::queue::sqlite {

// Owned by Changes; all calls inside the writer's transaction but committed() and rolled_back().
//
// The numbers have no gaps: only the oldest go. The newest always stays, so that a number is never given twice, not even
// after a restart with an empty journal.
class JournalBook {
public:
    JournalBook(Connection& connection, const JournalOptions& options);

    void write(const JournalEntry& entry);
    // At the end of a batch, before its commit.
    void trim(TimePoint now);
    void committed() { committed_ = kept_; }
    void rolled_back();

    struct Range {
        std::uint64_t first = 0, last = 0;  // 0 and 0: there never was an entry
    };
    [[nodiscard]] Range kept() const { return committed_; }

private:
    JournalOptions options_;
    Range kept_;
    Range committed_;
    std::uint64_t unpaid_ = 0;      // entries written since the last look at those that may go
    TimePoint age_checked_{};       // the last time nothing was too old
    Statement insert_, oldest_, remove_;
};

}  // namespace posthorn::queue::sqlite
