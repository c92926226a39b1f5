// Postfix's $name, ${name?text} and ${{a} == {b} ? {c} : {d}} in values (postconf(5), "main.cf file format").
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace posthorn::migration {

// The unexpanded value of a parameter, or nothing where it is defined nowhere.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

// All of it, to the end; an undefined name is the empty text and is told to `undefined`, if given. An error
// for what Postfix would stop at: a bracket that is not closed, parameters that name each other in a circle.
[[nodiscard]] Result<std::string> expand(std::string_view text, const Lookup& lookup,
                                         const std::function<void(std::string_view)>& undefined = {});

}  // namespace posthorn::migration
