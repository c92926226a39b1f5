// The machine of stages: one decision a key, the first that is no waiting is the domain's next step.
#include "auth/dkim/rotation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.hpp"
#include "base/utc.hpp"

namespace posthorn::auth::dkim {
namespace {

namespace json = boost::json;

constexpr std::size_t kGoneKept = 12;  // entries of keys that are gone, for the record
constexpr int kUsualBits = 2048;
constexpr std::int64_t kLastSecond = 9'000'000'000;  // 2255: later ones do not fit into a TimePoint
constexpr std::int64_t kMostBits = 16'384;

std::string_view name_of(Algorithm algorithm) { return algorithm == Algorithm::rsa ? "rsa" : "ed25519"; }

const KeySeen* find_seen(const KeysSeen& seen, std::string_view selector) {
    const auto found = std::find_if(seen.begin(), seen.end(), [selector](const auto& one) { return one.first == selector; });
    return found == seen.end() ? nullptr : &found->second;
}

bool is_coming(const StagedKey& key) { return key.stage == KeyStage::pending || key.stage == KeyStage::published; }

RotationStep step_of(RotationStep::Kind kind, const StagedKey& key, std::string words, TimePoint not_before = {}) {
    RotationStep step;
    step.kind = kind;
    step.selector = key.selector;
    step.algorithm = key.algorithm;
    step.words = std::move(words);
    step.not_before = not_before;
    return step;
}

RotationStep about_pending(const StagedKey& key, const KeySeen& seen) {
    if (seen.everywhere)
        return step_of(RotationStep::Kind::publish, key, "its record is at all servers of the zone");
    return step_of(RotationStep::Kind::wait, key,
                   "its record is not at all servers of the zone" + (seen.words.empty() ? std::string() : ": " + seen.words));
}

// Nobody has asked for the first key of a domain, as no mail went without one: no cache can lack it, and its mail is waiting.
RotationStep about_published(const StagedKey& key, const KeyStages& stages, const KeySeen& seen, const RotationOptions& options, TimePoint now) {
    if (!seen.everywhere)
        return step_of(RotationStep::Kind::lose, key,
                       "its record is not at all servers of the zone any more" + (seen.words.empty() ? std::string() : ": " + seen.words));
    const bool first = std::none_of(stages.keys.begin(), stages.keys.end(), [](const StagedKey& one) { return one.stage == KeyStage::active; });
    if (first) return step_of(RotationStep::Kind::activate, key, "its record is at all servers of the zone, and no other key signs");
    const TimePoint due = key.since + std::max<Duration>(options.settle, seen.ttl);
    if (now < due)
        return step_of(RotationStep::Kind::wait, key, "its record is published; it signs from " + utc_text(due) + " on, when no cache can lack it", due);
    if (!seen.at_resolver) return step_of(RotationStep::Kind::wait, key, "the resolver does not show its record yet: " + seen.words);
    return step_of(RotationStep::Kind::activate, key, "its record has been at all servers of the zone since " + utc_text(key.since));
}

RotationStep about_active(const StagedKey& key, const KeyStages& stages, const RotationOptions& options, TimePoint now) {
    if (options.every <= Duration::zero()) return step_of(RotationStep::Kind::wait, key, "it signs");
    if (stages.coming(key.algorithm) != nullptr) return step_of(RotationStep::Kind::wait, key, "it signs until the next one does");
    const TimePoint due = key.since + options.every;
    if (now < due) return step_of(RotationStep::Kind::wait, key, "it signs; the next one is made at " + utc_text(due), due);
    RotationStep step = step_of(RotationStep::Kind::make, key, "it has signed since " + utc_text(key.since) + ", so the next one is made");
    step.selector = default_selector(now, stages);
    step.bits = std::max(key.bits, kUsualBits);
    return step;
}

RotationStep about(const StagedKey& key, const KeyStages& stages, const KeysSeen& seen, const RotationOptions& options, TimePoint now) {
    static const KeySeen unseen;
    const KeySeen* found = find_seen(seen, key.selector);
    switch (key.stage) {
        case KeyStage::pending:
            return about_pending(key, found == nullptr ? unseen : *found);
        case KeyStage::published:
            // Not looked for is not gone.
            if (found == nullptr) return step_of(RotationStep::Kind::wait, key, "its record is published");
            return about_published(key, stages, *found, options, now);
        case KeyStage::active:
            return about_active(key, stages, options, now);
        case KeyStage::retiring: {
            const TimePoint due = key.since + options.keep;
            if (now >= due) return step_of(RotationStep::Kind::bury, key, "no mail signed by it can be under way any more: its record may be deleted");
            return step_of(RotationStep::Kind::wait, key, "it signs no more; its record must stay until " + utc_text(due), due);
        }
        case KeyStage::gone:
            break;
    }
    return step_of(RotationStep::Kind::wait, key, "its record may be deleted from DNS");
}

void forget_the_oldest(KeyStages& stages) {
    const auto is_gone = [](const StagedKey& key) { return key.stage == KeyStage::gone; };
    auto gone = std::count_if(stages.keys.begin(), stages.keys.end(), is_gone);
    std::erase_if(stages.keys, [&](const StagedKey& key) { return is_gone(key) && gone-- > std::ptrdiff_t(kGoneKept); });
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// A selector becomes labels of a name, and the name of a file.
bool is_selector(std::string_view text) {
    return !text.empty() && text.size() <= 63 && text.front() != '.' && text.back() != '.' && text.find("..") == std::string_view::npos &&
           std::all_of(text.begin(), text.end(), [](char c) { return text::is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

std::optional<std::int64_t> number_of(const json::object& object, std::string_view key, std::int64_t limit) {
    const json::value* value = object.if_contains(key);
    const std::int64_t number = value != nullptr && value->is_int64() ? value->as_int64() : -1;
    return number >= 0 && number <= limit ? std::optional(number) : std::nullopt;
}

}  // namespace

std::string_view to_string(KeyStage stage) {
    switch (stage) {
        case KeyStage::pending:
            return "pending";
        case KeyStage::published:
            return "published";
        case KeyStage::active:
            return "active";
        case KeyStage::retiring:
            return "retiring";
        case KeyStage::gone:
            break;
    }
    return "gone";
}

std::optional<KeyStage> key_stage_of(std::string_view name) {
    for (const KeyStage stage : {KeyStage::pending, KeyStage::published, KeyStage::active, KeyStage::retiring, KeyStage::gone})
        if (to_string(stage) == name) return stage;
    return std::nullopt;
}

const StagedKey* KeyStages::find(std::string_view selector) const {
    const auto found = std::find_if(keys.begin(), keys.end(), [selector](const StagedKey& key) { return text::iequals(key.selector, selector); });
    return found == keys.end() ? nullptr : &*found;
}

StagedKey* KeyStages::find(std::string_view selector) { return const_cast<StagedKey*>(std::as_const(*this).find(selector)); }

const StagedKey* KeyStages::at(KeyStage stage, Algorithm algorithm) const {
    const StagedKey* newest = nullptr;
    for (const StagedKey& key : keys)
        if (key.stage == stage && key.algorithm == algorithm) newest = &key;
    return newest;
}

const StagedKey* KeyStages::coming(Algorithm algorithm) const {
    const StagedKey* pending = at(KeyStage::pending, algorithm);
    return pending != nullptr ? pending : at(KeyStage::published, algorithm);
}

Result<KeyStages> KeyStages::parse(std::string_view text, const std::string& source) {
    const auto broken = [&source](std::string_view what) {
        return Error{source, " ", what, ": it is written by Posthorn alone; put a copy back, or move it away and take the key that signs in anew "
                     "(posthorn dkim rotate DOMAIN --adopt SELECTOR)"};
    };
    boost::system::error_code ec;
    const json::value value = json::parse(text, ec);
    const json::object* object = ec ? nullptr : value.if_object();
    const json::value* list = object == nullptr ? nullptr : object->if_contains("keys");
    if (list == nullptr || !list->is_array()) return broken("is no list of keys");
    KeyStages stages;
    for (const json::value& one : list->as_array()) {
        if (!one.is_object()) return broken("is no list of keys");
        StagedKey key;
        key.selector = text_of(one.as_object(), "selector");
        const auto stage = key_stage_of(text_of(one.as_object(), "stage"));
        const std::string algorithm = text_of(one.as_object(), "algorithm");
        // A time that is lost would bury a retiring key at once.
        const auto since = number_of(one.as_object(), "since", kLastSecond), bits = number_of(one.as_object(), "bits", kMostBits);
        if (!is_selector(key.selector) || !stage || !since || !bits || (algorithm != "rsa" && algorithm != "ed25519") || stages.find(key.selector) != nullptr)
            return broken("has an entry that is no key");
        key.stage = *stage;
        key.since = TimePoint(std::chrono::seconds(*since));
        key.algorithm = algorithm == "rsa" ? Algorithm::rsa : Algorithm::ed25519;
        key.bits = int(*bits);
        stages.keys.push_back(std::move(key));
    }
    return stages;
}

std::string KeyStages::to_json() const {
    std::string out = "{\"keys\": [";
    for (const StagedKey& key : keys) {
        json::object one;
        one["selector"] = key.selector;
        one["stage"] = to_string(key.stage);
        one["since"] = std::chrono::floor<std::chrono::seconds>(key.since.time_since_epoch()).count();
        one["since_utc"] = utc_text(key.since);
        one["algorithm"] = name_of(key.algorithm);
        one["bits"] = key.bits;
        out += (&key == &keys.front() ? "\n  " : ",\n  ") + json::serialize(one);
    }
    return out + (keys.empty() ? "]}\n" : "\n]}\n");
}

std::vector<std::string> to_be_seen(const KeyStages& stages) {
    std::vector<std::string> selectors;
    for (const StagedKey& key : stages.keys)
        if (is_coming(key)) selectors.push_back(key.selector);
    return selectors;
}

RotationStep next_step(const KeyStages& stages, const KeysSeen& seen, const RotationOptions& options, TimePoint now) {
    RotationStep wait;
    bool any = false;
    for (const StagedKey& key : stages.keys) {
        any = any || is_coming(key) || key.stage == KeyStage::active;
        RotationStep step = about(key, stages, seen, options, now);
        if (step.kind != RotationStep::Kind::wait) return step;
        if (step.not_before != TimePoint{} && (wait.not_before == TimePoint{} || step.not_before < wait.not_before)) wait.not_before = step.not_before;
        if (key.stage == KeyStage::gone) continue;
        wait.words += fmt::format("{}{}: {}", wait.words.empty() ? "" : "; ", key.selector, step.words);
    }
    if (!any && options.make_first) {
        RotationStep make;
        make.kind = RotationStep::Kind::make;
        make.selector = default_selector(now, stages);
        make.bits = kUsualBits;
        make.words = "the domain has no key here";
        return make;
    }
    if (!any) wait.words = "there is no key, and dkim.autogenerate is off: posthorn dkim rotate DOMAIN makes one";
    return wait;
}

std::string outlook(const StagedKey& key, const KeyStages& stages, const KeysSeen& seen, const RotationOptions& options, TimePoint now) {
    return about(key, stages, seen, options, now).words;
}

Result<void> take_step(KeyStages& stages, const RotationStep& step, TimePoint now) {
    StagedKey* key = stages.find(step.selector);
    const auto move_to = [now](StagedKey& moved, KeyStage stage) {
        moved.stage = stage;
        moved.since = now;
    };
    const auto not_from_here = [&]() {
        return Error{"the key ", step.selector, key == nullptr ? " is not in the list" : " is " + std::string(to_string(key->stage)),
                     ": that step does not go from there"};
    };
    if (step.kind == RotationStep::Kind::make) {
        // What stands in the list must be read again: a list that is broken holds the domain's mail.
        if (!is_selector(step.selector))
            return Error{"\"", text::safe_for_log(step.selector, 100), "\" is no selector; allowed: letters, digits, hyphens and dots, such as \"m1\" or \"2026a\""};
        if (key != nullptr) return Error{"there is a key ", step.selector, " already: choose another selector"};
        StagedKey fresh;
        fresh.selector = step.selector;
        fresh.algorithm = step.algorithm;
        fresh.bits = step.bits;
        move_to(fresh, KeyStage::pending);
        stages.keys.push_back(std::move(fresh));
        forget_the_oldest(stages);
        return {};
    }
    if (key == nullptr) return not_from_here();
    switch (step.kind) {
        case RotationStep::Kind::publish:
            if (key->stage != KeyStage::pending) return not_from_here();
            move_to(*key, KeyStage::published);
            break;
        case RotationStep::Kind::lose:
            if (key->stage != KeyStage::published) return not_from_here();
            move_to(*key, KeyStage::pending);
            break;
        case RotationStep::Kind::activate:
            if (!is_coming(*key) && key->stage != KeyStage::retiring) return not_from_here();
            for (StagedKey& other : stages.keys)
                if (other.stage == KeyStage::active && other.algorithm == key->algorithm) move_to(other, KeyStage::retiring);
            move_to(*key, KeyStage::active);
            break;
        case RotationStep::Kind::retire: {
            if (key->stage != KeyStage::active) return not_from_here();
            const auto signs_too = [key](const StagedKey& other) { return &other != key && other.stage == KeyStage::active; };
            if (std::none_of(stages.keys.begin(), stages.keys.end(), signs_too))
                return Error{"the key ", step.selector, " is the only one that signs: activate its successor, by which it retires"};
            move_to(*key, KeyStage::retiring);
            break;
        }
        case RotationStep::Kind::bury:
            if (key->stage != KeyStage::retiring) return not_from_here();
            move_to(*key, KeyStage::gone);
            break;
        case RotationStep::Kind::wait:
        case RotationStep::Kind::make:
            break;
    }
    return {};
}

std::string default_selector(TimePoint now, const KeyStages& taken) {
    const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(now)};
    const std::string month = fmt::format("mta-{:04}{:02}", int(day.year()), unsigned(day.month()));
    std::string selector = month;
    for (int number = 2; taken.find(selector) != nullptr; ++number) selector = fmt::format("{}-{}", month, number);
    return selector;
}

}  // namespace posthorn::auth::dkim
