// GET /v1/openapi.json: what this interface is, for programs that make clients or tests of it.
#include "admin/endpoint.hpp"
#include "admin/places.hpp"

namespace posthorn::admin {

void get_openapi(const CorePtr&, const Request&, Respond respond) {
    static const std::string document = openapi_document();
    respond({200, document, {}});
}

}  // namespace posthorn::admin
