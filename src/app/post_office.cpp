// Admission before, the answer after: one post back to the shard serves agent and session.
#include "app/post_office.hpp"

#include <utility>

#include "auth/suspension.hpp"
#include "intake/caller.hpp"

namespace posthorn::app {

void PostOffice::put(queue::NewMessage message, SteadyTime deadline, queue::Done<queue::Added> done) {
    delivery::Admission admission = agent_.admit(message);
    mail::MessagePtr mail = message.message;
    store_.add(std::move(message), deadline,
               [this, admission = std::move(admission), mail = std::move(mail),
                done = std::move(done)](queue::StoreResult<queue::Added> added) mutable {
                   net::asio::post(home_, [this, admission = std::move(admission), mail = std::move(mail),
                                           done = std::move(done), added = std::move(added)]() mutable {
                       if (added) {
                           recipients_ += added->recipients.size();
                           count(*mail, added->recipients.size());
                           agent_.on_added(std::move(admission), *added);
                       } else {
                           agent_.on_not_added(admission);
                       }
                       done(std::move(added));
                   });
               });
}

// By the script where PHP names it, else by the directory of the program, else by the program.
void PostOffice::count(const mail::Message& message, std::uint64_t recipients) {
    if (message.source.find('=') == std::string::npos) return;  // our own: reports
    if (auth::uid_of_source(message.source)) ++local_messages_;
    std::string_view means;
    for (const char* key : {"script", "cwd", "cmd"}) {
        if (means.empty()) means = intake::origin_word(message.origin, key);
    }
    tally_.count(message.source, intake::origin_word(message.origin, "user"), means, recipients,
                 std::chrono::steady_clock::now());
}

std::vector<auth::SenderUse> PostOffice::senders() const {
    return tally_.ranking(std::chrono::steady_clock::now());
}

}  // namespace posthorn::app
