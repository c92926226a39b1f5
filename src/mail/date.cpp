// RFC 5322 dates: see date.hpp.
#include "mail/date.hpp"

#include <array>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "mail/cfws.hpp"

namespace posthorn::mail {

namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void append_digits(std::string& to, unsigned value, unsigned width) {
    char digits[10];
    for (unsigned i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
    to.append(digits, width);
}

// Words, numbers and single characters of a date, with blanks, folding and comments skipped.
class DateReader {
public:
    explicit DateReader(std::string_view text) : text_(text) { skip(); }

    [[nodiscard]] bool done() const { return text_.empty(); }
    [[nodiscard]] bool sound() const { return sound_; }

    bool take(char c) {
        if (text_.empty() || text_.front() != c) return false;
        text_.remove_prefix(1);
        skip();
        return true;
    }
    std::string_view word() {
        return run([](char c) { return text::is_alpha(c); });
    }
    std::string_view digits() {
        return run([](char c) { return text::is_digit(c); });
    }
    // `least` to `most` digits with a value in [low, high].
    std::optional<unsigned> number(std::size_t least, std::size_t most, unsigned low, unsigned high) {
        const std::string_view found = digits();
        if (found.size() < least || found.size() > most) return std::nullopt;
        const auto value = text::parse_unsigned(found, high);
        if (!value || *value < low) return std::nullopt;
        return static_cast<unsigned>(*value);
    }

private:
    template <class Wanted>
    std::string_view run(Wanted wanted) {
        std::size_t length = 0;
        while (length < text_.size() && wanted(text_[length])) ++length;
        const std::string_view found = text_.substr(0, length);
        text_.remove_prefix(length);
        skip();
        return found;
    }

    void skip() {
        const Cfws skipped = cfws_in_front(text_);
        if (!skipped.closed) sound_ = false;
        text_.remove_prefix(skipped.length);
    }

    std::string_view text_;
    bool sound_ = true;
};

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& names) {
    for (const auto name : names)
        if (text::iequals(word, name)) return true;
    return false;
}

std::optional<unsigned> month_of(std::string_view word) {
    for (unsigned i = 0; i < kMonths.size(); ++i)
        if (text::iequals(word, kMonths[i])) return i + 1;
    return std::nullopt;
}

// Minutes east of Greenwich.
std::optional<int> zone(DateReader& reader) {
    const bool west = reader.take('-');
    if (west || reader.take('+')) {
        const std::string_view offset = reader.digits();
        if (offset.size() != 4 || offset[2] >= '6') return std::nullopt;
        const auto number = static_cast<int>(*text::parse_unsigned(offset));
        const int minutes = number / 100 * 60 + number % 100;
        return west ? -minutes : minutes;
    }
    // RFC 5322 s4.3: UT, GMT, the American ones, the military letters, and any other word counts as -0000.
    const std::string_view word = reader.word();
    if (word.empty() || word.size() > 5) return std::nullopt;
    constexpr std::array<std::pair<std::string_view, int>, 8> kAmerican = {
        {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}}};
    for (const auto& [name, hours] : kAmerican)
        if (text::iequals(name, word)) return hours * 60;
    return 0;
}

}  // namespace

std::string format_date(TimePoint when) {
    const auto second = std::chrono::floor<std::chrono::seconds>(when);
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(second - day);
    std::string text;
    text.reserve(31);
    text += kDays[std::chrono::weekday(day).c_encoding()];
    text += ", ";
    append_digits(text, static_cast<unsigned>(date.day()), 2);
    text += ' ';
    text += kMonths[static_cast<unsigned>(date.month()) - 1];
    text += ' ';
    append_digits(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    text += ' ';
    append_digits(text, static_cast<unsigned>(time.hours().count()), 2);
    text += ':';
    append_digits(text, static_cast<unsigned>(time.minutes().count()), 2);
    text += ':';
    append_digits(text, static_cast<unsigned>(time.seconds().count()), 2);
    text += " +0000";
    return text;
}

std::optional<TimePoint> parse_date(std::string_view value) {
    DateReader reader(value);
    if (const std::string_view day_name = reader.word(); !day_name.empty()) {
        if (!is_one_of(day_name, kDays) || !reader.take(',')) return std::nullopt;
    }
    const auto day = reader.number(1, 2, 1, 31);
    const auto month = month_of(reader.word());
    const std::string_view year_text = reader.digits();
    const auto year = text::parse_unsigned(year_text, 9999);
    if (!day || !month || !year || year_text.size() < 2) return std::nullopt;
    const auto hour = reader.number(1, 2, 0, 23);
    if (!hour || !reader.take(':')) return std::nullopt;
    const auto minute = reader.number(2, 2, 0, 59);
    if (!minute) return std::nullopt;
    std::optional<unsigned> second = 0U;
    if (reader.take(':')) second = reader.number(2, 2, 0, 60);  // 60: a leap second
    if (!second) return std::nullopt;
    const auto east = zone(reader);
    if (!east || !reader.done() || !reader.sound()) return std::nullopt;
    // RFC 5322 s4.3: two digits below 50 mean 20yy, from 50 on 19yy; three mean 1900 + yyy.
    const auto full = static_cast<int>(*year) + (year_text.size() == 2 && *year < 50 ? 2000
                                                 : year_text.size() <= 3             ? 1900
                                                                                     : 0);
    const std::chrono::year_month_day date{std::chrono::year(full), std::chrono::month(*month),
                                           std::chrono::day(*day)};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second) - std::chrono::minutes(*east);
}

bool is_valid_date(std::string_view value) { return parse_date(value).has_value(); }

}  // namespace posthorn::mail
