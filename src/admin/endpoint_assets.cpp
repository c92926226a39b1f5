// GET / and GET /assets/VERSION/NAME: the dashboard's page and its parts (docs/DASHBOARD.md). Nothing of mail is in them, so everybody may have them.
#include <algorithm>

#include "admin/assets.hpp"
#include "admin/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

constexpr std::string_view kFolder = "/assets/";
constexpr std::string_view kVersionMark = "@VERSION@";

std::string_view type_of(std::string_view name) {
    if (name.ends_with(".html")) return "text/html; charset=utf-8";
    if (name.ends_with(".css")) return "text/css; charset=utf-8";
    if (name.ends_with(".svg")) return "image/svg+xml";
    return "text/javascript; charset=utf-8";
}

const Asset* asset_named(std::string_view name) {
    const auto all = assets();
    const auto found = std::find_if(all.begin(), all.end(), [name](const Asset& one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
}

// Whether a browser has it already (RFC 9110 s13.1.2, weak comparison).
bool has_it(const Request& request, const std::string& etag) {
    const std::string_view known = request.field("if-none-match");
    return known == "*" || known.find(etag) != std::string_view::npos;
}

Answer page(const Request& request) {
    const Asset* const asset = asset_named("index.html");
    if (asset == nullptr) return failure(500, "this program was built without its dashboard");
    Answer answer;
    answer.content_type = type_of(asset->name);
    answer.cache_control = "no-cache";   // looked for again each time, and mostly answered 304
    const std::string etag = "\"" + std::string(assets_version()) + "\"";
    answer.fields.emplace_back("ETag", etag);
    answer.exact = true;
    if (has_it(request, etag)) {
        answer.status = 304;
        return answer;
    }
    answer.body = asset->text;
    for (std::size_t at = answer.body.find(kVersionMark); at != std::string::npos; at = answer.body.find(kVersionMark, at))
        answer.body.replace(at, kVersionMark.size(), assets_version());
    return answer;
}

// Its URL has its version in it: what is there never changes.
Answer part(std::string_view place, const Request& request) {
    const std::string_view version = text::take_field(place, '/');
    const Asset* const asset = version == assets_version() && place != "index.html" ? asset_named(place) : nullptr;
    if (asset == nullptr) return failure(404, "this program has no such file of the dashboard; load the page anew");
    Answer answer;
    answer.content_type = type_of(asset->name);
    answer.cache_control = "public, max-age=31536000, immutable";
    const std::string etag = "\"" + std::string(asset->sum) + "\"";
    answer.fields.emplace_back("ETag", etag);
    answer.exact = true;
    if (has_it(request, etag)) answer.status = 304;
    else answer.body = asset->text;
    return answer;
}

}  // namespace

void get_asset(const CorePtr&, const Request& request, Respond respond) {
    const std::string_view path = request.path;
    respond(path.starts_with(kFolder) ? part(path.substr(kFolder.size()), request) : page(request));
}

}  // namespace posthorn::admin
