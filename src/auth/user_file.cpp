// The users file: read with all its mistakes at once, changed one user at a time.
#include "auth/user_file.hpp"

#include <crypt.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "auth/secret_file.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kMaxName = 255;

// Empty when the name can be used, else why not.
std::string_view fault_of_name(std::string_view name) {
    if (name.empty()) return "the user's name is empty";
    if (name.size() > kMaxName) return "the user's name is longer than 255 octets";
    if (name.front() == '#') return "a user's name cannot begin with '#'";
    for (const char c : name) {
        if (c == ':' || c == ' ' || text::is_control(c))
            return "a user's name cannot hold ':', blanks or control characters";
    }
    return {};
}

bool is_locked(std::string_view hash) {
    return hash.starts_with('!') || hash.starts_with('*');
}

// Empty when crypt(3) can check a password against it, else why not.
std::string_view fault_of_hash(const std::string& hash) {
    constexpr std::size_t kDesLength = 13;
    if (is_locked(hash)) return {};
    if (hash.empty()) return "the hash is missing: nobody may log in without a password";
    // crypt(3) takes almost any two characters for the salt of its oldest scheme, a password in clear text
    // too.
    if (!hash.starts_with('$') && !hash.starts_with('_') && hash.size() != kDesLength)
        return "this is no crypt(3) hash (a password in clear text?): make one with posthorn user add";
    switch (crypt_checksalt(hash.c_str())) {
        case CRYPT_SALT_OK:
        case CRYPT_SALT_METHOD_LEGACY:
        case CRYPT_SALT_TOO_CHEAP:
            break;
        case CRYPT_SALT_METHOD_DISABLED:
            return "this system's crypt(3) does not compute that scheme: make a new hash with posthorn user "
                   "add";
        default:
            return "crypt(3) cannot read this hash: make a new one with posthorn user add";
    }
    if (hash.starts_with('$') && hash.rfind('$') == hash.find('$', 1) && hash.find('$', 1) == hash.size() - 1)
        return "the hash ends after its scheme: make a new one with posthorn user add";
    return {};
}

struct Line {
    std::string_view name;
    std::string_view hash;
};

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

// Nothing for empty lines and comments.
std::optional<Line> parse_line(std::string_view line) {
    line = without_line_end(line);
    if (text::trim(line).empty() || text::trim(line).front() == '#') return std::nullopt;
    const auto colon = std::min(line.find(':'), line.size());
    return Line{line.substr(0, colon), colon == line.size() ? std::string_view() : line.substr(colon + 1)};
}

std::string_view scheme_of(std::string_view hash) {
    const auto second = hash.find('$', 1);
    return hash.starts_with('$') && second != std::string_view::npos ? hash.substr(0, second + 1)
                                                                     : std::string_view();
}

}  // namespace

Result<UserFile> UserFile::parse(std::string_view content, const std::string& file_name) {
    UserFile users;
    std::string mistakes;
    std::size_t number = 0;
    const auto mistake = [&](std::string_view what) {
        if (!mistakes.empty()) mistakes += '\n';
        mistakes += fmt::format("{}:{}: {}", file_name, number, what);
    };
    for (std::string_view rest = content; !rest.empty();) {
        const auto text = text::take_field(rest, '\n');
        ++number;
        const auto line = parse_line(text);
        if (!line) continue;
        if (text.find(':') == std::string_view::npos) {
            mistake("a line is name:hash, this one has no ':'");
            continue;
        }
        const std::string hash(line->hash);
        if (const auto fault = fault_of_name(line->name); !fault.empty()) {
            mistake(fault);
        } else if (const auto hash_fault = fault_of_hash(hash); !hash_fault.empty()) {
            mistake(fmt::format("user {}: {}", text::safe_for_log(line->name), hash_fault));
        } else if (!users.hashes_.emplace(line->name, hash).second) {
            mistake(fmt::format("user {} is there twice: remove one of the lines",
                                text::safe_for_log(line->name)));
        }
    }
    if (!mistakes.empty()) return Error{std::move(mistakes)};
    return users;
}

Result<UserFile> UserFile::load(const std::string& path, std::string* warning) {
    auto file = read_secret_file(path);
    if (!file) return file.error();
    if (warning != nullptr) *warning = file->exposed_to;
    return parse(file->content, path);
}

const std::string* UserFile::hash_of(std::string_view user) const {
    const auto found = hashes_.find(user);
    return found == hashes_.end() || is_locked(found->second) ? nullptr : &found->second;
}

const std::string* UserFile::typical_hash() const {
    std::map<std::string_view, std::size_t> count;
    for (const auto& [name, hash] : hashes_) {
        if (!is_locked(hash)) ++count[scheme_of(hash)];
    }
    const std::string* typical = nullptr;
    for (const auto& [name, hash] : hashes_) {
        if (is_locked(hash)) continue;
        if (typical == nullptr || count[scheme_of(hash)] > count[scheme_of(*typical)]) typical = &hash;
    }
    return typical;
}

std::vector<std::string> UserFile::names() const {
    std::vector<std::string> names;
    for (const auto& [name, hash] : hashes_) names.push_back(name);
    return names;
}

Result<std::string> make_hash(std::string_view password) {
    if (password.empty()) return Error{"the password is empty"};
    if (password.size() >= CRYPT_MAX_PASSPHRASE_SIZE)
        return Error{fmt::format("the password is longer than {} octets", CRYPT_MAX_PASSPHRASE_SIZE - 1)};
    if (password.find('\0') != std::string_view::npos) return Error{"the password holds a NUL octet"};
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (crypt_gensalt_rn("$y$", 0, nullptr, 0, setting, sizeof setting) == nullptr)
        return Error{fmt::format("crypt(3) makes no salt for yescrypt: {}", std::strerror(errno))};
    auto data = std::make_unique<crypt_data>();
    const char* hash = crypt_rn(std::string(password).c_str(), setting, data.get(), sizeof *data);
    if (hash == nullptr || *hash == '*')
        return Error{fmt::format("crypt(3) makes no hash: {}", std::strerror(errno))};
    return std::string(hash);
}

Result<void> change_user(const std::string& path, UserChange change, std::string_view user,
                         std::string_view password) {
    if (const auto fault = fault_of_name(user); !fault.empty()) return Error{std::string(fault)};
    std::string new_line;
    if (change != UserChange::remove) {
        auto hash = make_hash(password);
        if (!hash) return hash.error();
        new_line = fmt::format("{}:{}\n", user, *hash);
    }
    return change_secret_file(path, [&](const std::string* content) -> Result<std::string> {
        if (content == nullptr && change != UserChange::add) return Error{path + " does not exist"};
        std::string changed;
        bool found = false;
        for (std::string_view rest = content != nullptr ? std::string_view(*content) : std::string_view();
             !rest.empty();) {
            const auto text = text::take_field(rest, '\n');
            const auto line = parse_line(text);
            if (!line || line->name != user) {
                changed += text;
                changed += '\n';
            } else {
                if (!found) changed += new_line;
                found = true;
            }
        }
        if (change == UserChange::add && found)
            return Error{fmt::format("user {} is in {} already", user, path)};
        if (change != UserChange::add && !found)
            return Error{fmt::format("there is no user {} in {}", user, path)};
        if (change == UserChange::add) changed += new_line;
        return changed;
    });
}

}  // namespace posthorn::auth
