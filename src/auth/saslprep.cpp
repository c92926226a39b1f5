// SASLprep by GNU Libidn, behind a short way for ASCII.
#include "auth/saslprep.hpp"

#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/text.hpp"

namespace posthorn::auth {
namespace {

struct Free {
    void operator()(char* text) const { std::free(text); }
};

}  // namespace

std::optional<std::string> saslprep(std::string_view text) {
    if (text.empty() || text.size() > kLongestPrepared) return std::nullopt;
    const auto visible = [](char c) { return text::is_graphic(c) || c == ' '; };
    if (std::all_of(text.begin(), text.end(), visible)) return std::string(text);
    // Libidn reads to the first NUL, and has misread what is not UTF-8 (CVE-2015-2059).
    if (text.find('\0') != std::string_view::npos || !text::is_utf8(text)) return std::nullopt;
    char* raw = nullptr;
    const int rc =
        stringprep_profile(std::string(text).c_str(), &raw, "SASLprep", Stringprep_profile_flags(0));
    const std::unique_ptr<char, Free> prepared(raw);
    if (rc != STRINGPREP_OK || prepared == nullptr || *prepared == '\0') return std::nullopt;
    return std::string(prepared.get());
}

}  // namespace posthorn::auth
