// Where things stand in a TOML text: lines, headings, paragraphs, as the octets between which something can
// be replaced, put in or taken out.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "toml/value.hpp"

namespace posthorn::setup {

// Looks into a text and the values read from it; both outlive it. Offsets are in octets.
class TomlLayout {
public:
    TomlLayout(std::string_view text, const toml::Table& root);

    [[nodiscard]] std::size_t offset(toml::Position at) const;
    [[nodiscard]] std::size_t line_begin(std::size_t offset) const;
    // One past the line's '\n', or the end of the text.
    [[nodiscard]] std::size_t line_end(std::size_t offset) const;
    [[nodiscard]] std::string_view line(std::size_t offset) const;  // without spaces around it
    [[nodiscard]] bool is_blank(std::size_t offset) const { return line(offset).empty(); }
    [[nodiscard]] bool is_comment(std::size_t offset) const { return line(offset).starts_with('#'); }

    // Made by a heading of its own, [x] or [[x]]: neither {x = 1} nor x.y = 1.
    [[nodiscard]] bool has_heading(const toml::Value& table) const;
    // The first heading at or after an offset, or the end of the text.
    [[nodiscard]] std::size_t next_heading(std::size_t offset) const;
    // One past the line with the last octet of the value and all that is below it.
    [[nodiscard]] std::size_t end_of_lines(const toml::Value& value) const;
    // The same of what `table` gives itself, without the tables that have headings of their own; 0: nothing.
    [[nodiscard]] std::size_t end_of_own_lines(const toml::Table& table) const;
    // Over the comment lines that follow an end of lines directly, unless a heading or a key follows them as
    // directly: then they speak of that.
    [[nodiscard]] std::size_t end_of_paragraph(std::size_t end) const;
    // Whether a line between two offsets is a heading that is commented out, "#[[domain]]": it begins something of its own.
    [[nodiscard]] bool has_commented_out_heading(std::size_t begin, std::size_t end) const;
    // Back over the comment lines directly above the line that begins here.
    [[nodiscard]] std::size_t begin_of_comments(std::size_t begin) const;
    // One past the line "#key = ..." between two offsets, where there is one.
    [[nodiscard]] std::optional<std::size_t> after_commented_out(std::string_view key, std::size_t begin,
                                                                 std::size_t end) const;

private:
    void collect(const toml::Table& table);

    std::string_view text_;
    std::vector<std::size_t> lines_;     // where each begins
    std::vector<std::size_t> headings_;  // where each begins, ascending
};

}  // namespace posthorn::setup
