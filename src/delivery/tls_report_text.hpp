// The report of RFC 8460: who wants it, its JSON, and the mail it is sent by.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "base/result.hpp"
#include "delivery/tls_report.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {

// Where a domain wants reports: by mail, or by POST.
struct ReportAddress {
    std::string uri;                           // as the record has it
    std::string mailbox;                       // "tlsrpt@example.com" of mailto:, or empty
    std::string host;                          // of https:, with
    std::uint16_t port = 443;
    std::string target;                        // "/v1/tlsrpt"

    [[nodiscard]] bool by_mail() const { return !mailbox.empty(); }
    // Who gets it: the domain of the mailbox, or the host; lower case.
    [[nodiscard]] std::string receiver() const;
};

// RPT-1, RFC 8460 s3: of the TXT records of _smtp._tls.DOMAIN that begin with "v=TLSRPTv1;" there must be exactly one; its rua
// has addresses, separated by commas. Empty with `why` empty: the domain wants no reports. URIs of other kinds are passed over,
// and those that are none or longer than kMaxReportUri; at most kMaxReportAddresses count.
struct ReportRecord {
    std::vector<ReportAddress> addresses;
    std::string why;
};
[[nodiscard]] ReportRecord parse_report_record(const std::vector<std::string>& texts);
inline constexpr std::size_t kMaxReportAddresses = 4;
inline constexpr std::size_t kMaxReportUri = 1000;

// Who reports.
struct Reporter {
    std::string hostname;                      // TLS-Report-Submitter
    std::string organization;
    std::string contact;                       // "postmaster@example.com"
};

// The same for the same day and domain, so that a receiver can tell a report that comes twice: letters and digits only.
[[nodiscard]] std::string report_number(const Reporter& reporter, const TlsDay& day);
[[nodiscard]] std::string report_id(const Reporter& reporter, const TlsDay& day);         // "NUMBER@HOSTNAME"
// "HOSTNAME!DOMAIN!BEGIN!END!NUMBER.json.gz" (RFC 8460 s5.1).
[[nodiscard]] std::string report_file_name(const Reporter& reporter, const TlsDay& day);

// RFC 8460 s4.4.
[[nodiscard]] std::string report_json(const Reporter& reporter, const TlsDay& day);
// RFC 1952; empty input gives an empty member. Errors: no memory.
[[nodiscard]] std::string gzipped(std::string_view text);

// The message for the queue (RFC 8460 s5.3), from the contact address, to be signed as any other; NOTIFY=NEVER, a day to live,
// and "TLS-Required: No", since it may be about just what keeps mail away (RFC 8460 s3, RFC 8689 s3).
[[nodiscard]] queue::NewMessage make_report_mail(const Reporter& reporter, const TlsDay& day, const ReportAddress& to, QueueId id,
                                                 TimePoint now);
inline constexpr std::string_view kReportSource = "tlsrpt";                // mail::Message::source of it
inline constexpr std::string_view kReportMediaType = "application/tlsrpt+gzip";
inline constexpr Duration kReportLifetime = std::chrono::hours(24);       // RFC 8460 s4.1, s5.5

}  // namespace posthorn::delivery
