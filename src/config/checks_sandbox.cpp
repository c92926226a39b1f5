// [sandbox]: paths that are whole, names that can be those of system calls.
#include <fmt/format.h>

#include <algorithm>

#include "config/checks.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

void check_paths(const char* key, const std::vector<std::string>& paths, const Places& places, Findings& findings) {
    for (const std::string& path : paths) {
        if (!path.empty() && path.front() == '/' && path.find('\0') == std::string::npos) continue;
        findings.mistake(places.of(key), fmt::format("{} has {}; allowed: whole paths, which begin with \"/\"", key, quote(path)));
    }
}

}  // namespace

void check_sandbox(const Config& config, const Places& places, Findings& findings) {
    const sandbox::SandboxOptions& options = config.sandbox;
    check_paths("sandbox.read_paths", options.read_paths, places, findings);
    check_paths("sandbox.write_paths", options.write_paths, places, findings);
    const auto in_names = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    for (const std::string& name : options.system_calls) {
        if (!name.empty() && std::all_of(name.begin(), name.end(), in_names)) continue;
        findings.mistake(places.of("sandbox.system_calls"),
                         fmt::format("sandbox.system_calls has {}; allowed: names of system calls, such as \"mknodat\"", quote(name)));
    }
}

}  // namespace posthorn::config
