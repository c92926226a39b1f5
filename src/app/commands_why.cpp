// `posthorn why ID | RECIPIENT | DOMAIN | PROVIDER`: why mail waits, what is to be done, what became of it.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <memory>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "delivery/why.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct WhyCommand : DaemonOptions {
    std::string what;
};

int why(const WhyCommand& options) {
    const Asked asked = ask(options, "GET", "/v1/why?what=" + admin::url_encode(options.what));
    if (asked.code != exit_code::kOk) return asked.code;
    const json::object& answer = asked.body.as_object();
    if (options.json)
        print_json(json::serialize(answer));
    else
        print(delivery::why_text(answer));
    const json::value* known = answer.if_contains("known");
    return known != nullptr && known->is_bool() && known->as_bool() ? exit_code::kOk : exit_code::kNoInput;
}

}  // namespace

void add_why_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("why", "Say why mail waits, what is in its way, what to do; or what became of it");
    auto options = std::make_shared<WhyCommand>();
    add_daemon_options(*command, *options);
    command->add_option("WHAT", options->what, "A queue id, a recipient's address, a domain (ours or a recipient's), or a provider (google)")
        ->required();
    command->footer("The first line is the answer. Exit code 66: nothing is known of it, and the line says what was searched. docs/WHY.md.");
    command->callback([options, &action] { action = [options] { return why(*options); }; });
}

}  // namespace posthorn::app
