// The table of equivalents, and the page made of it.
#include "migration/equivalents.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::migration {
namespace {

using P = Equivalent::Program;
using F = Equivalent::Fate;

std::string_view fate_words(F fate) {
    switch (fate) {
        case F::carried:
            return "carried over";
        case F::partly:
            return "carried over where it fits";
        case F::not_needed:
            return "not needed";
        case F::not_carried:
            return "nothing of the kind";
    }
    return "";
}

std::string cell(std::string_view text) {
    std::string made;
    for (const char c : text) made += c == '|' ? "\\|" : std::string(1, c);
    return made;
}

std::string table(P program) {
    std::string made =
        "| Option | What becomes of it | In Posthorn | Why, how | Ids |\n|---|---|---|---|---|\n";
    for (const Equivalent& row : equivalents()) {
        if (row.program != program) continue;
        const auto names = [](std::string_view rest) {
            std::string list;
            while (!rest.empty())
                list +=
                    (list.empty() ? "`" : ", `") + std::string(text::trim(text::take_field(rest, ','))) + "`";
            return list;
        };
        made += fmt::format("| {} | {} | {} | {} | {} |\n", cell(names(row.name)), fate_words(row.fate),
                            cell(names(row.ours)), cell(row.words), row.ids);
    }
    return made;
}

}  // namespace

const std::vector<Equivalent>& equivalents() {
    // clang-format off
    static const std::vector<Equivalent> kRows{
#include "migration/equivalents_table.inc"
    };
    // clang-format on
    return kRows;
}

const Equivalent* equivalent(Equivalent::Program program, std::string_view name) {
    for (const Equivalent& row : equivalents()) {
        if (row.program != program) continue;
        for (std::string_view rest = row.name; !rest.empty();) {
            if (text::iequals(text::trim(text::take_field(rest, ',')), name)) return &row;
        }
    }
    return nullptr;
}

std::string equivalents_page() {
    return fmt::format(R"(# Coming from Postfix and OpenDKIM

<!-- Made by `posthorn import reference` from src/migration/equivalents_table.inc; change it there. -->

`posthorn import postfix` reads `/etc/postfix`, `/etc/opendkim` (and `/etc/opendkim.conf`) and `/etc/dovecot`, changes nothing there, and
prints a `posthorn.toml` in which behind each value stands the file and line it comes from. On standard error it lists what could not be
carried over and why, the mistakes it found in the old files, and what is left for you to do. `--json` gives all of it to a program.

```
posthorn import postfix                       # look at it
posthorn import postfix --apply               # write /etc/posthorn/posthorn.toml, copy the keys (0600), never overwriting anything
posthorn check-config
systemctl stop postfix opendkim               # ports 25, 465 and 587 become free; Postfix's queue stays where it is
systemctl enable --now posthorn
posthorn import postfix --drain               # what still waits in Postfix's queue is handed over, by Postfix itself
posthorn doctor
```

The selectors and keys stay the same, so that no DNS record has to change. `--copy-users` takes the users of Dovecot's passwd-files into a
users file of Posthorn's own; without it Posthorn goes on asking Dovecot. `--hostname NAME` replaces `myhostname`.

## The old queue

`--drain` writes nothing below `/var/spool/postfix`, and copies no message. It starts Postfix's own queue manager once more, with a copy of
your `main.cf` and `master.cf` in a temporary directory (your own files stay as they are) that differs in this: no service listens; all mail
that is not for mailboxes of this machine goes to Posthorn at loopback (`relayhost`, no `transport_maps`, no sender dependent ways, no milters);
and `soft_bounce = yes`, a queue lifetime of 100 days, so that whatever Posthorn does not take stays where it is. Then it asks
for a flush (`postqueue -f`), watches `postqueue -j` until nothing is left that moves, and stops that instance.

Why this way: Postfix takes a message out of its queue only when Posthorn has answered 250, and Posthorn answers 250 only when the message is on
disk. So nothing can be lost between the two, whoever is killed at whatever moment; at worst a connection that breaks after the final dot makes one message
arrive twice, as everywhere in SMTP (RFC 1047). Envelope, DSN options and the delivery state of each recipient are read by the
program that wrote them. Reading messages with `postcat`, sending them and deleting them with `postsuper -d` would double all that was sent before a crash
came between the two steps. Postfix must be stopped before, since two queue managers must not share a queue; `--drain` looks and says so.
Messages on hold (`postsuper -h`) stay on hold. If something is left, `--drain` says what, and can be run again; started anew, the old
Postfix finds its queue as usual.

## main.cf

{}
## master.cf

{}
## OpenDKIM

{}
## Dovecot

{}
## Commands and files

{}
## DNS

{})",
                       table(P::postfix), table(P::master), table(P::opendkim), table(P::dovecot),
                       table(P::tool), table(P::dns));
}

}  // namespace posthorn::migration
