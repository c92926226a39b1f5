// Admission before, the answer after: one post back to the shard serves agent and session.
#include "app/post_office.hpp"

#include <utility>

namespace posthorn::app {

void PostOffice::put(queue::NewMessage message, SteadyTime deadline, queue::Done<queue::Added> done) {
    delivery::Admission admission = agent_.admit(message);
    store_.add(std::move(message), deadline,
               [this, admission = std::move(admission),
                done = std::move(done)](queue::StoreResult<queue::Added> added) mutable {
                   net::asio::post(home_, [this, admission = std::move(admission), done = std::move(done),
                                           added = std::move(added)]() mutable {
                       if (added) {
                           agent_.on_added(std::move(admission), *added);
                       } else {
                           agent_.on_not_added(admission);
                       }
                       done(std::move(added));
                   });
               });
}

}  // namespace posthorn::app
