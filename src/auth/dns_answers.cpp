// The names of the types.
#include "auth/dns_answers.hpp"

namespace posthorn::auth {

std::string_view to_string(DnsType type) {
    switch (type) {
        case DnsType::a:
            return "A";
        case DnsType::aaaa:
            return "AAAA";
        case DnsType::cname:
            return "CNAME";
        case DnsType::mx:
            return "MX";
        case DnsType::ns:
            return "NS";
        case DnsType::ptr:
            return "PTR";
        case DnsType::soa:
            return "SOA";
        case DnsType::txt:
            break;
    }
    return "TXT";
}

}  // namespace posthorn::auth
