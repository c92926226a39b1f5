// posthorn.toml while it is being written: tables and keys, each with the place it comes from.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::migration {

// TOML's forms of values.
[[nodiscard]] std::string toml_string(std::string_view text);
[[nodiscard]] std::string toml_list(std::span<const std::string> items);
// "5d", "90s": the largest unit that gives a whole number.
[[nodiscard]] std::string toml_duration(long seconds);

class Draft {
public:
    class Table {
    public:
        // `value` is TOML; `origin` follows as a comment, or stands above where the line would be long.
        Table& set(std::string_view key, std::string_view value, std::string_view origin);
        Table& remark(std::string_view words);  // a comment of its own, above what comes next
        [[nodiscard]] bool empty() const { return text_.empty(); }
        [[nodiscard]] bool has(std::string_view key) const;

    private:
        friend class Draft;
        std::string text_;
        std::vector<std::string> keys_;
    };

    [[nodiscard]] Table& top() { return top_; }
    Table& add(std::string_view name);                    // a new [[name]]
    Table& section(std::string_view name);                // the one [name]
    [[nodiscard]] bool has(std::string_view name) const;  // any [[name]]

    // Tables in the order of the manual.
    [[nodiscard]] std::string text(std::string_view heading) const;

private:
    struct Named {
        std::string name;
        bool list = false;
        Table table;
    };
    Table top_;
    std::vector<std::unique_ptr<Named>> tables_;
};

}  // namespace posthorn::migration
