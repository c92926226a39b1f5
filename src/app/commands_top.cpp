// `posthorn top`: the running daemon at a glance, as it changes.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "app/full_screen.hpp"
#include "app/queue_view.hpp"
#include "app/terminal.hpp"
#include "app/top_view.hpp"
#include "base/text.hpp"
#include "delivery/why.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kRows = 200;                   // of the queue, its oldest; the daemon gives a hundred at once
constexpr std::uint32_t kPageOfRows = 100;
// The survey reads the queue and a day of the journal: it is asked for less often than the rest.
constexpr Duration kSurveyEvery = std::chrono::seconds(30);
constexpr std::size_t kPipeColumns = 120;               // a file has no width: senders have a place, too

struct TopCommand : DaemonOptions {
    double interval = 2;                               // seconds
    bool once = false;
};

void add_members(json::object& to, json::object&& from) {
    for (auto& member : from) to[member.key()] = std::move(member.value());
}

// What is shown: asked of the daemon again and again.
class Watch {
public:
    explicit Watch(const TopCommand& options) : options_(options) {}

    // The exit code; complaints were made where it is not kOk. What was seen last stays then.
    [[nodiscard]] int look(TopOrder order) {
        Asked status = ask(options_, "GET", "/v1/status");
        if (status.code != exit_code::kOk) return status.code;
        TopSample sample;
        sample.at = wall_now();
        sample.status = std::move(status.body.as_object());
        if (sample.at - surveyed_ >= kSurveyEvery || sample.at < surveyed_) {
            Asked survey = ask(options_, "GET", "/v1/survey?by=provider&limit=20");
            if (survey.code == exit_code::kOk) survey_ = std::move(survey.body.as_object());
            surveyed_ = sample.at;
        }
        add_members(sample.status, json::object(survey_));
        Asked alarms = ask(options_, "GET", "/v1/alarms");
        if (alarms.code == exit_code::kOk) add_members(sample.status, std::move(alarms.body.as_object()));
        std::string after;
        do {
            Asked queue = ask(options_, "GET", fmt::format("/v1/queue?limit={}{}{}", kPageOfRows, after.empty() ? "" : "&after=", admin::url_encode(after)));
            if (queue.code != exit_code::kOk) return queue.code;
            for (TopRow& row : top_rows(queue.body.as_object(), sample.at)) sample.rows.push_back(std::move(row));
            const json::value* next = queue.body.as_object().if_contains("next");
            after = next != nullptr && next->is_string() ? std::string(next->as_string()) : std::string();
        } while (!after.empty() && sample.rows.size() < kRows);
        sample.more_rows = !after.empty();
        sort_rows(sample.rows, order);
        before_ = std::exchange(now_, std::move(sample));
        return exit_code::kOk;
    }
    [[nodiscard]] bool has_seen() const { return now_.has_value(); }
    [[nodiscard]] TopSample& now() { return *now_; }
    [[nodiscard]] const TopSample* before() const { return before_ ? &*before_ : nullptr; }

private:
    const TopCommand& options_;
    json::object survey_;
    TimePoint surveyed_{};
    std::optional<TopSample> now_, before_;
};

// The loop of somebody who sits before it.
class Sitting {
public:
    explicit Sitting(const TopCommand& options) : options_(options), watch_(options) {
        screen_.colours = std::getenv("NO_COLOR") == nullptr;   // no-color.org
    }

    int run() {
        int code = exit_code::kOk;
        std::string last_words;
        {
            FullScreen terminal;
            terminal_ = &terminal;
            KeptComplaints complaints;
            complaints_ = &complaints;
            code = sit();
            last_words = code == exit_code::kOk ? std::string() : last_trouble_;
        }
        if (!last_words.empty()) complain(last_words);
        return code;
    }

private:
    int sit() {
        SteadyTime next = std::chrono::steady_clock::now();
        for (;;) {
            const SteadyTime now = std::chrono::steady_clock::now();
            if (!screen_.paused && now >= next) {
                const int code = look();
                if (code != exit_code::kOk && !watch_.has_seen()) return code;
                next = now + std::chrono::milliseconds(static_cast<std::int64_t>(options_.interval * 1000));
            }
            draw();
            const auto left = std::chrono::duration_cast<Duration>(next - std::chrono::steady_clock::now());
            const Pressed pressed = terminal_->wait(screen_.paused ? std::chrono::hours(1) : std::max(left, Duration(1)));
            if (pressed.key == Key::ended) return exit_code::kOk;
            if (pressed.key == Key::none || pressed.key == Key::resized) continue;
            if (!question_.empty()) answer(pressed);
            else if (!screen_.page.empty()) turn_page(pressed);
            else if (!act(pressed, next)) return exit_code::kOk;
            if (leaving_) return exit_code::kOk;
        }
    }

    int look() {
        const int code = watch_.look(screen_.order);
        const std::string trouble = complaints_->take();
        if (code != exit_code::kOk) screen_.note = last_trouble_ = text::safe_for_log(trouble, 500);
        else if (screen_.note == last_trouble_) screen_.note.clear();
        keep_choice();
        return code;
    }

    void draw() {
        screen_.columns = terminal_->size().columns;
        screen_.lines = terminal_->size().lines;
        if (watch_.has_seen()) terminal_->show(top_lines(watch_.now(), watch_.before(), screen_));
    }

    // A message that has left is followed by the one in its place.
    void keep_choice() {
        if (!watch_.has_seen()) return;
        const std::vector<TopRow>& rows = watch_.now().rows;
        for (std::size_t at = 0; at < rows.size(); ++at) {
            if (rows[at].id != screen_.selected) continue;
            chosen_ = at;
            return;
        }
        chosen_ = rows.empty() ? 0 : std::min(chosen_, rows.size() - 1);
        screen_.selected = rows.empty() ? std::string() : rows[chosen_].id;
    }

    void move(std::ptrdiff_t by) {
        const std::vector<TopRow>& rows = watch_.now().rows;
        if (rows.empty()) return;
        const auto last = static_cast<std::ptrdiff_t>(rows.size()) - 1;
        chosen_ = static_cast<std::size_t>(std::clamp(static_cast<std::ptrdiff_t>(chosen_) + by, std::ptrdiff_t{0}, last));
        screen_.selected = rows[chosen_].id;
    }

    [[nodiscard]] const TopRow* chosen() {
        const std::vector<TopRow>& rows = watch_.now().rows;
        return chosen_ < rows.size() ? &rows[chosen_] : nullptr;
    }

    // False: the end.
    bool act(const Pressed& pressed, SteadyTime& next) {
        screen_.note.clear();
        const auto page = static_cast<std::ptrdiff_t>(screen_.lines / 2);
        switch (pressed.key) {
            case Key::up: move(-1); return true;
            case Key::down: move(1); return true;
            case Key::page_up: move(-page); return true;
            case Key::page_down: move(page); return true;
            case Key::enter: show_why(); return true;
            case Key::character: break;
            default: return true;
        }
        switch (pressed.character) {
            case 'q': return false;
            case 'k': move(-1); break;
            case 'j': move(1); break;
            case 'p':
                screen_.paused = !screen_.paused;
                next = std::chrono::steady_clock::now();
                break;
            case 'o':
                screen_.order = screen_.order == TopOrder::domain ? TopOrder::oldest : static_cast<TopOrder>(static_cast<int>(screen_.order) + 1);
                sort_rows(watch_.now().rows, screen_.order);
                keep_choice();
                break;
            case 'r': retry(next); break;
            case 's': ask_to_suspend(); break;
            default: break;
        }
        return true;
    }

    void retry(SteadyTime& next) {
        const TopRow* row = chosen();
        if (row == nullptr) return;
        const Asked asked = ask(options_, "POST", "/v1/queue/" + admin::url_encode(row->id) + "/retry");
        screen_.note = asked.code == exit_code::kOk ? row->id + " is tried now" : text::safe_for_log(complaints_->take(), 500);
        next = std::chrono::steady_clock::now();
    }

    void ask_to_suspend() {
        const TopRow* row = chosen();
        if (row == nullptr) return;
        const std::string sender = row->sender_domain.empty() ? "ip" : row->sender_domain;
        target_ = fmt::format("/v1/suspensions/suspend?sender={}&provider={}&for=1h&reason=top", admin::url_encode(sender), admin::url_encode(row->recipient_domain));
        question_ = fmt::format("Hold mail of {} to {} and its provider for an hour? y/n",
                                row->sender_domain.empty() ? "this machine" : text::safe_for_log(row->sender_domain, 100), text::safe_for_log(row->recipient_domain, 100));
        screen_.note = question_;
    }

    void answer(const Pressed& pressed) {
        question_.clear();
        if (pressed.key != Key::character || (pressed.character != 'y' && pressed.character != 'Y')) {
            screen_.note = "nothing was changed";
            return;
        }
        const Asked asked = ask(options_, "POST", target_);
        screen_.note = asked.code == exit_code::kOk ? "held for an hour; `posthorn resume` lets it go on" : text::safe_for_log(complaints_->take(), 500);
    }

    void show_why() {
        const TopRow* row = chosen();
        if (row == nullptr) return;
        const Asked why = ask(options_, "GET", "/v1/why?what=" + admin::url_encode(row->id));
        if (why.code != exit_code::kOk) {
            screen_.note = text::safe_for_log(complaints_->take(), 500);
            return;
        }
        screen_.page.clear();
        screen_.page_from = 0;
        const std::string folded = wrapped(delivery::why_text(why.body.as_object()), std::max<std::size_t>(screen_.columns, 20));
        for (const std::string_view line : text::split(folded, '\n')) screen_.page.emplace_back(line);
    }

    void turn_page(const Pressed& pressed) {
        const std::size_t height = std::max<std::size_t>(screen_.lines, 2) - 1;
        const std::size_t last = screen_.page.size() > height ? screen_.page.size() - height : 0;
        const bool is_down = pressed.key == Key::down || (pressed.key == Key::character && pressed.character == 'j');
        const bool is_up = pressed.key == Key::up || (pressed.key == Key::character && pressed.character == 'k');
        if (is_down) screen_.page_from = std::min(screen_.page_from + 1, last);
        else if (is_up) screen_.page_from -= screen_.page_from > 0 ? 1 : 0;
        else if (pressed.key == Key::page_down) screen_.page_from = std::min(screen_.page_from + height, last);
        else if (pressed.key == Key::page_up) screen_.page_from -= std::min(screen_.page_from, height);
        else if (pressed.key == Key::enter || pressed.key == Key::escape) screen_.page.clear();
        else if (pressed.character == 'q') leaving_ = true;
    }

    const TopCommand& options_;
    Watch watch_;
    TopScreen screen_;
    FullScreen* terminal_ = nullptr;                   // of run()
    KeptComplaints* complaints_ = nullptr;             // of run()
    std::size_t chosen_ = 0;
    std::string question_, target_;                    // a question that waits for y, and the request it is about
    std::string last_trouble_;
    bool leaving_ = false;
};

int watch_or_print(const TopCommand& options) {
    const char* terminal = std::getenv("TERM");
    const bool can_draw = terminal != nullptr && std::string_view(terminal) != "dumb" && Terminal::is_there();
    if (!options.once && can_draw) return Sitting(options).run();
    Watch watch(options);
    const int code = watch.look(TopOrder::oldest);
    if (code == exit_code::kOk) print(top_once(watch.now(), ::isatty(STDOUT_FILENO) == 1 ? screen_size().columns : kPipeColumns));
    return code;
}

}  // namespace

void add_top_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("top", "Watch queue, providers and deliveries as they change");
    auto options = std::make_shared<TopCommand>();
    add_config_option(*command, options->config_path);
    command->add_option("--socket", options->socket, "The daemon's admin socket, instead of the configuration's")->type_name("PATH");
    command->add_option("--interval", options->interval, "Seconds between looks")->check(CLI::Range(0.2, 3600.0))->capture_default_str();
    command->add_flag("--once", options->once, "Print it once and end; so it does where nobody sits at a terminal");
    command->footer(
        "q ends, p pauses, o changes the order, enter says why a message waits, r tries it now, s holds its sender's mail to its provider for an hour. "
        "NO_COLOR switches colours off.");
    command->callback([options, &action] { action = [options] { return watch_or_print(*options); }; });
}

}  // namespace posthorn::app
