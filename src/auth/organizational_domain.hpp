// The organisational domain of a name by the Public Suffix List: what a registrar gave to somebody.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::auth {

// RFC 7489 s3.2: the public suffix and one label more, "example.co.uk" of "a.b.example.co.uk"; both sections of the list count, as
// with receivers. A public suffix is its own organisational domain, and so is what the list cannot read: never empty for a name that
// is not. Lower case, no trailing dot; A-labels stay A-labels. Any thread. The list is that of the package publicsuffix where it is newer
// than the one in libpsl; it is read once.
[[nodiscard]] std::string organizational_domain(std::string_view domain);

// RFC 7489 s3.1.1, s3.1.2: relaxed: the same organisational domain.
[[nodiscard]] bool same_organization(std::string_view a, std::string_view b);

}  // namespace posthorn::auth
