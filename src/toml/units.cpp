// Numbers with units, read and written.
#include "toml/units.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace posthorn::toml {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};
constexpr std::array<Unit, 5> kTimes{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kSizes{
    {{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"", 1}}};

template <std::size_t N>
std::optional<std::uint64_t> parse(std::string_view text, const std::array<Unit, N>& units) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const Unit& unit : units) {
        if (rest == unit.name) {
            constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
            if (number > kMost / unit.factor) {
                return std::nullopt;
            }
            return number * unit.factor;
        }
    }
    return std::nullopt;
}

template <std::size_t N>
std::string format(std::uint64_t number, const std::array<Unit, N>& units) {
    for (const Unit& unit : units) {
        if (number % unit.factor == 0 && number != 0) {
            return std::to_string(number / unit.factor) + std::string(unit.name);
        }
    }
    return "0";
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    const auto milliseconds = parse(text, kTimes);
    if (!milliseconds) {
        return std::nullopt;
    }
    return Duration(static_cast<Duration::rep>(*milliseconds));
}

std::string format_duration(Duration duration) {
    return duration.count() <= 0 ? "0s" : format(static_cast<std::uint64_t>(duration.count()), kTimes);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse(text, kSizes);
}

std::string format_size(std::uint64_t octets) {
    return format(octets, kSizes);
}

std::optional<Rate> parse_rate(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::uint32_t count = 0;
    const std::string_view number = text.substr(0, slash);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), count);
    const auto per = parse_duration(text.substr(slash + 1));
    if (error != std::errc() || end != number.data() + number.size() || count == 0) return std::nullopt;
    if (!per || per->count() <= 0) return std::nullopt;
    return Rate{count, *per};
}

std::string format_rate(const Rate& rate) { return std::to_string(rate.count) + "/" + format_duration(rate.per); }

}  // namespace posthorn::toml
