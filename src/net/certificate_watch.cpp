// The transitions of CertificateWatch.
#include "net/certificate_watch.hpp"

#include <utility>

namespace posthorn::net {

void CertificateWatch::in_force(std::vector<FileStamp> stamps) {
    seen_ = stamps;
    in_force_ = std::move(stamps);
    failures_ = 0;
    given_up_ = false;
}

bool CertificateWatch::look(std::vector<FileStamp> stamps) {
    if (stamps == in_force_) {
        failures_ = 0;  // written and taken back
        given_up_ = false;
        return false;
    }
    if (stamps != seen_) {
        seen_ = std::move(stamps);
        if (given_up_) {
            failures_ = 0;
        }
        given_up_ = false;
    }
    return !given_up_;
}

bool CertificateWatch::failed() {
    given_up_ = ++failures_ >= kQuietTries;
    return given_up_;
}

}  // namespace posthorn::net
