// Every option of Postfix and OpenDKIM that the import knows, and what stands for it in Posthorn: for the
// import's words and for docs/from-postfix.md alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::migration {

struct Equivalent {
    enum class Program { postfix, master, opendkim, dovecot, tool, dns };
    enum class Fate {
        carried,      // the import writes `ours`
        not_needed,   // Posthorn does it, or has no use for it
        partly,       // the import writes `ours` where it can, and tells the rest
        not_carried,  // there is nothing of the kind
    };
    Program program;
    std::string_view name;
    Fate fate;
    std::string_view ours;   // keys or commands of ours, such as "delivery.tls"; may be empty
    std::string_view words;  // one sentence
    std::string_view ids;    // the field reports' requirement, "SD-12"; may be empty
};

[[nodiscard]] const std::vector<Equivalent>& equivalents();
[[nodiscard]] const Equivalent* equivalent(Equivalent::Program program, std::string_view name);

// docs/from-postfix.md: its fixed text with the tables.
[[nodiscard]] std::string equivalents_page();

}  // namespace posthorn::migration
