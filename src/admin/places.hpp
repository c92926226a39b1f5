// The table of endpoints: where each is, who may ask, what it takes and what it answers. Router, description and tests read the same rows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/endpoint.hpp"

namespace posthorn::admin {

using Answers = void (*)(const CorePtr&, const Request&, Respond);

// Of the query string. An endpoint gets none that are not in its row, and all that are required.
struct Parameter {
    std::string_view name;
    std::string_view words;   // what it is, for who reads the description
    bool required = false;
    std::string_view schema = R"({"type":"string"})";  // JSON Schema
};

struct Place {
    std::string_view method;  // GET (HEAD, too, is answered by it), POST or DELETE
    // "/v1/queue/{id}": a name in braces stands for one segment, which the endpoint reads from Request::segment. {id} is always a queue id.
    std::string_view path;
    // Rights::none: everybody, as for the page and the login. Rights::own: users of this machine for their own mail, whom the endpoint looks
    // at itself. But for places of Rights::none, Rights::read never changes anything: GET only.
    Rights least;
    Answers endpoint;
    std::string_view words;   // one sentence
    std::string_view answer;  // of a good answer: the name of its schema (openapi_schemas.cpp), or a media type, where it is no JSON
    std::vector<Parameter> parameters = {};
    std::string_view body = {};  // the name of the schema of the request's body, JSON; empty: none is read
};

// In the order of their paths.
[[nodiscard]] const std::vector<Place>& places();

// Whether the path fits the template; then what stands in the place of the last name in braces ("" where there is none).
[[nodiscard]] std::optional<std::string_view> fits(std::string_view path_template, std::string_view path);

// The description of all this after OpenAPI 3.1, as JSON; and the schemas of answers and bodies by name, a JSON object.
[[nodiscard]] std::string openapi_document();
[[nodiscard]] std::string_view openapi_schemas();

}  // namespace posthorn::admin
