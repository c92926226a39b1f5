// The rules that derive and repair senders; the table of cases is in docs/SENDERS.md and in the unit test.
#include "intake/sender_policy.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/domain.hpp"

namespace posthorn::intake {
namespace {

// Names that are given to machines of a house and mean nothing in the public DNS: RFC 6761 s6.3, s6.4, RFC
// 6762 s3, RFC 8375, ICANN's "internal", and those that RFC 6762 appendix G found in use.
constexpr std::array<std::string_view, 11> kPrivateNames = {
    "localdomain", "localhost", "local",    "internal", "lan",    "home",
    "home.arpa",   "corp",      "intranet", "private",  "invalid"};
constexpr std::size_t kMostShown = 100;  // octets of an address in log and reply

// As names are compared: A-labels, lower case; as they stand where they are no names.
std::string plain(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    const Result<std::string> ascii = mail::to_ascii(domain);
    return ascii ? *ascii : text::to_lower(domain);
}

bool is_among(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string shown(std::string_view address) {
    return text::safe_for_log(address, kMostShown);
}

std::string written(std::string_view local, std::string_view domain) {
    return domain.empty() ? std::string(local) : std::string(local) + "@" + std::string(domain);
}

// RFC 5890 s2.3.2.1: in an envelope names are A-labels, whatever letters a field or a spool file has. SPF is asked of nothing else.
std::string with_ascii_domain(std::string path) {
    const std::size_t at = path.rfind('@');
    if (at == std::string::npos || text::is_ascii(std::string_view(path).substr(at + 1))) return path;
    if (const Result<std::string> ascii = mail::to_ascii(std::string_view(path).substr(at + 1))) path.replace(at + 1, std::string::npos, *ascii);
    return path;
}

bool is_address(std::string_view text) {
    return mail::parse_address(text).has_value();
}

// An address of the envelope or a field, and what it is to the policy.
struct Named {
    std::string local, domain;
    Standing standing = Standing::foreign;

    [[nodiscard]] std::string text() const { return written(local, domain); }
};

class Decision {
public:
    Decision(const SenderPolicy& policy, const SenderClaim& claim) : policy_(policy), claim_(claim) {}

    SenderDecision run() {
        // A spool file's record may ask for anything; what is no address is as good as nobody.
        if (Named one = split(claim_.reverse_path);
            is_address(written(one.local, one.domain.empty() ? "x.example" : one.domain)))
            asked_ = std::move(one);
        if (claim_.from != nullptr) from_ = named(claim_.from->local, claim_.from->domain);
        if (claim_.sender != nullptr) sender_ = named(claim_.sender->local, claim_.sender->domain);
        if (from_ && from_->standing == Standing::foreign && policy_.foreign == ForeignFrom::refuse) {
            out_.refusal = "The From address " + shown(from_->text()) + " is not of " + domains_in_words() +
                           "; put an address of ours into From and the other into Reply-To";
            return std::move(out_);
        }
        decide_envelope();
        decide_from();
        if (sender_ && !may_stay(*sender_)) {
            out_.drop_sender = true;
            out_.done.push_back("removed Sender " + shown(sender_->text()));
        }
        return std::move(out_);
    }

private:
    [[nodiscard]] Named named(std::string_view local, std::string_view domain) const {
        if (domain.ends_with('.')) domain.remove_suffix(1);   // DNS writes names so, addresses do not (RFC 5321 s2.3.5)
        return {std::string(local), std::string(domain), standing_of(policy_, domain)};
    }
    [[nodiscard]] Named split(std::string_view address) const {
        const std::size_t at = address.rfind('@');
        const bool bare = at == std::string_view::npos || address.find('"', at) != std::string_view::npos;
        return bare ? named(address, {}) : named(address.substr(0, at), address.substr(at + 1));
    }
    [[nodiscard]] bool may_stay(const Named& one) const {
        return one.standing == Standing::ours ||
               (one.standing == Standing::foreign && policy_.foreign == ForeignFrom::keep);
    }

    [[nodiscard]] std::string domains_in_words() const {
        std::string words = policy_.domains.front();
        if (policy_.domains.size() > 1)
            words += " or " + std::to_string(policy_.domains.size() - 1) + " more of our domains";
        return words;
    }

    [[nodiscard]] std::string default_address() const {
        if (!policy_.address.empty()) return policy_.address;
        const std::string& domain = policy_.domains.front();
        std::string address = std::string(claim_.user) + "@" + domain;
        // Not each name that a user can have is a local part.
        if (claim_.user.empty() || !mail::parse_address(address, false))
            address = policy_.fallback + "@" + domain;
        return address;
    }

    // What stands for an address at a name of this machine. The caller's own name there is what a program
    // makes up that was told nothing, so it means the default; "wordpress@localhost" was chosen by somebody.
    [[nodiscard]] std::string at_site(const Named& one) const {
        if (!claim_.user.empty() && text::iequals(one.local, claim_.user)) return default_address();
        return one.local + "@" + policy_.domains.front();
    }

    // What somebody of ours was named for somebody else's mail.
    [[nodiscard]] std::string spokesman() const {
        if (!policy_.address.empty()) return policy_.address;
        if (sender_ && sender_->standing == Standing::ours) return sender_->text();
        if (asked_ && asked_->standing == Standing::ours) return asked_->text();
        if (asked_ && asked_->standing == Standing::machine) return at_site(*asked_);
        return default_address();
    }

    void decide_envelope() {
        if (claim_.asked && claim_.reverse_path.empty()) return;
        std::string& path = out_.reverse_path;
        if (asked_ && may_stay(*asked_)) {
            path = claim_.reverse_path;
        } else if (from_ && from_->standing == Standing::ours) {
            path = from_->text();
        } else if (asked_ && asked_->standing == Standing::machine) {
            path = at_site(*asked_);
        } else if (from_ && from_->standing == Standing::machine) {
            path = at_site(*from_);
        } else {
            path = spokesman();
        }
        path = with_ascii_domain(std::move(path));
        if (!is_address(path))
            path = default_address();  // a local part that a field may have, and no envelope
        if (!claim_.reverse_path.empty() && path != claim_.reverse_path) {
            out_.done.push_back("sender " + shown(claim_.reverse_path) + " -> " + shown(path));
        }
    }

    void decide_from() {
        using From = SenderDecision::From;
        if (!from_) {
            out_.from = From::made;
            out_.from_address = out_.reverse_path.empty() ? default_address() : out_.reverse_path;
            out_.from_display = claim_.full_name;
            return;
        }
        if (may_stay(*from_)) {
            out_.from_address = from_->text();
            if (from_->standing == Standing::ours && claim_.from->domain.ends_with('.')) {
                out_.from = From::address;
                out_.done.push_back("rewrote From " + shown(from_->text()) + ". -> " + shown(out_.from_address));
            }
            return;
        }
        if (from_->standing == Standing::machine) {
            out_.from_address = at_site(*from_);
            const bool same_local = out_.from_address == from_->local + "@" + policy_.domains.front();
            out_.from = same_local ? From::domain : From::address;
        } else {
            out_.from = From::on_behalf;
            out_.from_address = spokesman();
            out_.from_display = claim_.from->display.empty() ? claim_.from->local : claim_.from->display;
            out_.reply_to = !claim_.has_reply_to;
        }
        out_.done.push_back("rewrote From " + shown(from_->text()) + " -> " + shown(out_.from_address));
        if (out_.reply_to) out_.done.emplace_back("added Reply-To");
    }

    const SenderPolicy& policy_;
    const SenderClaim& claim_;
    std::optional<Named> asked_, from_, sender_;
    SenderDecision out_;
};

}  // namespace

bool is_machine_name(std::string_view domain) {
    if (mail::is_address_literal(domain)) return true;
    const std::string name = plain(domain);
    if (name.find('.') == std::string::npos) return true;
    return std::any_of(kPrivateNames.begin(), kPrivateNames.end(),
                       [&name](std::string_view above) { return mail::is_subdomain_of(name, above); });
}

Standing standing_of(const SenderPolicy& policy, std::string_view domain) {
    if (domain.empty()) return Standing::machine;
    const std::string name = plain(domain);
    if (is_among(policy.domains, name)) return Standing::ours;
    if (is_among(policy.machine_names, name)) return Standing::machine;
    if (policy.ours.allow("any", name)) return Standing::ours;
    return is_machine_name(domain) ? Standing::machine : Standing::foreign;
}

SenderDecision decide_sender(const SenderPolicy& policy, const SenderClaim& claim) {
    return Decision(policy, claim).run();
}

Sites::Sites(const SenderOptions& options, const std::vector<SiteOptions>& sites, const Facts& facts) {
    const auth::SenderRules all = auth::SenderRules::of_domains(facts.domains);
    // The domain that completes names stands first.
    std::vector<std::string> domains = facts.domains;
    const auto put_first = [](std::vector<std::string>& names, std::string name) {
        if (const auto found = std::find(names.begin(), names.end(), name); found != names.end())
            names.erase(found);
        names.insert(names.begin(), std::move(name));
    };
    // /etc/mailname is the machine's own name as a rule: it counts where somebody made a [[domain]] of it
    // (SD-52).
    const std::string mailname = facts.mailname.empty() ? std::string() : plain(facts.mailname);
    const std::string qualify = facts.qualify_domain.empty() ? std::string() : plain(facts.qualify_domain);
    if (is_among(facts.domains, mailname)) put_first(domains, mailname);
    if (!qualify.empty() && (domains.empty() || all.allow("any", qualify))) put_first(domains, qualify);

    const auto make = [&](std::string name, std::vector<std::string> ours, std::string address,
                          ForeignFrom foreign) {
        auto policy = std::make_shared<SenderPolicy>();
        policy->site = std::move(name);
        policy->domains = std::move(ours);
        policy->ours = auth::SenderRules::of_domains(policy->domains);
        policy->address = std::move(address);
        policy->foreign = foreign;
        for (const std::string& given : facts.machine_names) {
            std::string machine = plain(given);
            if (!machine.empty() && !is_among(policy->domains, machine))
                policy->machine_names.push_back(std::move(machine));
        }
        if (!mailname.empty() && !is_among(policy->domains, mailname))
            policy->machine_names.push_back(mailname);
        return Ptr(std::move(policy));
    };

    // Without a [[domain]] nobody's mail is known to be ours: names are completed, and nothing else is
    // touched.
    if (domains.empty()) {
        others_ = make({}, {plain(facts.hostname)}, options.address, ForeignFrom::keep);
    } else {
        others_ = make({}, domains, options.address, options.from);
        clients_ = make({}, domains, options.address, options.clients_from);
    }
    for (const SiteOptions& site : sites) {
        std::vector<std::string> ours = site.domains.empty() ? others_->domains : site.domains;
        if (const std::string own = mail::destination_of(site.sender); site.domains.empty() && !own.empty())
            put_first(ours, plain(own));
        const Ptr policy =
            make(site.name, std::move(ours), site.sender, domains.empty() ? ForeignFrom::keep : site.from);
        if (!site.socket.empty()) by_door_[site.socket] = policy;
        if (!site.spool.empty()) by_door_[site.spool] = policy;
        for (const std::string& user : site.users) by_user_[user] = policy;
    }
}

const SenderPolicy* Sites::of(const Caller& caller) const {
    if (const auto found = by_door_.find(caller.door); found != by_door_.end()) return found->second.get();
    for (const std::string& name : {caller.user, std::to_string(caller.uid), std::string("*")}) {
        if (const auto found = by_user_.find(name); found != by_user_.end()) return found->second.get();
    }
    return others_.get();
}

}  // namespace posthorn::intake
