// GET /mailq: the queue as text, piece by piece. POST /mailq/flush: what waits is tried at once. For sendmail -bp and -q.
#include <memory>

#include "admin/endpoint.hpp"
#include "admin/mailq.hpp"
#include "auth/suspension.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::admin {
namespace {

constexpr std::size_t kPage = 100;  // messages; of 100 recipients each a piece has some megabytes
constexpr Duration kFlushPause = std::chrono::minutes(1);
constexpr std::size_t kMostFlushed = 1000;  // messages within that time, of all visitors
constexpr std::string_view kText = "text/plain; charset=utf-8";

Answer in_words(const queue::StoreError& error) { return plain_text(answer_for(error).status, error.what); }

// One listing under way, shared by the pieces.
struct Listing {
    CorePtr core;
    queue::ListQuery query;
    MailqListing text;
};

// The next page as a piece.
void next_piece(const std::shared_ptr<Listing>& listing, Respond respond) {
    auto done = [listing, respond = std::move(respond)](queue::StoreResult<std::vector<queue::QueueEntry>> page) mutable {
        boost::asio::io_context& io = listing->core->io;
        boost::asio::post(io, [listing, respond = std::move(respond), page = std::move(page)]() mutable {
            if (listing->core->stopped) return;
            if (!page) {
                respond(in_words(page.error()));
                return;
            }
            Answer piece;
            piece.content_type = kText;
            for (const queue::QueueEntry& entry : *page) piece.body += listing->text.add(entry);
            if (page->size() < listing->query.limit) {
                piece.more = [listing](Respond last) {
                    const auto& spooled = listing->core->daemon.spooled;
                    last(plain_text(200, listing->text.end(spooled && listing->query.sources.empty() ? spooled() : 0)));
                };
            } else {
                listing->query.after = page->back().id;
                piece.more = [listing](Respond next) { next_piece(listing, std::move(next)); };
            }
            respond(std::move(piece));
        });
    };
    listing->core->store.list(listing->query, std::move(done));
}

// Whether a visitor may have it tried now: each try is a connection to somebody's server, from an address that all users share.
bool may_flush(Core& core, QueueId id) {
    const TimePoint now = core.daemon.now();
    const auto before = core.flushed.find(id);
    if (before != core.flushed.end() && before->second <= now && now - before->second < kFlushPause) return false;
    if (core.flushed.size() >= kMostFlushed) {
        std::erase_if(core.flushed, [now](const auto& one) { return now - one.second >= kFlushPause || one.second > now; });
        if (core.flushed.size() >= kMostFlushed) return false;
    }
    core.flushed[id] = now;
    return true;
}

// One message, if it is the visitor's.
void flush_message(const CorePtr& core, QueueId id, const Visitor& visitor, Respond respond) {
    const std::string unknown = "no message " + id.to_string() + " in the queue";
    const auto revised = [unknown](Core& home, queue::Revised& result) {
        if (home.daemon.on_revised && !result.due.empty()) home.daemon.on_revised(result.due);
        return plain_text(200, result.recipients > 0 ? "tried now" : "nothing to do: it is being tried, or held");
    };
    auto shown = [core, id, visitor, unknown, revised, respond = std::move(respond)](queue::StoreResult<queue::QueueEntry> entry) mutable {
        boost::asio::io_context& io = core->io;
        boost::asio::post(io, [core, id, visitor, unknown, revised, respond = std::move(respond), entry = std::move(entry)]() mutable {
            if (core->stopped) return;
            if (!entry || !may_see(visitor, entry->source)) {
                const bool missing = entry || entry.error().fault == queue::StoreFault::not_found;
                respond(missing ? plain_text(404, unknown) : in_words(entry.error()));
                return;
            }
            if (!visitor.sees_all() && !may_flush(*core, id)) {
                respond(plain_text(429, "this message was tried less than a minute ago; try again later"));
                return;
            }
            core->store.revise(id, queue::Revision::flush, core->daemon.now(),
                               at_home<queue::Revised>(core, std::move(respond), revised));
        });
    };
    core->store.show(id, std::move(shown));
}

}  // namespace

void get_mailq(const CorePtr& core, const Request& request, Respond respond) {
    if (!request.query.empty()) {
        respond(plain_text(400, "there are no parameters"));
        return;
    }
    const auto listing = std::make_shared<Listing>();
    listing->core = core;
    listing->query.limit = kPage;
    if (!request.visitor.sees_all()) listing->query.sources = {auth::source_of_uid(request.visitor.uid)};
    next_piece(listing, std::move(respond));
}

void post_flush(const CorePtr& core, const Request& request, Respond respond) {
    const auto id = request.query.find("id");
    const auto site = request.query.find("site");
    if (request.query.size() > 1 || (request.query.size() == 1 && id == request.query.end() && site == request.query.end())) {
        respond(plain_text(400, "name nothing, one message (?id=) or one domain (?site=)"));
        return;
    }
    if (id != request.query.end()) {
        const auto known = QueueId::parse(id->second);
        if (known) {
            flush_message(core, *known, request.visitor, std::move(respond));
        } else {
            respond(plain_text(404, "\"" + text::safe_for_log(id->second, 40) + "\" is no queue id; mailq shows them"));
        }
        return;
    }
    FlushOrder order;
    if (!request.visitor.sees_all()) order.source = auth::source_of_uid(request.visitor.uid);
    if (site != request.query.end()) {
        order.domain = text::to_lower(site->second);
        if (order.domain.empty()) {
            respond(plain_text(400, "the domain is empty"));
            return;
        }
    }
    if (!core->daemon.flush) {
        respond(plain_text(501, "this daemon does not deliver"));
        return;
    }
    const Result<void> begun = core->daemon.flush(std::move(order));
    respond(begun ? plain_text(200, "what waits is tried now") : plain_text(429, begun.error().what));
}

}  // namespace posthorn::admin
