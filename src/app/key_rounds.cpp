// The rounds: read, look, one step, again, until nothing is due.
#include "app/key_rounds.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "app/key_look.hpp"
#include "app/ownership.hpp"
#include "auth/dkim/key_directory.hpp"
#include "auth/dkim/record.hpp"
#include "base/log.hpp"
#include "net/offload.hpp"

namespace posthorn::app {

using auth::dkim::KeysSeen;
using auth::dkim::RotationStep;

namespace {

constexpr int kMostSteps = 8;  // of one domain in one round
constexpr Duration kTablePause = std::chrono::seconds(10);  // a table of all domains is not made for each of them
constexpr Duration kSevenDays = std::chrono::hours(7 * 24);

std::string_view action_of(RotationStep::Kind kind) {
    switch (kind) {
        case RotationStep::Kind::make:
            return "a new key is made: publish its record";
        case RotationStep::Kind::publish:
            return "the key is published, and signs when no cache can lack its record any more";
        case RotationStep::Kind::lose:
            return "the key waits for its record again";
        case RotationStep::Kind::activate:
            return "the key signs from now on; the one before retires, its record must stay";
        case RotationStep::Kind::bury:
            return "the private key is deleted; its record may be deleted from DNS";
        case RotationStep::Kind::retire:
        case RotationStep::Kind::wait:
            break;
    }
    return "";
}

}  // namespace

auth::dkim::RotationOptions rotation_options(const config::Config& config) {
    const auth::DkimOptions& dkim = config.auth.dkim;
    auth::dkim::RotationOptions options;
    options.every = dkim.rotate_every;
    options.settle = dkim.settle;
    options.keep = dkim.keep_record > Duration::zero() ? dkim.keep_record : config.queue.lifetime + kSevenDays;
    options.make_first = dkim.autogenerate;
    return options;
}

KeyRounds::KeyRounds(net::asio::io_context& home, dns::Resolver& resolver, net::asio::thread_pool& disk, Replace replace,
                     std::function<void()> seen)
    : resolver_(resolver),
      disk_(disk),
      replace_(std::move(replace)),
      seen_(std::move(seen)),
      tasks_(home.get_executor(), "key rounds"),
      wake_(home.get_executor()) {}

void KeyRounds::start(const config::Config& config) {
    follow(config);
    tasks_.spawn(rounds());
}

void KeyRounds::follow(const config::Config& config) {
    auth_ = config.auth;
    options_ = rotation_options(config);
    first_run_ = first_run_of(config);
    ++turn_;
    std::map<std::string, Domain> kept;
    for (const auth::DomainOptions& domain : auth_.domains) {
        const auto known = domains_.find(domain.name);
        if (domain.key_directory.empty() || known == domains_.end()) continue;
        Domain& state = kept[domain.name];
        state = std::move(known->second);
        state.in_force.clear();   // the reload made a table of its own
    }
    domains_ = std::move(kept);
    wake_.notify();
}

void KeyRounds::stop() {
    tasks_.request_stop();
    wake_.notify();
}

std::vector<events::Figures::KeyTrouble> KeyRounds::missing() const {
    std::vector<events::Figures::KeyTrouble> all;
    for (const auto& [name, domain] : domains_) all.insert(all.end(), domain.missing.begin(), domain.missing.end());
    return all;
}

net::awaitable<void> KeyRounds::rounds() {
    while (!tasks_.stopping()) {
        next_look_ = wall_now() + auth_.dkim.look_every;
        const std::uint64_t turn = turn_;
        try {
            co_await look_after_all();
        } catch (const std::exception& failure) {
            log::error("dkim_keys").kv("error", failure.what());   // out of memory: the next round may fare better
        }
        if (tasks_.stopping()) co_return;
        if (turn == turn_) seen_();   // else the next round begins at once
        const Duration pause = std::max<Duration>(next_look_ - wall_now(), std::chrono::milliseconds(100));
        const SteadyTime next = std::chrono::steady_clock::now() + pause;
        co_await wake_.wait_until(next);
    }
}

net::awaitable<void> KeyRounds::look_after_all() {
    const std::uint64_t turn = turn_;
    const std::vector<auth::DomainOptions> domains = auth_.domains;
    SteadyTime next_table = std::chrono::steady_clock::now() + kTablePause;
    for (const auth::DomainOptions& domain : domains) {
        if (domain.key_directory.empty()) continue;
        if (tasks_.stopping() || turn != turn_) break;
        co_await look_after(domain);
        // One whose servers are silent keeps those before it waiting no longer.
        if (changed_ && turn == turn_ && !tasks_.stopping() && std::chrono::steady_clock::now() >= next_table) {
            co_await make_table();
            next_table = std::chrono::steady_clock::now() + kTablePause;
        }
    }
    // Also after a reload meanwhile: the next round begins at once then.
    if (changed_ && turn == turn_ && !tasks_.stopping()) co_await make_table();
}

net::awaitable<void> KeyRounds::look_after(auth::DomainOptions domain) {
    const std::uint64_t turn = turn_;
    for (int steps = 0; steps < kMostSteps; ++steps) {
        auto reading = [path = domain.key_directory] { return read(path); };
        const Directory directory = co_await net::offload(disk_, std::move(reading));
        if (turn != turn_ || tasks_.stopping()) co_return;
        if (!directory.trouble.empty()) {
            tell(domains_[domain.name], domain.name, directory.trouble, true);
            co_return;
        }
        const KeysSeen seen = co_await look_in_dns(domain.name, directory);
        if (turn != turn_ || tasks_.stopping()) co_return;
        Domain& state = domains_[domain.name];
        if (state.tell_records && !directory.coming.empty()) {
            tell_first_records(first_run_, domain.name, directory.coming);
            state.tell_records = false;
        }
        const std::string now_in_force = directory.stages.to_json();
        if (state.in_force != now_in_force) changed_ = true;
        state.in_force = now_in_force;
        const RotationStep step = auth::dkim::next_step(directory.stages, seen, options_, wall_now());
        if (step.kind == RotationStep::Kind::wait) {
            if (step.not_before != TimePoint{}) next_look_ = std::min(next_look_, step.not_before);
            const bool missing = std::any_of(seen.begin(), seen.end(), [](const auto& one) { return !one.second.everywhere; });
            tell(state, domain.name, step.words, missing);
            co_return;
        }
        auto carrying = [path = domain.key_directory, step] {
            const Result<void> done = auth::dkim::carry_out(path, step, wall_now());
            return done ? std::string() : done.error().what;
        };
        const std::string failure = co_await net::offload(disk_, std::move(carrying));
        if (turn != turn_) co_return;
        if (!failure.empty()) {
            tell(domains_[domain.name], domain.name, failure, true);
            co_return;
        }
        if (step.kind == RotationStep::Kind::make && directory.stages.keys.empty()) domains_[domain.name].tell_records = true;
        log::info("dkim_key").kv("domain", domain.name).kv("selector", step.selector).kv("reason", step.words).kv("action", action_of(step.kind));
    }
}

net::awaitable<KeysSeen> KeyRounds::look_in_dns(const std::string& domain, const Directory& directory) {
    const std::uint64_t turn = turn_;
    KeysSeen seen;
    std::vector<events::Figures::KeyTrouble> missing;
    std::string publish;
    const net::asio::any_io_executor executor = co_await net::asio::this_coro::executor;
    dns::Authorities authorities(executor, resolver_);
    for (const auto& [selector, key] : directory.coming) {
        const KeyLook look = co_await look_for_key(resolver_, authorities, domain, selector, key);
        auth::dkim::KeySeen one = seen_of(look);
        if (!one.everywhere) {
            const auth::DnsRecord record = auth::dkim::key_record(domain, selector, *key);
            missing.push_back({look.name, one.words, auth::zone_file(record), true});
            publish += (publish.empty() ? "" : ", ") + record.name + " TXT \"" + auth::one_line(record) + "\"";
        }
        seen.emplace_back(selector, std::move(one));
        if (tasks_.stopping()) break;
    }
    if (turn != turn_) co_return seen;  // a reload may have taken the domain out: nobody would end its alarm
    domains_[domain].missing = std::move(missing);
    domains_[domain].publish = std::move(publish);
    co_return seen;
}

net::awaitable<void> KeyRounds::make_table() {
    const std::uint64_t turn = turn_;
    auto making = [auth = auth_] { return auth::dkim::KeyTable::build(auth.domains, auth.dkim); };
    auth::dkim::KeyTablePtr table = co_await net::offload(disk_, std::move(making));
    if (turn != turn_ || tasks_.stopping()) co_return;
    changed_ = false;
    for (const std::string& problem : table->problems()) log::warning("dkim_keys").kv("warning", problem);
    replace_(std::move(table));
}

void KeyRounds::tell(Domain& state, const std::string& domain, const std::string& words, bool trouble) {
    if (words == state.told) return;
    state.told = words;
    log::Event event(trouble ? log::Level::warning : log::Level::info, "dkim_keys");
    event.kv("domain", domain).kv("state", words);
    if (!state.publish.empty()) event.kv("publish", state.publish);   // SD-45
    if (trouble) event.kv("action", "posthorn dkim rotate " + domain + " --status shows what is missing");
}

KeyRounds::Directory KeyRounds::read(const std::string& path) {
    Directory directory;
    std::error_code error;
    make_private_directories(path, error);
    if (error) {
        directory.trouble = "cannot make the directory " + path + ": " + error.message();
        return directory;
    }
    Result<auth::dkim::KeyStages> stages = auth::dkim::read_stages(path);
    if (!stages) {
        directory.trouble = stages.error().what;
        return directory;
    }
    auth::dkim::delete_gone_keys(path, *stages);
    for (const std::string& selector : auth::dkim::to_be_seen(*stages)) {
        const auto key = auth::dkim::PrivateKey::load(auth::dkim::key_path(path, selector));
        if (!key) {
            directory.trouble = key.error().what;
            return directory;
        }
        directory.coming.emplace_back(selector, *key);
    }
    directory.stages = std::move(*stages);
    return directory;
}

}  // namespace posthorn::app
