// Fuzzes the making of 7-bit messages. Input: the message; the slicing comes from its size.
#include <string>

#include "base/text.hpp"
#include "law.hpp"
#include "mail/downgrade.hpp"
#include "mail/split.hpp"

using namespace posthorn;
using namespace posthorn::mail;

namespace {

struct Form {
    std::string obstacle, header, body;
    bool operator==(const Form&) const = default;
};

Form form_of(std::string_view message, std::uint8_t seed) {
    const SplitMessage split = split_message(message);
    std::string header(split.header);
    if (!header.empty() && !header.ends_with("\r\n")) header += "\r\n";
    Downgrade downgrade(std::move(header));
    for (fuzz::Slices slices(split.body, seed); !slices.empty();) downgrade.survey(slices.next());
    downgrade.end_of_survey();
    Form form;
    form.obstacle = downgrade.obstacle().what;
    if (!form.obstacle.empty()) return form;
    form.header = downgrade.header();
    for (fuzz::Slices slices(split.body, seed); !slices.empty();) downgrade.rewrite(slices.next(), form.body);
    downgrade.end_of_rewrite(form.body);
    return form;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view message(reinterpret_cast<const char*>(data), size);
    const Form whole = form_of(message, 0);
    fuzz::require(form_of(message, static_cast<std::uint8_t>(1 + size % 255)) == whole, "any slicing gives the same form");
    if (!whole.obstacle.empty()) return 0;
    fuzz::require(text::is_ascii(whole.header) && text::is_ascii(whole.body), "seven bits");
    const SplitMessage split = split_message(message);
    if (text::is_ascii(split.body)) fuzz::require(whole.body.size() <= split.body.size(), "nothing is encoded without need");
    // What is 7-bit stays 7-bit, and its text as it is.
    const Form again = form_of(whole.header + "\r\n" + whole.body, 0);
    if (again.obstacle.empty() && !whole.header.empty()) fuzz::require(text::is_ascii(again.body), "seven bits again");
    return 0;
}
