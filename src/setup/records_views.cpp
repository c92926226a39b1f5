// Records as several places see them, as one; and what is told of them to programs.
#include <fmt/format.h>

#include "setup/records.hpp"

namespace posthorn::setup {

using State = WantedRecord::State;

std::string_view to_string(RecordKind kind) {
    switch (kind) {
        case RecordKind::ptr:
            return "ptr";
        case RecordKind::address:
            return "address";
        case RecordKind::spf:
            return "spf";
        case RecordKind::dkim:
            return "dkim";
        case RecordKind::dmarc:
            return "dmarc";
        case RecordKind::dmarc_report:
            return "dmarc-report";
        case RecordKind::spf_helo:
            return "spf-helo";
        case RecordKind::tlsrpt:
            return "tlsrpt";
        case RecordKind::mta_sts:
            break;
    }
    return "mta-sts";
}

std::string_view to_string(Need need) {
    switch (need) {
        case Need::required:
            return "required";
        case Need::advised:
            return "advised";
        case Need::hint:
            break;
    }
    return "hint";
}

std::string_view to_string(State state) {
    switch (state) {
        case State::present:
            return "present";
        case State::missing:
            return "missing";
        case State::differs:
            return "differs";
        case State::unknown:
            break;
    }
    return "unknown";
}

namespace {

// What a record says may differ from place to place; what it is about may not.
bool same_subject(const WantedRecord& a, const WantedRecord& b) {
    return a.kind == b.kind && a.record.name == b.record.name && a.record.type == b.record.type &&
           (a.kind != RecordKind::address || a.record.value == b.record.value);
}

void say(WantedRecord& record, const std::string& more) {
    record.words += (record.words.empty() ? "" : "; ") + more;
}

}  // namespace

std::vector<WantedRecord> combine(std::vector<WantedRecord> at_resolver,
                                  std::span<const std::vector<WantedRecord>> at_authorities) {
    for (WantedRecord& one : at_resolver) {
        one.at_resolver = one.state;
        std::size_t answered = 0, without = 0;
        const WantedRecord* decides = nullptr;  // of a server that does not have it, else of one that has
        for (const std::vector<WantedRecord>& view : at_authorities) {
            const auto same = std::find_if(view.begin(), view.end(), [&](const WantedRecord& other) {
                return same_subject(one, other);
            });
            if (same == view.end() || same->state == State::unknown) continue;
            ++answered;
            const bool has_it = same->state == State::present;
            without += has_it ? 0 : 1;
            if (decides == nullptr || (!has_it && decides->state == State::present)) decides = &*same;
        }
        if (decides == nullptr) continue;
        WantedRecord combined = *decides;
        combined.at_resolver = one.state;
        combined.ttl = one.ttl;
        if (without > 0 && without < answered)
            say(combined, fmt::format("so say {} of the zone's {} servers; the others have it already",
                                      without, answered));
        else if (without == 0 && (one.state == State::missing || one.state == State::differs))
            say(combined, fmt::format("the zone's servers have it; the resolver, and so others, may go on "
                                      "with what was there for {} s",
                                      one.ttl.count()));
        else if (without > 0 && one.state == State::present)
            say(combined,
                fmt::format("the resolver still has an older answer that is right, for {} s at most",
                            one.ttl.count()));
        one = std::move(combined);
    }
    return at_resolver;
}

std::vector<auth::DnsRecord> with_neighbours(std::span<const WantedRecord> records) {
    std::vector<auth::DnsRecord> all;
    for (const WantedRecord& one : records) {
        all.push_back(one.record);
        for (const std::string& other : one.others) {
            auth::DnsRecord neighbour = one.record;
            neighbour.value = other;
            all.push_back(std::move(neighbour));
        }
    }
    return all;
}

boost::json::object to_json(const WantedRecord& record) {
    boost::json::object out;
    out["kind"] = to_string(record.kind);
    out["need"] = to_string(record.need);
    out["state"] = to_string(record.state);
    out["at_resolver"] = to_string(record.at_resolver);
    out["ttl"] = record.ttl.count();
    out["found"] = record.found;
    out["words"] = record.words;
    out["record"] = auth::to_json(record.record);
    return out;
}

}  // namespace posthorn::setup
