// `posthorn doctor`: every reason for which mail might not arrive, with its repair, before a receiver finds it.
#include <CLI/CLI.hpp>

#include <memory>

#include "app/doctor.hpp"
#include "doctor/finding.hpp"

namespace posthorn::app {

void add_doctor_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("doctor",
                                       "Look at all that receivers judge this server by, and at the server itself: reverse DNS, port 25, SPF, DKIM, DMARC, "
                                       "certificate, queue and more; say what is wrong and what mends it");
    auto options = std::make_shared<DoctorOptions>();
    command->add_option("--domain", options->domains, "Look at this domain of From; else at every [[domain]]")->type_name("DOMAIN");
    command->add_option("--from", options->sender, "The domain of MAIL FROM, where it is another than From's")->type_name("DOMAIN");
    command->add_option("--ip", options->ips, "Our public address; else source_v4 and source_v6, the interfaces', or those of the host name")
        ->type_name("ADDRESS");
    command->add_option("--provider", options->provider, "Say only what it means to this one")->check(CLI::IsMember({"gmail", "yahoo", "outlook"}));
    command->add_option("--dnsbl", options->block_lists, "Ask this DNS block list about our addresses, too (\"zen.spamhaus.org\"); its owner learns of the question")
        ->type_name("ZONE");
    std::vector<std::string> ids;
    for (const doctor::Check& check : doctor::checks()) ids.emplace_back(check.id);
    command->add_option("--only", options->only, "Tell of these checks alone (\"ptr,spf\"; docs/DOCTOR.md lists them)")
        ->type_name("CHECK,...")
        ->delimiter(',')
        ->check(CLI::IsMember(ids));
    command->add_option("--skip", options->skip, "Tell of all checks but these")->type_name("CHECK,...")->delimiter(',')->check(CLI::IsMember(ids));
    command->add_flag("--no-port25", options->no_port25, "Connect to no provider's mail server");
    command->add_flag("--urls", options->urls, "Make the POST of one-click unsubscription (RFC 8058) at each stream's address; it acts");
    command->add_flag("--strict", options->strict, "Exit with 1 for warnings, too");
    command->add_option("--timeout", options->limit, "Seconds for all of it")->check(CLI::Range(2, 600))->capture_default_str();
    add_daemon_options(*command, *options);
    command->footer(
        "The worst comes first; records to publish stand at the margin, as a zone file takes them (`posthorn dns show` has other forms). Exit code 0: "
        "nothing fails; 1: something does; 75: nothing fails, but not everything could be found out. docs/DOCTOR.md lists all checks.");
    command->callback([options, &action] { action = [options] { return run_doctor(*options); }; });
}

}  // namespace posthorn::app
