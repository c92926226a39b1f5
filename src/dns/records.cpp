// Words for the answers, and the order in which addresses are tried.
#include "dns/records.hpp"

namespace posthorn::dns {

std::string_view to_string(Status status) {
    switch (status) {
        case Status::ok:
            return "ok";
        case Status::nxdomain:
            return "nxdomain";
        case Status::no_data:
            return "nodata";
        case Status::temporary:
            break;
    }
    return "tempfail";
}

std::vector<IpAddress> AddressAnswer::all() const {
    std::vector<IpAddress> both = v4;
    both.insert(both.end(), v6.begin(), v6.end());
    return both;
}

}  // namespace posthorn::dns
