// How old the waiting mail is, by recipient domain or sender domain: the table that Postfix's qshape prints.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"

namespace posthorn::queue {

// Upper ends of the columns in minutes, exclusive; one more column is for all that is older.
inline constexpr std::array<std::uint32_t, 9> kAgeMinutes = {5, 10, 20, 40, 80, 160, 320, 640, 1280};
inline constexpr std::size_t kAgeColumns = kAgeMinutes.size() + 1;
[[nodiscard]] std::size_t age_column(TimePoint accepted_at, TimePoint now);

struct AgeRow {
    std::string name;                                   // a domain; empty: the null reverse-path
    std::array<std::uint64_t, kAgeColumns> counts{};    // recipients that wait, held and suspended ones too

    [[nodiscard]] std::uint64_t total() const;
};

// A part of the queue, so that whoever reads all of it lets others in between.
struct AgeQuery {
    TimePoint now{};
    std::int64_t after = 0;       // AgePage::looked_to of the part before
    std::size_t limit = 20'000;   // recipients looked at, at most 100,000
    bool by_sender = false;       // by the reverse-path's domain; else by the recipient's
};

struct AgePage {
    std::vector<AgeRow> rows;     // each name once, in no order
    std::int64_t looked_to = 0;
    bool complete = true;         // there are no more recipients behind
};

// Sums up pages. Bounded: of more than kMostRows names those that come later are one row, "(others)".
class AgeTable {
public:
    static constexpr std::size_t kMostRows = 20'000;
    static constexpr std::string_view kOthers = "(others)";

    void add(const AgeRow& row) { add(row.name, row); }
    void add(const std::string& name, const AgeRow& row);   // under another name
    [[nodiscard]] AgeRow total() const;                     // named "TOTAL"
    // The fullest first, of equal ones by name.
    [[nodiscard]] std::vector<AgeRow> fullest(std::size_t limit) const;
    [[nodiscard]] std::size_t size() const { return rows_.size(); }

private:
    std::map<std::string, AgeRow, std::less<>> rows_;
};

}  // namespace posthorn::queue
