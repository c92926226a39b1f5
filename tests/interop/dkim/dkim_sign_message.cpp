// Signs the message on standard input with the library's signer, for other programs to verify; or shows a
// key's DNS record.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "auth/dkim/keys.hpp"
#include "auth/dkim/record.hpp"

using namespace posthorn;
using namespace posthorn::auth;

namespace {

int usage() {
    std::cerr << "usage: dkim_sign_message sign DOMAIN SELECTOR KEYFILE simple|relaxed simple|relaxed "
                 "SECONDS < in > out\n"
                 "       dkim_sign_message record DOMAIN SELECTOR KEYFILE    prints the record's value\n"
                 "       dkim_sign_message genkey rsa|ed25519 KEYFILE\n";
    return 64;
}

int fail(const Error& error) {
    std::cerr << error.what << '\n';
    return 1;
}

Canonical form_of(std::string_view name) {
    return name == "simple" ? Canonical::simple : Canonical::relaxed;
}

int generate(std::string_view algorithm, const std::string& path) {
    auto key =
        dkim::PrivateKey::generate(algorithm == "rsa" ? dkim::Algorithm::rsa : dkim::Algorithm::ed25519);
    if (!key) return fail(key.error());
    auto written = (*key)->write(path);
    return written ? 0 : fail(written.error());
}

int show_record(const std::string& domain, const std::string& selector, const std::string& path) {
    auto key = dkim::PrivateKey::load(path);
    if (!key) return fail(key.error());
    std::cout << dkim::key_record(domain, selector, **key).value << '\n';
    return 0;
}

// The way of delivery: the key table chooses, the body is hashed in pieces, the header is signed.
int sign(const std::string& domain, const std::string& selector, const std::string& path,
         Canonical header_form, Canonical body_form, long long seconds) {
    DkimOptions options;
    options.header = header_form;
    options.body = body_form;
    const auto keys = dkim::KeyTable::build({{domain, {{selector, path}}, UnsignedPolicy::hold}}, options);
    const auto selection = keys->select(domain);
    if (!selection.can_sign()) return fail({selection.reason});

    const std::string message{std::istreambuf_iterator<char>(std::cin), {}};
    const auto end = message.find("\r\n\r\n");
    if (end == std::string::npos) return fail({"no empty line between header and body"});
    const std::string_view header = std::string_view(message).substr(0, end + 2);
    std::string_view body = std::string_view(message).substr(end + 4);
    dkim::BodyHasher relaxed(Canonical::relaxed), simple(Canonical::simple);
    for (std::string_view rest = body; !rest.empty();
         rest.remove_prefix(std::min<std::size_t>(rest.size(), 1371))) {
        relaxed.write(rest.substr(0, 1371));
        simple.write(rest.substr(0, 1371));
    }
    const dkim::BodyHashes hashes{relaxed.finish(), simple.finish()};
    auto field =
        dkim::sign_all({&header, 1}, hashes, selection.identities, TimePoint(std::chrono::seconds(seconds)));
    if (!field) return fail(field.error());
    std::cout << *field << message;
    return std::cout.flush() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view verb = argc > 1 ? argv[1] : "";
    if (verb == "genkey" && argc == 4) return generate(argv[2], argv[3]);
    if (verb == "record" && argc == 5) return show_record(argv[2], argv[3], argv[4]);
    if (verb == "sign" && argc == 8)
        return sign(argv[2], argv[3], argv[4], form_of(argv[5]), form_of(argv[6]), std::stoll(argv[7]));
    return usage();
}
