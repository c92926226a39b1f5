// The parts of the types of settings that need no template.
#include "config/binding.hpp"

#include <filesystem>

namespace posthorn::config::binding {

std::string resolve(const std::string& path, const std::string& directory) {
    const std::filesystem::path given(path);
    if (given.is_absolute() || directory.empty()) {
        return path;
    }
    return (std::filesystem::path(directory) / given).lexically_normal().string();
}

bool is_path(const std::string& path) {
    return !path.empty() && path.find('\0') == std::string::npos;
}

std::string show_list(const std::vector<std::string>& items) {
    std::string out = "[";
    for (const std::string& item : items) {
        out += (out.size() > 1 ? ", " : "") + quote(item);
    }
    return out + "]";
}

std::string alternatives(const std::vector<std::string>& names) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i) {
        out += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + quote(names[i]);
    }
    return out;
}

Accepted read_endpoint(const Value& value, std::uint16_t default_port, bool allow_unix, Endpoint& out) {
    const auto* text = value.as<std::string>();
    if (text == nullptr) {
        return refuse(value);
    }
    auto parsed = Endpoint::parse(*text, default_port);
    if (!parsed && allow_unix) {
        return Refusal{": " + parsed.error().what, value.at, true};
    }
    if (!parsed || (parsed->is_unix() && !allow_unix)) {
        return refuse(value);
    }
    out = std::move(*parsed);
    return std::nullopt;
}

Accepted read_texts(const Value& value, std::vector<std::string>& out) {
    const auto* items = value.as<List>();
    if (items == nullptr) {
        return refuse(value);
    }
    std::vector<std::string> given;
    for (const Value& item : *items) {
        const auto* text = item.as<std::string>();
        if (text == nullptr || text->empty()) {
            return refuse(item);
        }
        given.push_back(*text);
    }
    out = std::move(given);
    return std::nullopt;
}

Accepted read_networks(const Value& value, std::vector<IpNetwork>& out) {
    const auto* items = value.as<List>();
    if (items == nullptr) {
        return refuse(value);
    }
    std::vector<IpNetwork> given;
    for (const Value& item : *items) {
        const auto* text = item.as<std::string>();
        if (text == nullptr) {
            return refuse(item);
        }
        auto network = IpNetwork::parse(*text);
        if (!network) {
            return Refusal{": " + network.error().what, item.at, true};
        }
        given.push_back(*network);
    }
    out = std::move(given);
    return std::nullopt;
}

std::optional<std::uint32_t> parse_mode(const std::string& text) {
    if (text.size() < 3 || text.size() > 4) {
        return std::nullopt;
    }
    std::uint32_t mode = 0;
    for (const char c : text) {
        if (c < '0' || c > '7') {
            return std::nullopt;
        }
        mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
    }
    return mode <= 0777 ? std::optional(mode) : std::nullopt;
}

}  // namespace posthorn::config::binding
