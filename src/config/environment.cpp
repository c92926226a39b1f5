// From the text of a variable to a value.
#include "config/environment.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include "base/text.hpp"

namespace posthorn::config {

std::optional<Value> value_of(Shape shape, const std::string& text) {
    Value value;
    switch (shape) {
        case Shape::text:
            value.data = text;
            return value;
        case Shape::boolean:
            if (text == "true" || text == "false") {
                value.data = text == "true";
                return value;
            }
            return std::nullopt;
        case Shape::integer: {
            std::int64_t number = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
            if (error != std::errc{} || end != text.data() + text.size()) {
                return std::nullopt;
            }
            value.data = number;
            return value;
        }
        case Shape::real: {
            double number = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
            if (error != std::errc{} || end != text.data() + text.size()) {
                return std::nullopt;
            }
            value.data = number;
            return value;
        }
        case Shape::list: {
            List items;
            for (const std::string_view item : text::split(text, ',')) {
                if (const auto trimmed = text::trim(item); !trimmed.empty()) {
                    items.push_back(
                        {std::string(trimmed), {0, static_cast<std::uint32_t>(items.size() + 1)}});
                }
            }
            value.data = std::move(items);
            return value;
        }
    }
    return std::nullopt;
}

Result<std::string> read_value_file(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    constexpr std::size_t kMost = 64 * 1024;
    std::string content(kMost, '\0');
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    content.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
    if (!file.is_open() || file.bad()) {
        return Error{"cannot read the file " + quote(path) + " (" + std::strerror(errno) + ")"};
    }
    return std::string(text::trim(content));
}

}  // namespace posthorn::config
