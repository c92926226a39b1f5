// What a machine's own files say of its name and its root. Pure.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::setup {

// The full name of a machine that calls itself `name`: itself where it has a dot, else the first name with
// one in its line of /etc/hosts
// ("127.0.1.1 mail.example.com mail"), else `name`.
[[nodiscard]] std::string full_name(std::string_view name, std::string_view hosts);

// The address that root's mail goes to by an aliases(5) file, where root is one address; else empty.
[[nodiscard]] std::string root_alias(std::string_view aliases);

}  // namespace posthorn::setup
