// What all subcommands need.
#include "app/command_line.hpp"

#include <utility>

#include <fmt/format.h>

#include <cstdio>

#include "base/text.hpp"

namespace posthorn::app {

CLI::Option* add_config_option(CLI::App& command, std::string& path) {
    path = kDefaultConfig;
    return command.add_option("-c,--config", path, "The configuration file")
        ->envname("POSTHORN_CONFIG")
        ->type_name("FILE")
        ->capture_default_str();
}

namespace {
std::string* kept_complaints = nullptr;

// Peers' words, the names of files and of domains come through here: whatever a command forgot to make safe moves no cursor, gives no order to
// a terminal and turns no direction of writing. What is safe already stays as it is. Lines and tabs stay.
std::string harmless(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = text::safe_utf8_length(text, at);
        const bool shown = length > 1 || (length == 1 && (!text::is_control(text[at]) || text[at] == '\n' || text[at] == '\t'));
        if (shown) out += text.substr(at, length);
        else out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
        at += shown ? length : 1;
    }
    return out;
}

// fmt::print(stderr) throws where nobody reads standard error any more (`posthorn queue list 2>&1 | head`), and the exit code would be lost.
void say(std::string_view text) {
    const std::string out = harmless(text);
    std::fwrite(out.data(), 1, out.size(), stderr);
}
}  // namespace

KeptComplaints::KeptComplaints() {
    kept_complaints = new std::string;
}

KeptComplaints::~KeptComplaints() {
    delete kept_complaints;
    kept_complaints = nullptr;
}

std::string KeptComplaints::take() {
    return std::exchange(*kept_complaints, {});
}

void complain(std::string_view text) {
    if (kept_complaints != nullptr) {
        *kept_complaints += (kept_complaints->empty() ? "" : " ") + std::string(text);
        return;
    }
    say(fmt::format("posthorn: {}\n", text));
}

void print(std::string_view text) {
    const std::string out = harmless(text);
    std::fwrite(out.data(), 1, out.size(), stdout);
}

void print_json(std::string_view json) {
    print(text::safe_json(text::trim_right(json)) + "\n");
}

std::optional<config::Config> load_config(const std::string& path) {
    config::Loaded loaded = config::load(path);
    for (const config::Mistake& mistake : loaded.mistakes) {
        say(mistake.to_string() + "\n");
    }
    if (!loaded.mistakes.empty()) {
        return std::nullopt;
    }
    return std::move(loaded.config);
}

}  // namespace posthorn::app
