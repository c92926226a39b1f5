// Reading To, Cc and Bcc, taking Bcc out: see header_recipients.hpp.
#include "app/sendmail/header_recipients.hpp"

#include <array>
#include <iterator>
#include <string_view>

#include "app/sendmail/options.hpp"
#include "mail/header.hpp"

namespace posthorn::app::sendmail {
namespace {

constexpr std::array<std::string_view, 3> kPlain = {"To", "Cc", "Bcc"};
constexpr std::array<std::string_view, 3> kResent = {"Resent-To", "Resent-Cc", "Resent-Bcc"};

void move_to_end(std::vector<std::string>& from, std::vector<std::string>& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

HeaderRecipients take_recipients(std::string header) {
    mail::HeaderBlock block(std::move(header));
    bool resent = false;
    for (const std::string_view name : kResent) resent = resent || block.contains(name);
    HeaderRecipients result;
    for (const std::string_view name : resent ? kResent : kPlain)
        for (const mail::HeaderField& field : block.all(name)) {
            AddressList list = read_addresses(field.value);
            move_to_end(list.addresses, result.addresses);
            move_to_end(list.unsound, result.unsound);
        }
    block.remove("Bcc");
    block.remove("Resent-Bcc");
    result.header = std::move(block).take_text();
    return result;
}

std::string author_of(const std::string& header) {
    const mail::HeaderBlock block(header);
    for (const std::string_view name : {"From", "Sender"}) {
        const auto field = block.first(name);
        if (!field) continue;
        AddressList list = read_addresses(field->value);
        if (!list.addresses.empty()) return std::move(list.addresses.front());
    }
    return {};
}

}  // namespace posthorn::app::sendmail
