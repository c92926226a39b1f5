// The dashboard's files, in the program itself.
#pragma once

#include <span>
#include <string_view>

namespace posthorn::admin {

struct Asset {
    std::string_view name;   // "app.js"; index.html is the page
    std::string_view sum;    // of its octets: 16 hexadecimal digits
    std::string_view text;
};
// By name. Of static storage, made by cmake/EmbedAssets.cmake from src/admin/assets.
[[nodiscard]] std::span<const Asset> assets();
// Of all of them together: the folder in their URLs, so that browsers keep them for as long as they are the same.
[[nodiscard]] std::string_view assets_version();

}  // namespace posthorn::admin
