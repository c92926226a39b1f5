// What was found while reading: mistakes and warnings with their places, put into the order of the file at
// the end.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "toml/spelling.hpp"
#include "toml/value.hpp"

namespace posthorn::config {

using namespace toml;  // values, places and units, as the file has them

// Where a value came from: a position in the file, or the environment variable of that name.
struct Place {
    Position at;
    std::string variable;
};

// Remembers where each key was given, by its path: "delivery.port", "listener[0].address", "domain[1]".
class Places {
public:
    void set(const std::string& path, Place place) { places_[path] = std::move(place); }
    // Where a key that was not given would stand: for of() only.
    void set_missing(const std::string& path, Place place) { missing_[path] = std::move(place); }
    [[nodiscard]] bool given(const std::string& path) const { return places_.contains(path); }
    // The place of the path, or of the nearest table around it, or of the whole file.
    [[nodiscard]] Place of(std::string path) const;

private:
    std::map<std::string, Place> places_;
    std::map<std::string, Place> missing_;
};

class Findings {
public:
    explicit Findings(std::string file_name) : file_name_(std::move(file_name)) {}

    // Only the first of a place is kept: what a wrong value would lead to further on is no news.
    void mistake(const Place& place, std::string what);
    void warning(const Place& place, std::string what) { warnings_.push_back({place, std::move(what)}); }
    [[nodiscard]] bool clean() const { return mistakes_.empty(); }
    // In the order of the file; what concerns the whole file first, the environment last.
    void move_to(Loaded& loaded);

private:
    struct Found {
        Place place;
        std::string what;
    };
    [[nodiscard]] std::vector<Mistake> ordered(std::vector<Found>& found) const;

    std::string file_name_;
    std::vector<Found> mistakes_;
    std::vector<Found> warnings_;
};

}  // namespace posthorn::config
