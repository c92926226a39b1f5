// What `posthorn top` shows, as lines of a screen: pure, so that every size and state of it can be tested.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::app {

enum class TopOrder : std::uint8_t { oldest, next_try, tries, domain };
[[nodiscard]] std::string_view order_word(TopOrder order);

// One message of the list.
struct TopRow {
    std::string id, from, to;                          // the first recipient; safe for terminals
    std::string state;                                 // "in 5m", "now", "held", "sending"
    std::string why;                                   // class and the server's words
    std::string sender_domain, recipient_domain;
    Duration age{};
    std::uint64_t tries = 0, more = 0;                 // more recipients
    TimePoint due{};
};

// What the daemon said at one moment.
struct TopSample {
    TimePoint at{};
    boost::json::object status;                        // GET /v1/status with the members of /v1/survey and /v1/alarms
    std::vector<TopRow> rows;
    bool more_rows = false;                            // the queue is longer than what was asked for
};
[[nodiscard]] std::vector<TopRow> top_rows(const boost::json::object& queue, TimePoint now);
void sort_rows(std::vector<TopRow>& rows, TopOrder order);

// What the person at the keyboard sees of it.
struct TopScreen {
    std::size_t columns = 80, lines = 24;
    bool colours = false;
    bool paused = false;
    TopOrder order = TopOrder::oldest;
    std::string selected;                              // an id
    std::string note;                                  // the last line instead of the keys: a question, an answer, a trouble
    std::vector<std::string> page;                     // not empty: shown in place of everything
    std::size_t page_from = 0;                         // its first line on the screen
};

// Exactly screen.lines lines of at most screen.columns cells, without line ends. before: an earlier sample, for what happens a second;
// null: none yet.
[[nodiscard]] std::vector<std::string> top_lines(const TopSample& sample, const TopSample* before, const TopScreen& screen);
// The same once, for pipes: as long as it is, without colours, `columns` wide.
[[nodiscard]] std::string top_once(const TopSample& sample, std::size_t columns);

}  // namespace posthorn::app
