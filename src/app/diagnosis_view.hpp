// A diagnosis of a domain as JSON: for GET /v1/diagnosis, and for `posthorn diagnose` without a daemon.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "delivery/diagnosis.hpp"

namespace posthorn::app {

// A person waits for it.
inline constexpr std::chrono::seconds kDiagnosisPatience{20};

// {"domain", "sender_domain", "at", "summary", "facts": [...], "providers": [{"provider", "everyone", "bulk", "words"}]}.
[[nodiscard]] boost::json::object diagnosis_json(const std::string& domain, const std::string& sender_domain,
                                                 const delivery::Diagnosis& diagnosis);

}  // namespace posthorn::app
