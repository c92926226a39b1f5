// The settings of this machine's own programs: their socket, and as whom their mail leaves ([local] and
// [[site]]).
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {

namespace {

constexpr const char* kAddress = "an address such as \"wordpress@example.com\", or \"\"";

std::vector<std::pair<std::string, intake::ForeignFrom>> foreign_from() {
    using intake::ForeignFrom;
    return {{"rewrite", ForeignFrom::rewrite}, {"refuse", ForeignFrom::refuse}, {"keep", ForeignFrom::keep}};
}

}  // namespace

std::vector<Setting<Config>> local_settings() {
    using namespace binding;
    return {
        {"local", "socket", path<Config>(FIELD(server.local.socket), true),
         "The unix socket at which sendmail and other programs of this machine hand in mail; the kernel says "
         "whose they are. "
         "Unset: submission.sock in the directory of admin.socket, if that can be made. Empty: none."},
        {"local", "socket_mode", mode<Config>(FIELD(server.local.socket_mode)),
         "Its permission bits: who may write to it may send."},
        {"local", "from", choice<Config>(FIELD(intake.sender.from), foreign_from()),
         "What happens to mail of this machine's programs whose From is at a domain that is no [[domain]], "
         "as contact forms make it "
         "that put the visitor there; no receiver would believe it. rewrite: From becomes an address of "
         "ours, the visitor is named "
         "before it and goes to Reply-To. refuse: 550 5.7.1. keep: it stays, for machines that forward mail; "
         "dkim.unknown_domain says "
         "whether it may leave. Names of this machine (root@localhost, www-data@web3) always become "
         "addresses of ours; "
         "docs/SENDERS.md has the table. For programs of a [[site]], site.from."},
        {"local", "sender", text<Config>(FIELD(intake.sender.address), kAddress),
         "As whom mail leaves that says nothing of its own. Empty: the system user's name at the first "
         "[[domain]], such as "
         "www-data@example.com. For programs of a [[site]], site.sender."},
        {"local", "clients_from", choice<Config>(FIELD(intake.sender.clients_from), foreign_from()),
         "As from, for clients that send over TCP without logging in (submission.trusted_networks). Unset: "
         "rewrite, but keep where "
         "dkim.unknown_domain is \"send-unsigned\"."},
        {"local", "mailname_file", path<Config>(FIELD(intake.sender.mailname_file), true),
         "A file with a domain, as Debian keeps one. If it is one of [[domain]], names without a domain get "
         "it instead of the first "
         "[[domain]]'s; else it is one more name of this machine. Empty: none."},
        {"local", "users_to",
         texts<Config>(FIELD(intake.local.users_to), "a list of addresses such as [\"admin@example.com\"]"),
         "Who gets mail for names of this machine (root, www-data, root@localhost) that neither aliases_file "
         "nor a .forward sends "
         "anywhere: cron's mail, above all. Empty: the alias of root; where there is none such mail is "
         "refused. The variable ROOT_ALIAS "
         "says the same.",
         "[\"admin@example.com\"]"},
        {"local", "aliases_file", path<Config>(FIELD(intake.local.aliases_file), true),
         "Who gets mail for which name of this machine, as aliases(5) has it. Changes count at once; there "
         "is no database to be made. "
         "Commands and files in it are refused, /dev/null throws mail away. Empty: none."},
        {"local", "forward_files", boolean<Config>(FIELD(intake.local.forward_files)),
         "Whether the .forward files of the system's users count, where they are the user's own and nobody "
         "else may write to them."},
        {"local", "storm_limit", integer<Config>(FIELD(intake.local.storm_limit), 0, 1000000),
         "How many messages of one system user with one subject, numbers apart, to names of this machine are "
         "sent within storm_window: "
         "a job of cron that fails each minute. What is beyond is not kept, but counted and told in one "
         "message. 0: no limit."},
        {"local", "storm_window",
         duration<Config>(FIELD(intake.local.storm_window), std::chrono::seconds(1),
                          std::chrono::hours(7 * 24)),
         "The time that storm_limit is about, and after which that one message comes."},
    };
}

const std::vector<Setting<intake::SiteOptions>>& site_settings() {
    using namespace binding;
    using S = intake::SiteOptions;
    static const std::vector<Setting<S>> all = {
        {"site",
         "name",
         text<S>(FIELD(name), "a name of letters, digits, '.', '-' and '_'"),
         "Its name in the log.",
         {},
         true},
        {"site", "users", texts<S>(FIELD(users), "a list of system users or their numbers, or \"*\""),
         "Whose programs belong to it: names, numbers (those of a container's users mean nothing here; give "
         "it a socket), or \"*\" "
         "for all who are in no other site."},
        {"site", "socket", path<S>(FIELD(socket), true),
         "A unix socket of its own, to be given to a container: who comes through it belongs to this site, "
         "whoever he is."},
        {"site", "socket_mode", mode<S>(FIELD(socket_mode)), "The permission bits of that socket."},
        {"site", "spool", path<S>(FIELD(spool), true),
         "A spool directory of its own, as `posthorn` keeps one for programs that find no daemon: what is "
         "left there belongs to this "
         "site."},
        {"site", "domains",
         texts<S>(FIELD(domains), "a list of domains that are [[domain]]s or lie below one"),
         "As whom it may send; the first completes names without a domain. Unset: all [[domain]]s."},
        {"site", "sender", text<S>(FIELD(sender), kAddress),
         "As whom its mail leaves that says nothing of its own. Empty: the system user's name at the first "
         "of its domains."},
        {"site", "from", choice<S>(FIELD(from), foreign_from()), "See local.from."},
    };
    return all;
}

}  // namespace posthorn::config
