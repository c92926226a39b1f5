// Fuzzes the reader of the admin interface's requests and the judgement of who asks. Input: the octets of a connection over TCP; the slicing
// comes from the input's size.
#include <string>
#include <tuple>
#include <vector>

#include "admin/access.hpp"
#include "admin/http.hpp"
#include "law.hpp"

using namespace posthorn;
using admin::RequestReader;

namespace {

constexpr std::size_t kHeader = 8 * 1024, kBody = 64 * 1024;

struct Read {
    std::vector<std::tuple<std::string, std::string, std::map<std::string, std::string>, std::map<std::string, std::string>, std::string>> requests;
    unsigned refused = 0;   // its status
    bool operator==(const Read&) const = default;
};

void judge(admin::Request request) {
    static admin::Access access([] {
        admin::AccessRules rules;
        rules.hostname = "mail.example.com";
        rules.token = "a right token that no input holds";
        return rules;
    }());
    request.by_socket = false;
    request.visitor = {};
    const auto judged = access.judge(request, SteadyTime{});
    fuzz::require(judged.visitor.rights == admin::Rights::none, "no rights without a token");
    fuzz::require(!judged.refusal || judged.refusal->status >= 400, "a refusal is one");
}

Read read(std::string_view wire, std::uint8_t seed) {
    Read result;
    RequestReader reader(kHeader, kBody);
    std::string pending;
    for (fuzz::Slices slices(wire, seed); !slices.empty() && result.refused == 0;) {
        pending += slices.next();
        for (;;) {
            const std::size_t before = pending.size();
            const auto progress = reader.feed(pending);
            fuzz::require(pending.size() <= before, "nothing is made up");
            if (progress == RequestReader::Progress::refused) {
                result.refused = reader.refusal().status;
                fuzz::require(result.refused >= 400 && result.refused < 500, "who is refused is told that it is his fault");
                break;
            }
            if (progress == RequestReader::Progress::incomplete) break;
            admin::Request request = reader.take();
            fuzz::require(request.body.size() <= kBody, "a body has its bound");
            judge(request);
            result.requests.emplace_back(request.method, request.path, request.query, request.fields, request.body);
        }
        fuzz::require(seed == 0 || pending.size() <= kHeader + 32, "what waits for more is bounded");
    }
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view wire(reinterpret_cast<const char*>(data), size);
    const Read whole = read(wire, 0), cut = read(wire, static_cast<std::uint8_t>(1 + size % 255));
    fuzz::require(whole.requests == cut.requests, "any slicing gives the same requests");
    // What is wrong in an unfinished header is told at once or at its end: whoever sent it gets nothing in either case.
    return 0;
}
