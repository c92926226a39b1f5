// Files and the lock around them; what may follow upon what is rotation's to say.
#include "auth/dkim/key_directory.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "auth/secret_file.hpp"
#include "base/text.hpp"

namespace posthorn::auth::dkim {
namespace {

std::string stages_path(const std::string& directory) { return directory + "/stages.json"; }

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Changes the list under the lock.
Result<void> change_stages(const std::string& directory, const std::function<Result<void>(KeyStages&)>& change) {
    const std::string path = stages_path(directory);
    return change_secret_file(path, [&](const std::string* content) -> Result<std::string> {
        KeyStages stages;
        if (content != nullptr) {
            Result<KeyStages> parsed = KeyStages::parse(*content, path);
            if (!parsed) return parsed.error();
            stages = std::move(*parsed);
        }
        if (const Result<void> changed = change(stages); !changed) return changed.error();
        return stages.to_json();
    });
}

RotationStep make_step(const std::string& selector, const PrivateKey& key) {
    RotationStep step;
    step.kind = RotationStep::Kind::make;
    step.selector = selector;
    step.algorithm = key.algorithm();
    step.bits = key.bits();
    return step;
}

}  // namespace

std::string key_path(const std::string& directory, std::string_view selector) { return fmt::format("{}/{}.pem", directory, selector); }

Result<KeyStages> read_stages(const std::string& directory) {
    const std::string path = stages_path(directory);
    // "There is none" is no answer where we may not look: a key would be made beside those that sign.
    if (!exists(path) && (errno == ENOENT || errno == ENOTDIR)) return KeyStages();
    const auto file = read_secret_file(path);
    if (!file) return file.error();
    return KeyStages::parse(file->content, path);
}

Result<PrivateKeyPtr> make_key(const std::string& directory, const std::string& selector, Algorithm algorithm, int bits, TimePoint now,
                               Leftover leftover) {
    const std::string path = key_path(directory, selector);
    const bool taken = leftover == Leftover::take && exists(path);
    // Before the lock: it takes seconds.
    Result<PrivateKeyPtr> key = taken ? PrivateKey::load(path) : PrivateKey::generate(algorithm, bits);
    if (!key) return key.error();
    const Result<void> listed = change_stages(directory, [&](KeyStages& stages) -> Result<void> {
        if (const Result<void> step = take_step(stages, make_step(selector, **key), now); !step) return step;
        return taken ? Result<void>() : (*key)->write(path);
    });
    if (!listed) return listed.error();
    return key;
}

Result<void> adopt_key(const std::string& directory, const std::string& selector, TimePoint now) {
    const Result<PrivateKeyPtr> key = PrivateKey::load(key_path(directory, selector));
    if (!key) return key.error();
    return change_stages(directory, [&](KeyStages& stages) -> Result<void> {
        if (const Result<void> listed = take_step(stages, make_step(selector, **key), now); !listed) return listed;
        RotationStep signs = make_step(selector, **key);
        signs.kind = RotationStep::Kind::activate;
        return take_step(stages, signs, now);
    });
}

Result<void> carry_out(const std::string& directory, const RotationStep& step, TimePoint now) {
    if (step.kind == RotationStep::Kind::wait) return {};
    if (step.kind == RotationStep::Kind::make) {
        const auto made = make_key(directory, step.selector, step.algorithm, step.bits, now, Leftover::take);
        return made ? Result<void>() : made.error();
    }
    KeyStages after;
    const Result<void> changed = change_stages(directory, [&](KeyStages& stages) {
        const Result<void> taken = take_step(stages, step, now);
        after = stages;
        return taken;
    });
    if (changed) delete_gone_keys(directory, after);
    return changed;
}

void delete_gone_keys(const std::string& directory, const KeyStages& stages) {
    for (const StagedKey& key : stages.keys)
        if (key.stage == KeyStage::gone) ::unlink(key_path(directory, key.selector).c_str());
}

Result<void> abandon_key(const std::string& directory, const std::string& selector) {
    const Result<void> struck = change_stages(directory, [&](KeyStages& stages) -> Result<void> {
        const StagedKey* key = stages.find(selector);
        if (key == nullptr) return Error{"there is no key ", selector, " in ", directory};
        if (key->stage != KeyStage::pending && key->stage != KeyStage::published)
            return Error{"the key ", selector, " is ", to_string(key->stage), ": mail bears its signature, so it can only retire"};
        std::erase_if(stages.keys, [key = key->selector](const StagedKey& one) { return one.selector == key; });
        return {};
    });
    if (struck) ::unlink(key_path(directory, selector).c_str());
    return struck;
}

Result<std::vector<DomainKey>> domain_keys(const DomainOptions& domain) {
    std::vector<DomainKey> keys;
    for (const DkimKeyOptions& fixed : domain.keys) keys.push_back({fixed.selector, fixed.key_file, false, KeyStage::active});
    if (domain.key_directory.empty()) return keys;
    const Result<KeyStages> stages = read_stages(domain.key_directory);
    if (!stages) return stages.error();
    for (const StagedKey& key : stages->keys) {
        const bool fixed_too = std::any_of(domain.keys.begin(), domain.keys.end(),
                                           [&key](const DkimKeyOptions& fixed) { return text::iequals(fixed.selector, key.selector); });
        if (!fixed_too) keys.push_back({key.selector, key_path(domain.key_directory, key.selector), true, key.stage});
    }
    return keys;
}

std::vector<DomainKey> signing_keys(const std::vector<DomainKey>& keys, bool sign_unpublished) {
    std::vector<DomainKey> signing, coming;
    for (const DomainKey& key : keys) {
        if (key.stage == KeyStage::active) signing.push_back(key);
        if (key.stage == KeyStage::pending || key.stage == KeyStage::published) coming.push_back(key);
    }
    return signing.empty() && sign_unpublished ? coming : signing;
}

std::vector<DomainKey> published_keys(const std::vector<DomainKey>& keys) {
    std::vector<DomainKey> wanted;
    for (const DomainKey& key : keys)
        if (key.stage != KeyStage::gone) wanted.push_back(key);
    return wanted;
}

}  // namespace posthorn::auth::dkim
