// From Postfix's, OpenDKIM's and Dovecot's files to posthorn.toml: what it comes to, what does not fit, what
// was wrong there.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "migration/files.hpp"
#include "migration/parameters.hpp"

namespace posthorn::migration {

struct Sources {
    std::string postfix = "/etc/postfix";  // the directory
    std::string opendkim = "/etc/opendkim";
    std::string dovecot = "/etc/dovecot";
    std::string hostname;                                // instead of myhostname; empty: that
    std::string output = "/etc/posthorn/posthorn.toml";  // keys and passwords lie beside it
    bool copy_users = false;  // users of Dovecot's passwd-files into a users file, instead of asking Dovecot
    Machine machine;
};

// Something to be told about one place.
struct Note {
    std::string subject;  // the option: "mydestination", "SigningTable"
    std::string words;    // one or two sentences for the operator
    Origin origin;
};

struct KeyCopy {
    std::string from;
    std::string to;  // beside the configuration
    std::string domain;
    std::string selector;
};

// A file with a secret that stood in a table: a relay's password, the users with their hashes.
struct SecretFile {
    std::string to;
    std::string content;  // never shown
    std::string purpose;  // "the password of relay isp"
    Origin origin;
};

struct Migration {
    std::string toml;                  // config::parse takes it, unless `blocked` says why not
    std::vector<std::string> blocked;  // mistakes of the text that the operator has to decide about
    std::vector<Note> carried;         // what became of which setting, in words; for --json and tests
    std::vector<Note> not_carried;     // and why
    std::vector<Note> not_needed;      // what Posthorn does without being told
    std::vector<Note> mistakes;        // found in the other programs' files
    std::vector<Note> to_do;           // what only the operator can do, in order
    std::vector<KeyCopy> keys;
    std::vector<SecretFile> secrets;
};

// Reads all of it. An error: there is no main.cf, or it cannot be read.
[[nodiscard]] Result<Migration> plan(const Files& files, const Sources& sources);

}  // namespace posthorn::migration
