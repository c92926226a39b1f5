// A finding in one line.
#pragma once

#include <string>
#include <utility>

#include "doctor/finding.hpp"

namespace posthorn::doctor {

[[nodiscard]] inline Finding made(std::string check, std::string subject, Verdict verdict, std::string title,
                                  std::string detail) {
    Finding finding;
    finding.check = std::move(check);
    finding.subject = std::move(subject);
    finding.verdict = verdict;
    finding.title = std::move(title);
    finding.detail = std::move(detail);
    return finding;
}

}  // namespace posthorn::doctor
