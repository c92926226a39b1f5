// Values in words.
#include "toml/value.hpp"

#include <fmt/format.h>

namespace posthorn::toml {

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                    out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
                } else {
                    out += c;
                }
        }
    }
    out += '"';
    return out;
}

std::string describe(const Value& value) {
    struct Words {
        std::string operator()(Other) const { return "a date"; }
        std::string operator()(bool b) const { return b ? "true" : "false"; }
        std::string operator()(std::int64_t n) const { return std::to_string(n); }
        std::string operator()(double d) const { return fmt::format("{}", d); }
        std::string operator()(const std::string& text) const {
            constexpr std::size_t kShown = 60;
            return text.size() <= kShown ? quote(text) : quote(text.substr(0, kShown)) + "...";
        }
        std::string operator()(const List&) const { return "a list"; }
        std::string operator()(const Table&) const { return "a table"; }
    };
    return std::visit(Words{}, value.data);
}

}  // namespace posthorn::toml
