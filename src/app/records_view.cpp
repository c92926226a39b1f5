// Forms of records: see records_view.hpp.
#include "app/records_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::app {
namespace {

using setup::Need;
using setup::RecordKind;
using setup::WantedRecord;
using RecordState = setup::WantedRecord::State;

// What goes into the zone's file or change batch as it stands; hints want more than a record.
bool belongs_to(const WantedRecord& one, const std::string& zone) {
    return one.need != Need::hint && text::iequals(one.record.zone, zone);
}

std::string state_words(const RecordsShown& shown, const WantedRecord& one) {
    if (!shown.asked) return "not looked up";
    switch (one.state) {
        case RecordState::present:
            return "is there";
        case RecordState::missing:
            return one.need == Need::hint ? "is not there" : "MISSING";
        case RecordState::differs:
            return "DIFFERS";
        case RecordState::unknown:
            break;
    }
    return "unknown: DNS gave no answer";
}

std::string indented(const std::string& name, const std::string& value) {
    std::string out;
    std::size_t begin = 0;
    for (bool first = true; begin <= value.size(); first = false) {
        const std::size_t end = std::min(value.find('\n', begin), value.size());
        out += fmt::format("  {:<11} {}\n", first ? name : std::string(), value.substr(begin, end - begin));
        begin = end + 1;
    }
    return out;
}

// A record that is right may be another's text, with octets that a terminal obeys.
std::string printable(const std::string& value) {
    return text::has_control(value) || !text::is_utf8(value) ? text::safe_for_log(value, value.size() + 1) : value;
}

std::string record_view(const RecordsShown& shown, const WantedRecord& one) {
    std::string out = fmt::format("{}: {}\n", one.record.purpose, state_words(shown, one));
    if (!one.words.empty()) out += indented("note", one.words);
    if (!one.found.empty() && one.state != RecordState::present) out += indented("there now", one.found);
    if (!one.record.zone.empty())
        out += indented("zone", one.record.zone) + indented("host part", host_part(one.record));
    return out + indented("whole name", one.record.name) + indented("type", one.record.type) +
           indented("value", printable(one_line(one.record)));
}

std::string full_view(const RecordsShown& shown, const WantedRecord& one) {
    // At the margin, as it goes into the file.
    return record_view(shown, one) + "  zone file\n" + zone_file(one.record) + "\n";
}

std::string brief_text(const RecordsShown& shown) {
    std::string out;
    for (const WantedRecord& one : shown.records)
        if (one.need != Need::hint) out += record_view(shown, one) + "\n";
    if (!out.empty()) return out;
    return fmt::format("Every {}record that {} needs is there.\n\n", shown.rest ? "other " : "", shown.domain);
}

std::vector<WantedRecord> of_zone(const RecordsShown& shown) {
    std::vector<WantedRecord> records;
    std::copy_if(shown.records.begin(), shown.records.end(), std::back_inserter(records),
                 [&](const WantedRecord& one) { return belongs_to(one, shown.zone); });
    return records;
}

std::string route53_of(const RecordsShown& shown) {
    const std::vector<WantedRecord> records = of_zone(shown);
    return auth::route53_batch(setup::with_neighbours(records), "Mail of " + shown.domain);
}

std::string zone_view(const RecordsShown& shown) {
    std::string out = fmt::format("; mail of {}: records of the zone {}\n", shown.domain, shown.zone);
    for (const WantedRecord& one : shown.records) {
        out += fmt::format("; {} ({})\n", one.record.purpose, state_words(shown, one));
        if (belongs_to(one, shown.zone)) {
            out += zone_file(one.record) + "\n";
            continue;
        }
        // No line of the file: the zone is another's, or it needs more than this.
        std::string line = zone_file(one.record);
        for (std::size_t at = line.find('\n'); at != std::string::npos; at = line.find('\n', at + 2))
            line.insert(at + 1, ";");
        out += ";" + line + "\n";
    }
    return out;
}

std::string full_text(const RecordsShown& shown) {
    std::string out;
    for (const WantedRecord& one : shown.records) out += (out.empty() ? "" : "\n") + full_view(shown, one);
    if (out.empty()) return fmt::format("Every record of {} is there.\n", shown.domain);
    const bool any = !of_zone(shown).empty();
    if (any)
        out += "\nAll of the zone " + shown.zone +
               " for Route 53 (aws route53 change-resource-record-sets --hosted-zone-id ID --change-batch "
               "FILE)\n" +
               route53_of(shown);
    return out;
}

}  // namespace

std::string records_text(const RecordsShown& shown, RecordForm form) {
    switch (form) {
        case RecordForm::brief:
            return brief_text(shown);
        case RecordForm::zone:
            return zone_view(shown);
        case RecordForm::route53:
            return route53_of(shown);
        case RecordForm::line: {
            std::string out;
            for (const WantedRecord& one : shown.records)
                if (one.need != Need::hint) out += fmt::format("{}\t{}\t{}\t{}\n", one.record.zone.empty() ? "-" : one.record.zone,
                                   host_part(one.record), one.record.type, printable(one_line(one.record)));
            return out;
        }
        default:
            return full_text(shown);
    }
}

std::string records_remarks(const RecordsShown& shown, RecordForm form) {
    if (form != RecordForm::zone && form != RecordForm::route53) return {};
    std::string others;
    bool apex_unknown = false, another_zone = false;
    for (const WantedRecord& one : shown.records) {
        apex_unknown = apex_unknown || (belongs_to(one, shown.zone) && one.state == RecordState::unknown);
        if (belongs_to(one, shown.zone) || one.need == Need::hint) continue;
        others += fmt::format("{}{} {}{}", others.empty() ? "" : ", ", one.record.type, one.record.name,
                              one.kind == RecordKind::ptr ? " (who gives you the address sets it)" : "");
        another_zone = another_zone || one.kind != RecordKind::ptr;
    }
    std::string out;
    if (!others.empty())
        out = fmt::format("not of the zone {}: {}{}", shown.zone, others,
                          another_zone ? "; --zone chooses another zone" : "");
    if (form == RecordForm::route53 && apex_unknown)
        out += fmt::format(
            "{}what these names have now is not known, and Route 53 puts a set in place of all that is "
            "there: look before you send this",
            out.empty() ? "" : "; ");
    return out;
}

}  // namespace posthorn::app
