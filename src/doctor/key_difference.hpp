// Where the key in DNS and the key on disk part, character by character.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::doctor {

// Three lines: what DNS has and what it should have around the first character that is not the same, and a mark beneath; the sentence before them is
// auth::dkim::compare()'s. published: a TXT record; ours: the p= that it should have. Empty where p= is the same or there is none. Pure; ASCII whatever
// the record holds.
[[nodiscard]] std::string key_difference(std::string_view published, std::string_view ours);

}  // namespace posthorn::doctor
