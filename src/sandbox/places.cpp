// Paths compared component by component; links and missing directories asked of the file system.
#include "sandbox/places.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace posthorn::sandbox {
namespace {

namespace fs = std::filesystem;

std::string plain(std::string_view path) {
    std::string text = fs::path(path).lexically_normal().string();
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
}

bool lies_in(std::string_view path, std::string_view directory) {
    if (directory == "/") return true;
    return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

bool grants(Access granted, Access wanted) { return granted == wanted || wanted == Access::read; }

// The path itself, or the nearest above it that exists; nothing where that is "/".
std::string existing(const std::string& path) {
    std::error_code ignored;
    fs::path there = path;
    while (there.has_relative_path() && !fs::exists(there, ignored)) there = there.parent_path();
    return there.has_relative_path() || path == "/" ? there.string() : std::string();
}

}  // namespace

void Places::add(Access access, std::string_view path) {
    if (path.empty() || path.front() != '/') return;
    const std::string whole = plain(path);
    const auto same = [&](const Place& place) { return place.path == whole && place.access == access; };
    if (std::none_of(all_.begin(), all_.end(), same)) all_.push_back({whole, access});
}

void Places::add_directory_of(Access access, std::string_view file) {
    if (file.empty()) return;
    const std::string whole = plain(file), directory = fs::path(whole).parent_path().string();
    add(access, directory == "/" ? whole : directory);
}

bool Places::covers(Access access, std::string_view path) const {
    const std::string whole = plain(path);
    return std::any_of(all_.begin(), all_.end(),
                       [&](const Place& place) { return grants(place.access, access) && lies_in(whole, place.path); });
}

Places Places::resolved() const {
    Places found;
    for (const Place& place : all_) {
        const std::string there = existing(place.path);
        if (there.empty()) continue;
        found.add(place.access, there);
        std::error_code failed;
        const fs::path real = fs::canonical(there, failed);
        if (!failed) found.add(place.access, real.string());
    }
    return found;
}

}  // namespace posthorn::sandbox
