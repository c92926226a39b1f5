// Physical lines joined to logical ones, with a note of which line each part came from.
#include "migration/logical_lines.hpp"

#include "base/text.hpp"

namespace posthorn::migration {

std::uint32_t LogicalLine::line_at(std::size_t octet) const {
    std::uint32_t found = line;
    for (const auto& [from, number] : lines) {
        if (from <= octet) found = number;
    }
    return found;
}

std::vector<LogicalLine> logical_lines(std::string_view text) {
    std::vector<LogicalLine> found;
    std::uint32_t number = 0;
    while (!text.empty()) {
        std::string_view line = text::take_field(text, '\n');
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::string_view visible = text::trim(line);
        if (visible.empty() || visible.front() == '#') continue;
        if (text::is_blank(line.front()) && !found.empty()) {
            LogicalLine& before = found.back();
            before.lines.emplace_back(before.text.size(), number);
            before.text += line;
        } else {
            found.push_back({std::string(line), number, {{0, number}}});
        }
    }
    return found;
}

}  // namespace posthorn::migration
