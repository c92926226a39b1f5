// The form of a message that the server at hand can take: made in a pool, signed like any other, shared while it is in use.
#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "net/offload.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::string_view kSevenBit = "7bit";

}  // namespace

// EXT-8: before signing, at each attempt. Nearly every server takes 8-bit text, so that this costs nearly nobody anything.
net::awaitable<bool> DeliveryAgent::State::choose_form(Attempt& attempt, const smtp::client::Connection& connection) {
    attempt.form = attempt.message;
    attempt.form_prefix = attempt.prefix;
    if (conversion_need(*attempt.message, connection.session().extensions()) == ConversionNeed::none) co_return true;

    attempt.conversion = co_await seven_bit_of(attempt.message);
    if (!attempt.conversion->made.message) {
        Outcome refusal = attempt.conversion->made.refusal;
        refusal.host = connection.target().to_string();
        attempt.judged = judge_all(attempt.recipients, refusal);
        co_return false;
    }
    attempt.form = attempt.conversion->made.message;
    attempt.form_prefix =
        co_await prefix_of(attempt.form, attempt.recipients.front().address, attempt.settings, std::string(kSevenBit));
    if (!attempt.form_prefix->hold_reason.empty()) {
        const Outcome held = own_outcome(Disposition::deferred, Class::local, Scope::message, 451, {4, 7, 0},
                                         "Held here: " + attempt.form_prefix->hold_reason);
        attempt.judged = judge_all(attempt.recipients, held);
        co_return false;
    }
    log::info("converted").kv("id", attempt.id.to_string()).kv("host", connection.target().to_string())
        .kv("octets", attempt.form->size()).kv("note", "the server takes 7-bit text only");
    co_return true;
}

net::awaitable<std::shared_ptr<Conversion>> DeliveryAgent::State::seven_bit_of(mail::MessagePtr message) {
    const std::string key = message->id.to_string();
    if (const auto known = conversions.find(key); known != conversions.end()) {
        if (std::shared_ptr<Conversion> conversion = known->second.lock()) {
            co_await conversion->ready.wait();
            co_return conversion;
        }
    }
    std::erase_if(conversions, [](const auto& entry) { return entry.second.expired(); });
    auto conversion = std::make_shared<Conversion>(home);
    conversions[key] = conversion;
    auto work = [message, directory = store.spool_directory(), file_id = ids.next(wall_now())] {
        return std::make_shared<Converted>(to_seven_bit(*message, directory, file_id));
    };
    std::string broken;
    try {
        const std::shared_ptr<Converted> made = co_await net::offload(crypto, std::move(work));
        conversion->made = std::move(*made);
    } catch (const std::exception& failure) {
        broken = failure.what();   // others wait for it: they must hear of it too
    }
    if (!broken.empty())
        conversion->made.refusal = own_outcome(Disposition::deferred, Class::local, Scope::message, 451, {4, 3, 0},
                                               "The message cannot be converted now: " + broken);
    conversion->ready.set();
    co_return conversion;
}

}  // namespace posthorn::delivery
