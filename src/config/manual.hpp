// The manual page of the configuration file, and text as man(7) wants it.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::config {

// posthorn.toml(5), made from reference_markdown(): what docs/CONFIGURATION.md says.
[[nodiscard]] std::string manual_page();

// Plain text, in which `code` and **strong** may stand, as the input of man(1): nothing of it is taken for a request or an escape.
[[nodiscard]] std::string in_roff(std::string_view text);

// The Markdown we write (headings, paragraphs, lists of one level, fenced code, tables) without its first heading, as sections of a page.
[[nodiscard]] std::string markdown_in_roff(std::string_view markdown);

}  // namespace posthorn::config
