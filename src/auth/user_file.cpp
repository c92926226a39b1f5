// The users file: read with all its mistakes at once, changed one user at a time.
#include "auth/user_file.hpp"

#include <crypt.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "auth/saslprep.hpp"
#include "auth/secret_file.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::string_view kSaltKey = "#salt-key ";

// Empty when crypt(3) can check a password against it, else why not.
std::string_view fault_of_hash(const std::string& hash) {
    constexpr std::size_t kDesLength = 13;
    if (hash.starts_with('!') || hash.starts_with('*')) return {};
    if (hash.empty()) return "the hash is missing: nobody may log in without a password";
    // crypt(3) takes almost any two characters for the salt of its oldest scheme, a password in clear text
    // too.
    if (hash.starts_with('{'))
        return "a scheme in braces is Dovecot's: take {...} away, where a crypt(3) hash ($6$, $y$) follows; else make one with "
               "posthorn user add";
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
    std::optional<std::string_view> scram;
};

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

// Nothing for empty lines and comments.
std::optional<Line> parse_line(std::string_view line) {
    line = without_line_end(line);
    if (text::trim(line).empty() || text::trim(line).front() == '#') return std::nullopt;
    Line parts;
    parts.name = text::take_field(line, ':');
    const bool more = line.find(':') != std::string_view::npos;
    parts.hash = text::take_field(line, ':');
    if (more) parts.scram = line;  // has a ':' of its own
    return parts;
}

// The key of "#salt-key BASE64 and any words"; nothing where it is not 32 octets.
std::optional<Sha256> parse_salt_key(std::string_view line) {
    line = without_line_end(line.substr(kSaltKey.size()));
    const auto octets = base64_decode(text::take_field(line, ' '));
    Sha256 key{};
    if (!octets || octets->size() != key.size()) return std::nullopt;
    std::copy(octets->begin(), octets->end(), key.begin());
    return key;
}

std::string_view scheme_of(std::string_view hash) {
    const auto second = hash.find('$', 1);
    return hash.starts_with('$') && second != std::string_view::npos ? hash.substr(0, second + 1)
                                                                     : std::string_view();
}

}  // namespace

std::string UserFile::fault_of_name(std::string_view name) {
    if (name.empty()) return "the user's name is empty";
    if (name.size() > kMaxName) return "the user's name is longer than 255 octets";
    if (name.front() == '#') return "a user's name cannot begin with '#'";
    for (const char c : name) {
        if (c == ':' || c == ' ' || text::is_control(c))
            return "a user's name cannot hold ':', blanks or control characters";
    }
    // RFC 4013 turns U+00A0 and its like into blanks.
    const auto prepared = saslprep(name);
    if (!prepared || prepared->find(' ') != std::string::npos)
        return "a user's name is UTF-8 without the characters that SASLprep forbids (RFC 4013)";
    return {};
}

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
        if (text.starts_with(kSaltKey)) {
            if (users.salt_key_) mistake("#salt-key is there twice: remove the later one");
            users.salt_key_ = parse_salt_key(text);
            if (!users.salt_key_)
                mistake(
                    "#salt-key is followed by 32 octets in base64; without the line, posthorn user makes a "
                    "new one");
        }
        const auto line = parse_line(text);
        if (!line) continue;
        if (text.find(':') == std::string_view::npos) {
            mistake("a line is name:hash, this one has no ':'");
            continue;
        }
        User user{std::string(line->name), std::string(line->hash), std::nullopt};
        const auto shown = text::safe_for_log(line->name);
        if (const auto fault = fault_of_name(line->name); !fault.empty()) {
            mistake(fault);
            continue;
        }
        if (const auto fault = fault_of_hash(user.hash); !fault.empty()) {
            mistake(fmt::format("user {}: {}", shown, fault));
            continue;
        }
        if (line->scram) {
            const auto secret = ScramSecret::parse(*line->scram);
            if (!secret) {
                mistake(fmt::format("user {}: after the hash: {}; posthorn user password makes a new one",
                                    shown, secret.error().what));
                continue;
            }
            user.scram = *secret;
        }
        if (!users.users_.emplace(*saslprep(line->name), std::move(user)).second)
            mistake(fmt::format("user {} is there twice: remove one of the lines", shown));
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

const UserFile::User* UserFile::find(std::string_view name) const {
    const auto prepared = saslprep(name);
    const auto found = prepared ? users_.find(*prepared) : users_.end();
    return found == users_.end() ? nullptr : &found->second;
}

const std::string* UserFile::hash_of(std::string_view user) const {
    const User* found = find(user);
    return found == nullptr || found->locked() ? nullptr : &found->hash;
}

const std::string* UserFile::typical_hash() const {
    std::map<std::string_view, std::size_t> count;
    for (const auto& [name, user] : users_) {
        if (!user.locked()) ++count[scheme_of(user.hash)];
    }
    const std::string* typical = nullptr;
    for (const auto& [name, user] : users_) {
        if (user.locked()) continue;
        if (typical == nullptr || count[scheme_of(user.hash)] > count[scheme_of(*typical)])
            typical = &user.hash;
    }
    return typical;
}

std::vector<const UserFile::User*> UserFile::users() const {
    std::vector<const User*> all;
    for (const auto& [name, user] : users_) all.push_back(&user);
    return all;
}

std::vector<std::string> UserFile::names() const {
    std::vector<std::string> names;
    for (const auto& [name, user] : users_) names.push_back(user.name);
    return names;
}

Sha256 UserFile::salt_key() const {
    if (salt_key_) return *salt_key_;
    std::string secrets;
    for (const auto& [name, user] : users_) {
        secrets += user.hash;
        if (user.scram) secrets += user.scram->to_string();
    }
    return sha256_of(secrets);
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

Result<std::string> make_secrets(std::string_view password) {
    if (password.empty()) return Error{"the password is empty"};
    const auto prepared = saslprep(password);
    if (!prepared)
        return Error{
            "the password must be UTF-8 without control characters and others that SASLprep forbids (RFC "
            "4013)"};
    auto hash = make_hash(*prepared);
    if (!hash) return hash.error();
    std::array<std::uint8_t, kScramSaltSize> salt{};
    if (!random_octets(salt)) return Error{"the system has no randomness: " + openssl_error()};
    const std::string_view octets(reinterpret_cast<const char*>(salt.data()), salt.size());
    return *hash + ":" + make_scram_secret(*prepared, octets).to_string();
}

Result<void> change_user(const std::string& path, UserChange change, std::string_view user,
                         std::string_view password) {
    if (const auto fault = UserFile::fault_of_name(user); !fault.empty()) return Error{fault};
    const auto prepared = saslprep(user);
    std::string secrets;
    Sha256 salt_key{};
    if (change != UserChange::remove) {
        auto made = make_secrets(password);
        if (!made) return made.error();
        secrets = *made;
        if (!random_octets(salt_key)) return Error{"the system has no randomness: " + openssl_error()};
    }
    return change_secret_file(path, [&](const std::string* content) -> Result<std::string> {
        if (content == nullptr && change != UserChange::add) return Error{path + " does not exist"};
        std::string changed;
        bool found = false, has_salt_key = false;
        for (std::string_view rest = content != nullptr ? std::string_view(*content) : std::string_view();
             !rest.empty();) {
            const auto text = text::take_field(rest, '\n');
            has_salt_key = has_salt_key || text.starts_with(kSaltKey);
            const auto line = parse_line(text);
            if (!line || saslprep(line->name) != prepared) {
                changed += text;
                changed += '\n';
            } else {
                if (!found && change != UserChange::remove)
                    changed += fmt::format("{}:{}\n", line->name, secrets);
                found = true;
            }
        }
        if (change == UserChange::add && found)
            return Error{fmt::format("user {} is in {} already", user, path)};
        if (change != UserChange::add && !found)
            return Error{fmt::format("there is no user {} in {}", user, path)};
        if (change == UserChange::add) changed += fmt::format("{}:{}\n", user, secrets);
        if (change != UserChange::remove && !has_salt_key)
            changed += fmt::format("{}{} keep this line: it hides which users exist\n", kSaltKey,
                                   base64_encode(salt_key));
        return changed;
    });
}

}  // namespace posthorn::auth
