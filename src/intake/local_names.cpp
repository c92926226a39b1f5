// What is a name of this machine, and which files may say who gets its mail: see local_names.hpp.
#include "intake/local_names.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace posthorn::intake {
namespace {

constexpr std::uint32_t kWritableByOthers = 022;

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool LocalNames::is_local(std::string_view address) const {
    const std::size_t at = address.rfind('@');
    if (at == std::string_view::npos || address.find('"', at) != std::string_view::npos) return true;
    const std::string domain = text::to_lower(address.substr(at + 1));
    if (contains(own_domains, domain)) return false;
    return domain == "localhost" || domain.ends_with(".localhost") || domain == "localdomain" || domain.ends_with(".localdomain") ||
           domain == "[127.0.0.1]" || domain == "[ipv6:::1]" || contains(domains, domain);
}

bool LocalNames::is_own(std::string_view address) const {
    if (own_domains.empty()) return true;
    const std::string domain = mail::destination_of(address);
    return std::any_of(own_domains.begin(), own_domains.end(),
                       [&](const std::string& own) { return domain == own || domain.ends_with("." + own); });
}

std::string fault_of(const NameFile& file, const PasswdEntry& owner, bool or_root) {
    if (file.state == NameFile::State::unreadable) return file.trouble;
    if (!file.regular) return "it is no regular file";
    if (file.owner != owner.uid && !(or_root && file.owner == 0)) {
        return "it belongs to uid " + std::to_string(file.owner) + "; it must belong to uid " + std::to_string(owner.uid) +
               (or_root && owner.uid != 0 ? " or to root" : "");
    }
    if ((file.mode & kWritableByOthers) != 0) return "others may write to it; chmod go-w helps";
    return {};
}

std::size_t recipients_beyond(const std::vector<Expansion>& expansions) {
    std::size_t beyond = 0;
    for (const Expansion& expansion : expansions) beyond += std::max<std::size_t>(expansion.targets.size(), 1) - 1;
    return beyond;
}

}  // namespace posthorn::intake
