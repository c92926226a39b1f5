// One question, two ways; and what both say.
#include "app/key_look.hpp"

#include <algorithm>
#include <utility>

#include "delivery/inquiry.hpp"

namespace posthorn::app {

using auth::dkim::KeySight;

namespace {

KeySight sight_of(std::string place, dns::Lookup lookup, const auth::dkim::PrivateKey& key, const std::string& name) {
    KeySight sight;
    sight.place = std::move(place);
    sight.answer = delivery::answer_from(std::move(lookup));
    sight.verdict = auth::dkim::judge_key(sight.answer, key, name);
    return sight;
}

}  // namespace

net::awaitable<KeyLook> look_for_key(dns::Resolver& resolver, dns::Authorities& authorities, std::string domain, std::string selector,
                                     auth::dkim::PrivateKeyPtr key) {
    KeyLook look;
    look.name = selector + "._domainkey." + domain;
    dns::AuthorityAnswers told = co_await authorities.ask(look.name, dns::RecordType::txt);
    look.zone = told.zone;
    look.no_authority = told.servers.empty() ? told.detail : std::string();
    for (dns::AuthorityAnswer& one : told.servers) {
        std::string place = one.server + (one.address.empty() ? std::string() : " (" + one.address + ")");
        if (one.lookup.status != dns::Status::temporary && one.lookup.chain_is_open) {
            // A CNAME into somebody else's zone (a provider's): what stands there counts.
            dns::Lookup rest = co_await resolver.look_up(one.lookup.final_name, dns::RecordType::txt, true);
            rest.ttl = std::min(rest.ttl, one.lookup.ttl);
            place += " by way of " + one.lookup.final_name;
            look.authorities.push_back(sight_of(std::move(place), std::move(rest), *key, look.name));
            continue;
        }
        look.authorities.push_back(sight_of(std::move(place), std::move(one.lookup), *key, look.name));
    }
    dns::Lookup at_resolver = co_await resolver.look_up(look.name, dns::RecordType::txt, true);
    look.resolver = sight_of("the resolver", std::move(at_resolver), *key, look.name);
    co_return look;
}

auth::dkim::KeySeen seen_of(const KeyLook& look) {
    auth::dkim::KeySeen seen;
    seen.at_resolver = look.resolver.verdict.usable();
    seen.everywhere = !look.authorities.empty();
    for (const KeySight& place : look.authorities) {
        seen.ttl = std::max(seen.ttl, place.answer.ttl);
        if (place.verdict.usable()) continue;
        seen.everywhere = false;
        if (seen.words.empty()) seen.words = place.place + ": " + place.verdict.words;
    }
    if (look.authorities.empty()) seen.words = "no server of the zone could be asked: " + look.no_authority;
    if (seen.words.empty() && !seen.at_resolver) seen.words = "the resolver: " + look.resolver.verdict.words;
    return seen;
}

}  // namespace posthorn::app
