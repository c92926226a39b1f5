// GET /v1/diagnosis?domain=&sender=&ip=: what is wrong with the proofs that mail of a domain carries.
#include "admin/endpoint.hpp"
#include "base/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn::admin {

void get_diagnosis(const CorePtr& core, const Request& request, Respond respond) {
    DiagnosisRequest question;
    bool has_sender = false;
    for (const auto& [name, value] : request.query) {
        if (name == "domain") {
            question.domain = value;
        } else if (name == "sender") {
            question.sender_domain = value;
            has_sender = true;
        } else if (name == "ip") {
            question.ip = value;
        } else {
            respond(failure(400, "there are the parameters domain, sender and ip"));
            return;
        }
    }
    if (question.domain.empty()) {
        respond(failure(400, "name the domain of From: ?domain=example.com"));
        return;
    }
    if (!question.ip.empty() && !IpAddress::parse(question.ip)) {
        respond(failure(400, "\"" + text::safe_for_log(question.ip, 60) + "\" is no IP address"));
        return;
    }
    if (!core->daemon.diagnose) {
        respond(failure(501, "this daemon does not deliver"));
        return;
    }
    if (!has_sender) question.sender_domain = question.domain;
    auto done = [core, respond = std::move(respond)](std::string found) mutable {
        if (!core->stopped) respond({200, std::move(found), {}});
    };
    core->daemon.diagnose(std::move(question), std::move(done));
}

}  // namespace posthorn::admin
