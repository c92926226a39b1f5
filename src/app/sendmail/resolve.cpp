// /etc/hosts and glibc's resolver: see resolve.hpp.
#include "app/sendmail/resolve.hpp"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <array>

#include "app/sendmail/surroundings.hpp"
#include "base/text.hpp"

namespace posthorn::app::sendmail {
namespace {

void ask_dns(const std::string& name, int type, std::vector<IpAddress>& to) {
    std::array<unsigned char, 8192> answer{};
    const int length = ::res_search(name.c_str(), ns_c_in, type, answer.data(), static_cast<int>(answer.size()));
    ns_msg message{};
    if (length <= 0 || ::ns_initparse(answer.data(), std::min(length, static_cast<int>(answer.size())), &message) != 0) return;
    for (int at = 0; at < ns_msg_count(message, ns_s_an); ++at) {
        ns_rr record{};
        if (::ns_parserr(&message, ns_s_an, at, &record) != 0) return;
        const auto* octets = ns_rr_rdata(record);
        if (ns_rr_type(record) != type) continue;  // a CNAME on the way
        if (type == ns_t_a && ns_rr_rdlen(record) == 4) {
            std::array<std::uint8_t, 4> address{};
            std::copy_n(octets, address.size(), address.begin());
            to.push_back(IpAddress::from_v4(address));
        } else if (type == ns_t_aaaa && ns_rr_rdlen(record) == 16) {
            std::array<std::uint8_t, 16> address{};
            std::copy_n(octets, address.size(), address.begin());
            to.push_back(IpAddress::from_v6(address));
        }
    }
}

}  // namespace

std::vector<IpAddress> find_in_hosts(std::string_view hosts, std::string_view name) {
    std::vector<IpAddress> found;
    while (!hosts.empty()) {
        std::string_view line = text::take_field(hosts, '\n');
        line = line.substr(0, line.find('#'));
        std::string_view address;
        for (std::size_t at = 0; at < line.size();) {
            const std::size_t begin = std::min(line.find_first_not_of(" \t\r", at), line.size());
            const std::size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
            const std::string_view word = line.substr(begin, end - begin);
            at = end;
            if (word.empty()) break;
            if (address.empty()) {
                address = word;
            } else if (text::iequals(word, name)) {
                if (const auto parsed = IpAddress::parse(address)) found.push_back(*parsed);
                break;
            }
        }
    }
    return found;
}

std::vector<IpAddress> resolve(const std::string& name) {
    std::vector<IpAddress> addresses;
    if (const auto numeric = IpAddress::parse(name)) {
        addresses.push_back(*numeric);
        return addresses;
    }
    if (const auto hosts = read_file("/etc/hosts", std::size_t{1} << 20U)) addresses = find_in_hosts(*hosts, name);
    if (addresses.empty() && text::iequals(name, "localhost")) addresses.push_back(IpAddress::from_v4({127, 0, 0, 1}));
    if (!addresses.empty() || ::res_init() != 0) return addresses;
    _res.retrans = 1;
    _res.retry = 1;
    ask_dns(name, ns_t_a, addresses);
    ask_dns(name, ns_t_aaaa, addresses);
    return addresses;
}

}  // namespace posthorn::app::sendmail
