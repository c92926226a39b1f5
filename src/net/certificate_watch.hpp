// When to read certificate files again, and when to say that they cannot be used: a pure table of states.
#pragma once

#include <vector>

#include "net/certificate.hpp"

namespace posthorn::net {

// The files are looked at (stat) every so often instead of by inotify: certbot swaps symbolic links in
// another directory, Docker binds mounts over files, and NFS tells nobody; a stat sees all of these and costs
// nothing.
//
//   looked, files are as they were read          nothing
//   looked, files are others                     read them
//   read them, good                              those are in force; nothing until they change
//   read them, bad, for the 1st and 2nd time     quiet: a pair is half written for some seconds; read again
//   at the
//                                                next look
//   read them, bad, for the 3rd time             told once; read again when they change (also by chmod)
class CertificateWatch {
public:
    static constexpr int kQuietTries = 3;

    // The certificate in force was read from files in this state.
    void in_force(std::vector<FileStamp> stamps);
    // What is found at a look. True: read them now, then call in_force() or failed().
    [[nodiscard]] bool look(std::vector<FileStamp> stamps);
    // What look() asked for came to nothing. True: tell the operator now.
    [[nodiscard]] bool failed();

private:
    std::vector<FileStamp> in_force_;
    std::vector<FileStamp> seen_;  // at the last look
    int failures_ = 0;             // in a row; back to none when the files are those in force
    bool given_up_ = false;        // on the files as seen_
};

}  // namespace posthorn::net
