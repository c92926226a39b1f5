// Where a site stands: how much it may have at once, whether it is quick, dead or forgotten.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {

std::uint32_t Scheduler::State::ceiling(const Site& site) const {
    const std::uint32_t limit = site.limit != 0 ? site.limit : options.connections_per_site;
    const std::uint32_t half = (options.deliveries + 1) / 2;  // no site has more than half of what there is
    return std::max<std::uint32_t>(1, std::min(limit, half));
}

bool Scheduler::State::is_tight(const Site& site) const {
    return site.standing == Standing::slow || loaded.used() * 2 > total_bound();
}

std::size_t Scheduler::State::site_bound(const Site& site) const {
    const std::size_t generous = 2 * options.claim_batch;
    return is_tight(site) ? std::min<std::size_t>(generous, 2 * window(site)) : generous;
}

SiteId Scheduler::State::site_at(const SitePlace& place) {
    if (const auto it = by_key.find(place.key); it != by_key.end()) {
        return it->second;
    }
    const SiteId id = ++last_site;
    Site& site = sites[id];
    site.key = place.key;
    by_key.emplace(site.key, id);
    return id;
}

void Scheduler::State::consider_starts(SiteId id, Site& site, TimePoint now) {
    if (site.start_turn != 0 || site.ring.empty() || site.active >= window(site) ||
        site.backoff_until > now) {
        return;
    }
    site.start_turn = starts.push(site.standing, id);
}

void Scheduler::State::consider_claims(SiteId id, Site& site, TimePoint now) {
    if (site.claim_turn != 0 || site.wants.empty() || site.backoff_until > now) {
        return;
    }
    if (id == kUnknownSite || site.ready == 0 || site.ready < site_bound(site)) {
        site.claim_turn = claims.push(site.standing, id);
    }
}

void Scheduler::State::set_standing(SiteId id, Site& site, Standing standing, TimePoint now) {
    if (site.standing == standing) {
        return;
    }
    deliveries.remove(site.standing, site.active);
    deliveries.add(standing, site.active);
    loaded.remove(site.standing, site.loaded);
    loaded.add(standing, site.loaded);
    site.standing = standing;
    // In the line of its new standing; the old place is skipped.
    if (site.start_turn != 0) {
        site.start_turn = starts.push(standing, id);
    }
    if (site.claim_turn != 0) {
        site.claim_turn = claims.push(standing, id);
    }
    if (site.ready > site_bound(site)) {
        reconsider_ring(id, site, now);
    }
}

void Scheduler::State::reconsider_ring(SiteId id, Site& site, TimePoint now) {
    for (const DestinationId member : site.ring.take_all()) {
        Destination* destination = find(member);
        if (destination != nullptr && destination->in_ring && destination->site == id) {
            destination->in_ring = false;
            consider(member, *destination, now);
        }
    }
}

void Scheduler::State::count_loaded(Site& site, std::size_t more, std::size_t fewer) {
    site.loaded += more;
    site.loaded -= fewer;
    loaded.add(site.standing, more);
    loaded.remove(site.standing, fewer);
}

void Scheduler::State::begin_delivery(SiteId id, Site& site, TimePoint now) {
    if (site.active == 0) {
        site.progress_at = now;
    }
    site.active += 1;
    deliveries.add(site.standing, 1);
    if (site.standing != Standing::slow) {
        look_at(id, site, site.progress_at + options.slow);
    }
}

void Scheduler::State::end_delivery(Site& site, TimePoint now) {
    site.active -= 1;
    site.progress_at = now;
    deliveries.remove(site.standing, 1);
}

void Scheduler::State::learn(SiteId id, Site& site, DeliveryFeedback feedback, TimePoint now) {
    using Reach = DeliveryFeedback::Reach;
    const bool from_before = site.window.from_before();
    switch (feedback.reach) {
        case Reach::reached: {
            const bool slow = feedback.took >= options.slow;
            set_standing(id, site, slow ? Standing::slow : Standing::quick, now);
            if (from_before) {
                break;
            }
            // It answers: whatever was believed of it.
            site.failures = 0;
            if (site.backoff_until > now) {
                end_backoff(id, site, now);
            }
            if (slow && deliveries.used() * 2 >= options.deliveries) {
                site.window.narrow();
            } else {
                site.window.succeeded(ceiling(site));
            }
            break;
        }
        case Reach::host_failed:
            // During a back-off: several deliveries met the same trouble; it counts once.
            set_standing(id, site, Standing::slow, now);
            if (site.backoff_until <= now && site.window.failed()) {
                back_off(id, site, 0, now);
            }
            break;
        case Reach::closed:
            set_standing(id, site, Standing::slow, now);
            if (site.backoff_until <= now) {
                back_off(id, site, site.active, now);
                site.closed = true;
            }
            break;
        case Reach::throttled:
            // Those that were under way when the window shrank have been answered already.
            if (!from_before && site.backoff_until <= now && site.window.throttled(site.active)) {
                back_off(id, site, site.active, now);
            }
            break;
        case Reach::shortage:
            rest_until = std::max(rest_until, now + kShortageRest);
            break;
        case Reach::abandoned:
            break;
    }
}

void Scheduler::State::back_off(SiteId id, Site& site, std::uint32_t before, TimePoint now) {
    count_failure(site.failures);
    backoffs.erase({site.backoff_until, id});  // of one that is over, which nobody has seen yet
    site.backoff_until = now + backoff(options, site.failures);
    backoffs.emplace(site.backoff_until, id);
    site.window.collapse(before);
    set_standing(id, site, Standing::slow, now);
    // What is loaded goes back and waits with the rest, which the site asks for when the back-off is over.
    reconsider_ring(id, site, now);
}

void Scheduler::State::end_backoff(SiteId id, Site& site, TimePoint now) {
    backoffs.erase({site.backoff_until, id});
    site.backoff_until = {};
    site.closed = false;
    consider_claims(id, site, now);
    consider_starts(id, site, now);
}

void Scheduler::State::pardon(SiteId id, Site& site, TimePoint now) {
    site.failures = 0;
    if (site.backoff_until > now) {
        end_backoff(id, site, now);
    }
}

void Scheduler::State::look_at(SiteId id, Site& site, TimePoint when) {
    if (site.look_at <= when) {
        return;
    }
    if (site.look_at != kNever) {
        site_timer.erase({site.look_at, id});
    }
    site.look_at = when;
    site_timer.emplace(when, id);
}

// Its place in the site timer has come: it may be early.
void Scheduler::State::look(SiteId id, Site& site, TimePoint now) {
    site_timer.erase({site.look_at, id});
    site.look_at = kNever;
    if (site.forget_at <= now) {
        by_key.erase(site.key);
        sites.erase(id);
        return;
    }
    if (site.forget_at != kNever) {
        look_at(id, site, site.forget_at);
        return;
    }
    if (site.active == 0 || site.standing == Standing::slow) {
        return;
    }
    if (site.progress_at + options.slow <= now) {
        set_standing(id, site, Standing::slow, now);  // all that it has hangs
    } else {
        look_at(id, site, site.progress_at + options.slow);
    }
}

void Scheduler::State::forget_if_idle(SiteId id, Site& site, TimePoint now) {
    if (id == kUnknownSite || site.members != 0 || site.active != 0 || site.forget_at != kNever) {
        return;
    }
    site.forget_at = std::max(site.backoff_until, now) + kSiteMemory;
    look_at(id, site, site.forget_at);
}

}  // namespace posthorn::queue
