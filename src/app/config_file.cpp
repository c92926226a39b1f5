// The secret files' way of writing does it, since that loses neither a change nor an owner.
#include "app/config_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "auth/secret_file.hpp"

namespace posthorn::app {

namespace fs = std::filesystem;

namespace {

// Where a symbolic link leads, since rename would put a file in place of the link.
std::string real_path(const std::string& path) {
    std::error_code unknown;
    const fs::path real = fs::canonical(path, unknown);
    return unknown ? path : real.string();
}

bool exists(const std::string& path) {
    std::error_code unknown;
    return fs::exists(path, unknown);
}

}  // namespace

Result<setup::ConfigText> read_config_text(const std::string& path) {
    if (!exists(path)) return setup::ConfigText::parse({}, path);
    auto file = auth::read_secret_file(path);
    if (!file) return file.error();
    return setup::ConfigText::parse(std::move(file->content), path);
}

std::string mistakes_in(const std::string& text, const std::string& path) {
    std::string told;
    for (const config::Mistake& mistake : config::parse_here(text, path).mistakes)
        told += (told.empty() ? "" : "\n") + mistake.to_string();
    return told;
}

Result<bool> write_config(const std::string& path, const std::string& before, const std::string& text) {
    if (text == before && exists(path)) return false;
    if (const std::string mistakes = mistakes_in(text, path); !mistakes.empty())
        return Error{"the configuration would not be right any more, so nothing is changed:\n", mistakes};
    const std::string real = real_path(path);
    const bool fresh = !exists(real);
    const auto written =
        auth::change_secret_file(real, [&](const std::string* content) -> Result<std::string> {
            if ((content == nullptr ? std::string() : *content) != before)
                return Error{
                    real,
                    " was changed by somebody else just now; nothing is changed here, so please begin again"};
            return text;
        });
    if (!written) return written.error();
    // No secrets in it: programs of other users read it, too.
    if (fresh && ::chmod(real.c_str(), 0644) != 0) return Error{"cannot set the mode of ", real, " to 0644"};
    return true;
}

}  // namespace posthorn::app
