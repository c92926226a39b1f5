// Header fields without octets above 127: encoded words, A-labels and RFC 2231 in place of UTF-8 (RFC 6857, EXT-10).
#pragma once

#include <string>
#include <string_view>

namespace posthorn::mail {

struct DowngradedHeader {
    std::string fields;    // as they were where they were ASCII already
    std::string obstacle;  // not empty: the field that cannot do without UTF-8, and why, for the sender
};

// `fields`: whole fields with CRLF, of a message or of a MIME part. Text becomes encoded words (RFC 2047), domains A-labels
// (RFC 5891), file names and other parameters of MIME fields RFC 2231; a UTF-8 address in the trace goes (RFC 6857 s3.1.10).
// A local part in UTF-8 has no ASCII form, and octets that are not UTF-8 have no meaning that could be kept.
[[nodiscard]] DowngradedHeader downgrade_header(std::string_view fields);

// A signature over the message by somebody else than its reader: DKIM, ARC, DomainKeys. To change such a message breaks it.
[[nodiscard]] bool is_signed(std::string_view fields);

}  // namespace posthorn::mail
