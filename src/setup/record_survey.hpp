// The look at each record that a domain must publish, on the answers of one place: what the methods for each kind share. Used by records*.cpp alone.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "setup/records.hpp"

namespace posthorn::setup {

class RecordSurvey {
public:
    RecordSurvey(const RecordsQuestion& question, const auth::DnsAnswers& known) : question_(question), known_(known) {}

    WantedRecords run();

private:
    using State = WantedRecord::State;

    // Not there: it is wanted, and an answer that says nothing stands in for it.
    const auth::DnsAnswer& ask(auth::DnsType type, const std::string& name) {
        static const auth::DnsAnswer kNothing;
        auth::DnsQuestion question(type, name);
        if (const auth::DnsAnswer* answer = known_.find(question)) return *answer;
        want(std::move(question));
        return kNothing;
    }
    void want(auth::DnsQuestion question) {
        if (std::find(found_.wanted.begin(), found_.wanted.end(), question) == found_.wanted.end()) found_.wanted.push_back(std::move(question));
    }
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
