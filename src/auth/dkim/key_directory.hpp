// The keys of one domain that Posthorn looks after: SELECTOR.pem files and stages.json, which says what each is for.
#pragma once

#include <string>
#include <vector>

#include "auth/dkim/rotation.hpp"
#include "auth/options.hpp"
#include "base/result.hpp"

namespace posthorn::auth::dkim {

// keys/example.com: 0700, every file 0600. A .pem that stages.json does not name is nobody's: it neither signs nor is deleted. All functions may
// be called from several processes at once: changes go through a lock on the directory, and a crash leaves the old state or the new one.

[[nodiscard]] std::string key_path(const std::string& directory, std::string_view selector);

// No stages.json: no keys. Error: unreadable, or not what we wrote.
[[nodiscard]] Result<KeyStages> read_stages(const std::string& directory);

// Makes SELECTOR.pem (0600, whole or not at all), then lists it as pending. Never overwrites: a file that is there already is an error, but for
// `take`, by which one that is not listed (a crash came in between) is taken as it is. The directory must exist.
enum class Leftover : std::uint8_t { refuse, take };
[[nodiscard]] Result<PrivateKeyPtr> make_key(const std::string& directory, const std::string& selector, Algorithm algorithm, int bits,
                                             TimePoint now, Leftover leftover = Leftover::refuse);

// Lists a key whose file is in the directory already (copied from OpenDKIM, or made by hand) as active: it signs. Not pending, since mail may be
// signed by it elsewhere.
[[nodiscard]] Result<void> adopt_key(const std::string& directory, const std::string& selector, TimePoint now);

// Reads stages.json, takes the step and writes it, as one; bury deletes the private key after that. make: see make_key.
[[nodiscard]] Result<void> carry_out(const std::string& directory, const RotationStep& step, TimePoint now);
// Deletes private keys of the stage gone; what a crash behind the last step left.
void delete_gone_keys(const std::string& directory, const KeyStages& stages);
// Takes a pending or published key back: struck off the list, its file deleted. Error: it signs, or did.
[[nodiscard]] Result<void> abandon_key(const std::string& directory, const std::string& selector);

// The keys of a domain as everybody else wants them: the fixed ones of its `dkim` list, then those of key_directory in these stages.
// Error: stages.json is broken; the fixed ones are not told then.
struct DomainKey {
    std::string selector;
    std::string key_file;
    bool managed = false;
    KeyStage stage = KeyStage::active;  // of fixed ones: active
};
[[nodiscard]] Result<std::vector<DomainKey>> domain_keys(const DomainOptions& domain);
// Which of them sign: the fixed and the active ones; where there is none, and sign_unpublished, the coming ones (SD-45).
[[nodiscard]] std::vector<DomainKey> signing_keys(const std::vector<DomainKey>& keys, bool sign_unpublished);
// Whose records must stand in DNS: all but those that are gone.
[[nodiscard]] std::vector<DomainKey> published_keys(const std::vector<DomainKey>& keys);

}  // namespace posthorn::auth::dkim
