// Fuzzes what callers of sendmail control: arguments, message, and the recipients in its header. Octet 0 chooses rules and slicing; then
// arguments, one a line, an empty line, and standard input.
#include <string>
#include <vector>

#include "app/sendmail/header_recipients.hpp"
#include "app/sendmail/input.hpp"
#include "app/sendmail/options.hpp"
#include "base/text.hpp"
#include "law.hpp"
#include "mail/split.hpp"

using namespace posthorn;
using namespace posthorn::app::sendmail;

namespace {

struct Read {
    std::string out, fault;
    std::uint64_t header = 0;
    bool ended = false;
};

Read read(std::string_view text, InputRules rules, std::size_t piece) {
    MessageInput input(rules);
    Read result;
    while (!text.empty() && !input.ended() && input.fault().empty()) text.remove_prefix(input.feed(text.substr(0, piece), result.out));
    input.finish(result.out);
    result.fault = input.fault();
    result.header = input.header_octets();
    result.ended = input.ended();
    fuzz::require(!result.fault.empty() || input.octets() == result.out.size(), "octets are counted");
    return result;
}

void check(std::string_view address) {
    // It becomes part of a line of SMTP and of a spool record.
    fuzz::require(!address.empty(), "an address is not empty");
    fuzz::require(!text::has_control(address), "no control character gets through");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const unsigned choice = data[0];
    std::vector<std::string_view> arguments;
    while (!input.empty()) {
        const std::string_view line = text::take_field(input, '\n');
        if (line.empty()) break;
        arguments.push_back(line);
    }
    const Plan plan = plan_of((choice & 1U) != 0 ? "sendmail" : "/usr/bin/mailq", arguments);
    fuzz::require((plan.mode == Mode::refuse) == (plan.exit_code != 0), "a refusal has its code");
    fuzz::require((plan.mode == Mode::refuse) == !plan.words.empty(), "and its words");
    fuzz::require(!text::has_control(plan.words), "which can be shown");
    if (plan.mode != Mode::refuse) {
        for (const auto& recipient : plan.envelope.recipients) check(recipient.address);
        if (!plan.envelope.reverse_path.empty()) check(plan.envelope.reverse_path);
        fuzz::require(!text::has_control(plan.envelope.envid) && !text::has_control(plan.queue_id) && !text::has_control(plan.site), "nor elsewhere");
    }

    const bool dots = (choice & 2U) != 0;
    const InputRules rules{dots, dots && (choice & 4U) != 0, (choice & 8U) != 0};
    const Read whole = read(input, rules, std::max<std::size_t>(input.size(), 1));
    const Read pieces = read(input, rules, choice / 16U + 1);
    fuzz::require(whole.fault == pieces.fault, "the fault does not depend on the slicing");
    if (!whole.fault.empty()) return 0;
    fuzz::require(whole.out == pieces.out && whole.header == pieces.header && whole.ended == pieces.ended, "nor does the message");
    fuzz::require(whole.out.empty() || whole.out.ends_with("\r\n"), "the last line ends");
    for (std::size_t at = 0; at < whole.out.size(); ++at) {
        fuzz::require(whole.out[at] != '\r' || whole.out[at + 1] == '\n', "no CR alone");
        fuzz::require(whole.out[at] != '\n' || (at > 0 && whole.out[at - 1] == '\r'), "no LF alone");
    }
    const mail::SplitMessage split = mail::split_message(whole.out);
    fuzz::require(split.header.size() == whole.header, "the header ends where intake will see its end");
    const HeaderRecipients taken = take_recipients(std::string(split.header));
    for (const std::string& address : taken.addresses) check(address);
    fuzz::require(take_recipients(taken.header).header == taken.header, "Bcc goes at once");
    return 0;
}
