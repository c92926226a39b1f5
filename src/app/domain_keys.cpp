// Which domains need a key; auth/dkim/key_directory makes it.
#include "app/domain_keys.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "app/ownership.hpp"
#include "auth/dkim/key_directory.hpp"

namespace posthorn::app {

namespace dkim = auth::dkim;

Result<std::vector<MadeKey>> make_first_keys(const std::vector<auth::DomainOptions>& domains, TimePoint now) {
    constexpr int kFirstKeyBits = 2048;
    std::vector<MadeKey> made;
    for (const auth::DomainOptions& domain : domains) {
        if (domain.key_directory.empty() || !domain.keys.empty()) continue;
        const auto stages = dkim::read_stages(domain.key_directory);
        if (!stages) return stages.error();
        if (!stages->keys.empty()) continue;
        std::error_code error;
        make_private_directories(domain.key_directory, error);
        if (error)
            return Error{fmt::format("cannot make the directory {} for the keys of {}: {}",
                                     domain.key_directory, domain.name, error.message())};
        const std::string selector = dkim::default_selector(now, *stages);
        const auto key = dkim::make_key(domain.key_directory, selector, dkim::Algorithm::rsa, kFirstKeyBits,
                                        now, dkim::Leftover::take);
        if (!key) return key.error();
        made.push_back({domain.name, selector, dkim::key_path(domain.key_directory, selector)});
    }
    return made;
}

}  // namespace posthorn::app
