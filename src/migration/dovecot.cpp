// Dovecot's configuration as nested blocks with includes, and its passwd-files.
#include "migration/dovecot.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace posthorn::migration {
namespace {

// "10-*.conf" against one name; "*" stands for anything, "?" for one sign.
bool matches(std::string_view pattern, std::string_view name) {
    if (pattern.empty()) return name.empty();
    if (pattern.front() == '*') {
        for (std::size_t i = 0; i <= name.size(); ++i) {
            if (matches(pattern.substr(1), name.substr(i))) return true;
        }
        return false;
    }
    return !name.empty() && (pattern.front() == '?' || pattern.front() == name.front()) &&
           matches(pattern.substr(1), name.substr(1));
}

std::string unquoted(std::string_view value) {
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
        return std::string(value.substr(1, value.size() - 2));
    return std::string(value);
}

class Reader {
public:
    Reader(Dovecot& found, const Files& files) : found_(found), files_(files) {}

    void read(const std::string& path, const std::string& text, int depth) {
        std::vector<std::string> blocks = blocks_;
        std::string_view rest = text;
        std::string pending;  // of a line that ends with a backslash
        for (std::uint32_t number = 1; !rest.empty(); ++number) {
            std::string_view line = text::trim(text::take_field(rest, '\n'));
            if (const std::size_t hash = comment(line); hash != std::string_view::npos)
                line = text::trim_right(line.substr(0, hash));
            const bool goes_on = line.ends_with('\\');
            if (goes_on) line.remove_suffix(1);
            pending += line;
            if (goes_on) continue;
            const std::string whole(text::trim(pending));
            pending.clear();
            if (!whole.empty()) read_line(whole, {path, number}, depth);
        }
        blocks_ = blocks;  // a block does not reach beyond its file
    }

private:
    // Where a comment begins: "#" at the line's beginning or after white space, outside quotation marks.
    static std::size_t comment(std::string_view line) {
        char quote = 0;
        for (std::size_t i = 0; i < line.size(); ++i) {
            const char c = line[i];
            if (quote != 0) {
                if (c == quote) quote = 0;
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '#' && (i == 0 || text::is_blank(line[i - 1]))) {
                return i;
            }
        }
        return std::string_view::npos;
    }

    void read_line(std::string_view line, const Origin& origin, int depth) {
        if (line.starts_with('!')) {
            const std::size_t blank = line.find_first_of(" \t");
            const std::string_view word = line.substr(0, blank);
            if ((word == "!include" || word == "!include_try") && blank != std::string_view::npos)
                include(absolute_path(parent_directory(origin.file), text::trim(line.substr(blank))), depth);
            return;
        }
        if (line == "}") {
            if (!blocks_.empty()) blocks_.pop_back();
            return;
        }
        if (line.ends_with('{')) {
            std::string name(text::trim(line.substr(0, line.size() - 1)));
            for (std::size_t twice = name.find("  "); twice != std::string::npos; twice = name.find("  "))
                name.erase(twice, 1);
            blocks_.push_back(name);
            if (name == "passdb") found_.sources.push_back({"", "", "", origin});
            if (name.starts_with("unix_listener ") && blocks_.size() > 1 &&
                blocks_[blocks_.size() - 2] == "service auth")
                found_.sockets.push_back(unquoted(text::trim(std::string_view(name).substr(14))));
            return;
        }
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) return;
        const std::string name(text::trim(line.substr(0, equals)));
        const std::string value = unquoted(text::trim(line.substr(equals + 1)));
        std::string path;
        for (const std::string& block : blocks_) path += block + "/";
        found_.settings.push_back({path + name, value, origin});
        if (!blocks_.empty() && blocks_.back() == "passdb") read_passdb(name, value);
    }

    void read_passdb(std::string_view name, const std::string& value) {
        Dovecot::PasswordSource& source = found_.sources.back();
        if (name == "driver") source.driver = value;
        if (name != "args") return;
        std::string_view rest = value;
        while (!rest.empty()) {
            const std::string_view word = text::take_field(rest, ' ');
            if (word.starts_with("scheme="))
                source.scheme = word.substr(7);
            else if (word.starts_with('/'))
                source.file = word;
        }
    }

    // Files that include each other grow without bound within that depth.
    static constexpr std::size_t kMostFiles = 1000;

    void include(const std::string& path, int depth) {
        if (depth > 10 || included_ > kMostFiles) return;
        if (path.find_first_of("*?") == std::string::npos) {
            ++included_;
            if (const auto text = files_.text(path)) read(path, *text, depth + 1);
            return;
        }
        const std::string directory = parent_directory(path);
        for (const std::string& name : files_.names(directory)) {
            if (!matches(std::string_view(path).substr(directory.size() + 1), name)) continue;
            const std::string file = absolute_path(directory, name);
            if (++included_ > kMostFiles) return;
            if (const auto text = files_.text(file)) read(file, *text, depth + 1);
        }
    }

    Dovecot& found_;
    const Files& files_;
    std::vector<std::string> blocks_;
    std::size_t included_ = 0;
};

// Dovecot's schemes whose hashes crypt(3) reads as they are.
constexpr std::array<std::string_view, 5> kCryptSchemes{"CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT",
                                                        "MD5-CRYPT"};

// "name:{SCHEME}hash:uid:gid:..." (Dovecot's passwd-file).
void read_users(const Dovecot::PasswordSource& source, const Files& files,
                std::vector<Dovecot::User>& users) {
    const auto text = files.text(source.file);
    if (!text) return;
    std::string_view rest = *text;
    for (std::uint32_t number = 1; !rest.empty(); ++number) {
        std::string_view line = text::trim(text::take_field(rest, '\n'));
        if (line.empty() || line.front() == '#') continue;
        Dovecot::User user{std::string(text::take_field(line, ':')), "", "", {source.file, number}};
        std::string_view password = text::take_field(line, ':');
        std::string scheme = source.scheme.empty() ? "CRYPT" : source.scheme;
        if (password.starts_with('{')) {
            const std::size_t close = password.find('}');
            scheme = password.substr(1, close == std::string_view::npos ? close : close - 1);
            password.remove_prefix(close == std::string_view::npos ? password.size() : close + 1);
        }
        scheme = text::to_lower(scheme.substr(0, scheme.find('.')));
        const bool known = std::any_of(kCryptSchemes.begin(), kCryptSchemes.end(),
                                       [&](std::string_view s) { return text::iequals(s, scheme); });
        if (known && password.starts_with('$'))
            user.hash = password;
        else if (scheme == "plain" || scheme == "cleartext")
            user.problem =
                "his password stands there in clear text; give him a new one with `posthorn user add`";
        else
            user.problem = "crypt(3) does not read a password of the scheme " +
                           text::safe_for_log(scheme, 30) + "; give him a new one with `posthorn user add`";
        users.push_back(std::move(user));
    }
}

}  // namespace

const Dovecot::Setting* Dovecot::find(std::string_view path) const {
    const auto found =
        std::find_if(settings.rbegin(), settings.rend(), [&](const Setting& s) { return s.path == path; });
    return found == settings.rend() ? nullptr : &*found;
}

std::optional<Dovecot> read_dovecot(const std::string& path, const Files& files) {
    const auto facts = files.facts(path);
    const std::string file = facts && !facts->directory && !facts->hidden ? path : absolute_path(path, "dovecot.conf");
    const auto text = files.text(file);
    if (!text) return std::nullopt;
    Dovecot found;
    found.file = file;
    Reader(found, files).read(file, *text, 0);
    for (const Dovecot::PasswordSource& source : found.sources) {
        if (source.driver == "passwd-file" && !source.file.empty()) read_users(source, files, found.users);
    }
    return found;
}

}  // namespace posthorn::migration
