// The look at each record that a domain must publish, on the answers of one place: what the methods for each kind share. Used by records*.cpp alone.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/dns_wishes.hpp"
#include "setup/records.hpp"

namespace posthorn::setup {

class RecordSurvey {
public:
    RecordSurvey(const RecordsQuestion& question, const auth::DnsAnswers& known) : question_(question), known_(known) {}

    WantedRecords run();

private:
    using State = WantedRecord::State;

    const auth::DnsAnswer& ask(auth::DnsType type, const std::string& name) { return auth::ask(known_, type, name, found_.wanted); }
    void want(auth::DnsQuestion question) { auth::want(found_.wanted, std::move(question)); }
    WantedRecord& add(RecordKind kind, Need need, auth::DnsRecord record, std::string purpose) {
        WantedRecord made;
        made.kind = kind;
        made.need = need;
        made.record = std::move(record);
        made.record.purpose = std::move(purpose);
        found_.records.push_back(std::move(made));
        return found_.records.back();
    }
    // The apex of the zone that a name lies in, by the SOA records above it; the registered domain where DNS does not say.
    std::string zone_of(const std::string& name);
    // A record that is known by how it begins: of several texts the first such one is it, the rest are neighbours.
    void tell_text(WantedRecord& wanted, std::string_view beginning);

    void ptr(const IpAddress& ip);
    void address(const IpAddress& ip);
    void spf(RecordKind kind, const std::string& name);
    void dkim(const SelectorRecord& key);
    void dmarc();
    void dmarc_reports(const std::string& record_at, const std::vector<std::string>& uris);
    void hints();

    const RecordsQuestion& question_;
    const auth::DnsAnswers& known_;
    WantedRecords found_;
};

}  // namespace posthorn::setup
