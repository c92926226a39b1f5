// The configuration text as a tree of plain values, each with its place: what the TOML library hands to the
// rest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace posthorn::toml {

// 1-based, columns in code points; line 0: no place of its own (the whole file, or an environment variable).
struct Position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

struct Value;
struct Entry;
using List = std::vector<Value>;
using Table = std::vector<Entry>;  // in file order
struct Other {                     // a date or a time: nothing here takes one
    friend bool operator==(const Other&, const Other&) = default;
};

struct Value {
    std::variant<Other, bool, std::int64_t, double, std::string, List, Table> data;
    Position at;
    Position end{};  // one past its last character; of a table with a heading, the heading's

    template <class T>
    [[nodiscard]] const T* as() const {
        return std::get_if<T>(&data);
    }
};

struct Entry {
    std::string key;
    Position at;
    Value value;
};

// As an operator would point at it: `"abc"`, `12`, `true`, `a list`, `a table`. Long strings are cut.
[[nodiscard]] std::string describe(const Value& value);

// A TOML basic string with quotes and escapes.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace posthorn::toml
