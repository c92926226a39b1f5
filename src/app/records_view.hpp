// The records of one domain as text: each form in which people or programs take them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "setup/records.hpp"

namespace posthorn::app {

enum class RecordForm : std::uint8_t { all, brief, zone, line, route53, json };

struct RecordsShown {
    std::string domain;
    std::string zone;   // what goes into one zone: its records alone
    bool asked = true;  // DNS was asked
    bool rest = false;  // other records of it were shown before, and are left out here
    std::vector<setup::WantedRecord> records;
};

// Pure. `brief`: what a web panel asks for, of each record. `zone`: lines for the zone's file, those of other
// zones and mere hints as comments. `line`: zone, host part, type and value between tabs, a record a line.
// `route53`: one change batch, with what must stay beside the records. Ends with a line end.
[[nodiscard]] std::string records_text(const RecordsShown& shown, RecordForm form);
// What cannot be said within the form: records of other zones, sets that may hold more than we know. For
// standard error; may be empty.
[[nodiscard]] std::string records_remarks(const RecordsShown& shown, RecordForm form);

// `posthorn dns show --missing --format brief` for one domain, or for all where it is empty; ips: as --ip.
// What is in `told` is left out (records of the server itself, which every domain needs), and what is shown
// is added to it. The exit code (commands_dns.cpp).
[[nodiscard]] int show_missing_records(const std::string& config_path, const std::string& domain,
                                       const std::vector<std::string>& ips, bool offline,
                                       std::vector<setup::WantedRecord>& told);

}  // namespace posthorn::app
