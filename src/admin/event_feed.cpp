// The ring of events and the streams out of it.
#include "admin/event_feed.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/bound.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

// Events come in bursts: they are passed on some times a second, so that a busy daemon makes few pieces of many lines.
constexpr Duration kPace = std::chrono::milliseconds(50);
constexpr Duration kSignOfLife = std::chrono::seconds(15);
constexpr std::uint64_t kFarBehind = 500;     // events: who is so far behind need not wait for the next pace
constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kLooksPerPiece = 2000;  // events that a filter looks at before others have their turn
constexpr std::string_view kLines = "application/x-ndjson";
constexpr std::string_view kServerSent = "text/event-stream";

bool is_at(std::string_view value, std::string_view domain) {
    if (value.ends_with('>')) value.remove_suffix(1);
    if (!text::iends_with(value, domain)) return false;
    return value.size() == domain.size() || value[value.size() - domain.size() - 1] == '@';
}

}  // namespace

void EventRing::add(std::string_view json) {
    events_.emplace_back(json);
    octets_ += json.size();
    while (events_.size() > kMostEvents || (octets_ > kMostOctets && events_.size() > 1)) {
        octets_ -= events_.front().size();
        events_.pop_front();
        ++first_;
    }
}

void EventRing::clear() {
    first_ = end();
    events_.clear();
    octets_ = 0;
}

bool EventFilter::wants(std::string_view json) const {
    if (id.empty() && domain.empty()) return true;
    // Most events are told by this alone; taking JSON apart costs a hundred times more.
    if (!id.empty() && json.find(id) == std::string_view::npos) return false;
    if (!domain.empty() && !text::icontains(json, domain)) return false;
    boost::system::error_code ec;
    const boost::json::value value = boost::json::parse(json, ec);
    const auto* event = ec ? nullptr : value.if_object();
    if (event == nullptr) return false;
    bool has_id = id.empty(), has_domain = domain.empty();
    for (const auto& member : *event) {
        const auto* words = member.value().if_string();
        if (words == nullptr) continue;
        const std::string_view said(words->data(), words->size());
        has_id = has_id || said == id;
        has_domain = has_domain || is_at(said, domain);
    }
    return has_id && has_domain;
}

class EventFeed::Reader : public std::enable_shared_from_this<EventFeed::Reader> {
public:
    Reader(std::shared_ptr<EventFeed> of, EventFilter wanted, bool as_server_sent, std::uint64_t from)
        : feed(std::move(of)), filter(std::move(wanted)), server_sent(as_server_sent), next(from), timer(feed->io_) {}
    ~Reader() { feed->leave(this); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // The next piece: at once where many events wait, else when they come, or as a sign of life.
    void ask(Respond respond) {
        waiting = std::move(respond);
        kept = shared_from_this();   // who asks forgets us once he has asked
        if (feed->is_behind(*this)) look();
        if (!waiting) return;
        timer.expires_after(kSignOfLife);
        timer.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
            if (error) return;
            if (const auto reader = self.lock(); reader && reader->waiting) reader->give(reader->sign_of_life());
        });
    }
    [[nodiscard]] std::string sign_of_life() const { return server_sent ? ":\n\n" : "\n"; }
    [[nodiscard]] std::string written(std::string_view json, std::uint64_t number) const {
        if (!server_sent) return std::string(json) + "\n";
        return "id: " + feed->id_of(number) + "\ndata: " + std::string(json) + "\n\n";
    }
    void look() {
        if (!waiting) return;
        std::string lines = feed->take(*this);
        if (!lines.empty()) give(std::move(lines));
    }
    void give(std::string lines) {
        timer.cancel();
        const std::shared_ptr<Reader> self = std::move(kept);
        Answer piece;
        piece.body = std::move(lines);
        piece.content_type = server_sent ? kServerSent : kLines;
        if (!feed->stopped_) piece.more = [self](Respond then) { self->ask(std::move(then)); };
        Respond respond = std::move(*waiting);
        waiting.reset();
        respond(std::move(piece));
    }

    const std::shared_ptr<EventFeed> feed;
    const EventFilter filter;
    const bool server_sent;
    std::uint64_t next;           // the number of the first event that it has not seen
    boost::asio::steady_timer timer;
    std::optional<Respond> waiting;
    std::shared_ptr<Reader> kept;   // itself, while waiting
};

Answer EventFeed::follow(EventFilter filter, EventManner manner) {
    if (stopped_) return failure(503, "the daemon ends");
    if (readers_.size() >= kMostReaders) {
        note_reached(Bound::event_readers);
        return failure(503, std::to_string(kMostReaders) + " follow the events already, which is all there is room for; end one of them");
    }
    std::uint64_t from = 0;
    {
        const std::lock_guard lock(mutex_);
        from = ring_.end();
        // What the ring has no more take() tells as skipped.
        const auto dash = manner.last_id.rfind('-');
        const auto last = dash == std::string::npos ? std::nullopt : text::parse_unsigned(std::string_view(manner.last_id).substr(dash + 1));
        if (last && *last < from && manner.last_id.substr(0, dash) == life_) from = *last + 1;
    }
    auto reader = std::make_shared<Reader>(shared_from_this(), std::move(filter), manner.server_sent, from);
    readers_.push_back(reader.get());
    if (manner.server_sent && !linger_) linger_ = std::make_shared<boost::asio::steady_timer>(io_);
    if (linger_) linger_->cancel();
    if (!std::exchange(watching_, true)) {
        auto see = [weak = weak_from_this()](std::string_view json) {
            if (const auto feed = weak.lock()) feed->add(json);
        };
        log::watch(std::make_shared<const log::Watcher>(std::move(see)));
    }
    Answer answer;
    answer.body = manner.server_sent ? "data: {\"event\":\"watching\"}\n\n" : "{\"event\":\"watching\"}\n";
    answer.content_type = manner.server_sent ? kServerSent : kLines;
    answer.more = [reader = std::move(reader)](Respond then) { reader->ask(std::move(then)); };
    return answer;
}

void EventFeed::leave(Reader* reader) {
    std::erase(readers_, reader);
    if (!readers_.empty() || stopped_) return;
    if (!linger_) {
        rest();
        return;
    }
    linger_->expires_after(kLinger);
    linger_->async_wait([weak = weak_from_this(), timer = linger_](const boost::system::error_code& error) {
        const auto feed = weak.lock();
        if (!error && feed && feed->readers_.empty()) feed->rest();
    });
}

void EventFeed::rest() {
    if (std::exchange(watching_, false)) log::watch(nullptr);
    linger_.reset();
    const std::lock_guard lock(mutex_);
    ring_.clear();
}

void EventFeed::stop() {
    stopped_ = true;
    if (linger_) linger_->cancel();
    rest();
    const std::deque<Reader*> all = readers_;
    for (Reader* reader : all) {
        reader->timer.cancel();
        reader->waiting.reset();
        const std::shared_ptr<Reader> last = std::move(reader->kept);
    }
}

void EventFeed::add(std::string_view json) {
    {
        const std::lock_guard lock(mutex_);
        ring_.add(json);
        if (std::exchange(woken_, true)) return;
    }
    boost::asio::post(io_, [self = shared_from_this()] { self->wake_soon(); });
}

void EventFeed::wake_soon() {
    auto pause = std::make_shared<boost::asio::steady_timer>(io_, kPace);
    pause->async_wait([self = shared_from_this(), pause](const boost::system::error_code& error) {
        if (!error && !self->stopped_) self->wake();
    });
}

void EventFeed::wake() {
    {
        const std::lock_guard lock(mutex_);
        woken_ = false;
    }
    const std::deque<Reader*> all = readers_;
    for (Reader* reader : all)
        if (std::find(readers_.begin(), readers_.end(), reader) != readers_.end()) reader->look();
}

bool EventFeed::is_behind(const Reader& reader) {
    {
        const std::lock_guard lock(mutex_);
        const std::uint64_t unseen = ring_.end() - reader.next;
        if (unseen > kFarBehind) return true;
        if (unseen == 0 || std::exchange(woken_, true)) return false;
    }
    wake_soon();
    return false;
}

std::string EventFeed::take(Reader& reader) {
    const std::lock_guard lock(mutex_);
    std::string lines;
    if (reader.next < ring_.first()) {
        lines = reader.written("{\"event\":\"skipped\",\"count\":" + std::to_string(ring_.first() - reader.next) + "}", ring_.first() - 1);
        reader.next = ring_.first();
    }
    std::size_t looks = 0;
    for (; reader.next < ring_.end() && lines.size() < kPiece && looks < kLooksPerPiece; ++reader.next, ++looks) {
        const std::string& event = ring_.at(reader.next);
        if (reader.filter.wants(event)) lines += reader.written(event, reader.next);
    }
    // Nothing was wanted among so many: a piece all the same, so that the rest has its turn behind what else is to be done.
    if (lines.empty() && reader.next < ring_.end()) lines = reader.sign_of_life();
    return lines;
}

}  // namespace posthorn::admin
