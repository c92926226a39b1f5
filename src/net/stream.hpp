// A connected byte stream, TCP or unix, that can turn into TLS once.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/asio.hpp"
#include "net/socket_address.hpp"
#include "net/server_tls.hpp"
#include "net/tls_context.hpp"

namespace posthorn::net {

// What was agreed in the handshake, for logs, Received fields and tests.
struct TlsFacts {
    std::string version;    // "TLSv1.3"
    std::string cipher;     // "TLS_AES_256_GCM_SHA384", as IANA's registry has it
    int bits = 0;           // strength of the cipher
    bool verified = false;  // the peer's certificate was checked as `verified_by` says, and passed
    TlsCheck verified_by = TlsCheck::none;
    int tlsa_usage = -1;    // of the record that matched (2 or 3); -1 without DANE, and for a resumed session
    // What was wrong with a certificate that was looked at but did not have to pass.
    CertificateFault fault = CertificateFault::none;
    std::string fault_detail;
    bool resumed = false;
    std::string peer_subject;  // one line, or empty where the peer showed no certificate
    std::string peer_issuer;
    std::string server_name;  // the SNI that was sent or received
    // tls-server-end-point (RFC 5929 s4.1): the digest of the server's certificate, raw octets, as the client
    // of this connection saw it. Empty where there is none (the signature names no hash: Ed25519).
    std::string server_end_point;
    // Octets that only the two ends of this connection know: tls-exporter (RFC 9266) of TLS 1.3, or tls-unique (RFC 5929 s3)
    // of TLS 1.2 with the extended master secret, without which others can make a second connection with the same (RFC 7627
    // s1). Empty where there is none.
    std::string tls_exporter, tls_unique;
};

// How a handshake ended. detail is for the operator: "certificate verify failed: self-signed certificate".
struct HandshakeResult {
    error_code error;
    std::string detail;
    bool untrusted = false;  // the peer's certificate was to be verified, and was refused
    CertificateFault fault = CertificateFault::none;  // why it was

    HandshakeResult() = default;
    HandshakeResult(error_code failed, std::string why) : error(failed), detail(std::move(why)) {}
    [[nodiscard]] bool ok() const { return !error; }
};

// Owned by one session coroutine; every call on the thread of its io_context. At most one read and one write
// pending at a time. Movable only while nothing is pending. TCP_NODELAY is set: one write per turn is one
// segment, at once.
//
// Nothing here has a time limit of its own: a Deadline on the same connection calls close(), and what was
// pending ends with operation_aborted. The end of the stream is asio::error::eof, in TLS also when it comes
// without close_notify, since SMTP frames its own end.
class Stream {
public:
    using Socket = asio::generic::stream_protocol::socket;

    explicit Stream(Socket socket);
    // Takes over a connected descriptor, also when it throws.
    Stream(asio::io_context& context, int fd);
    ~Stream();
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&& other) noexcept;

    // Reads at least one octet. REQUIRES: buffer not empty.
    awaitable<IoResult> read_some(std::span<char> buffer);
    // Ends when read_some would not have to wait (data, end or error), so that an idle session needs no
    // buffer.
    awaitable<error_code> wait_readable();

    // Waits for octets and shows them without taking them: they stay for the next read, or for a handshake.
    // REQUIRES: no TLS yet, and that some of them are taken before the next peek (else it never waits).
    awaitable<IoResult> peek_some(std::span<char> buffer);
    // Takes octets that peek_some has shown. REQUIRES: size of them at least.
    void skip(std::size_t size);

    // Writes all, or fails. What is pointed to must live until the write has ended. Plain: one writev; TLS:
    // few records.
    awaitable<IoResult> write(std::string_view data);
    awaitable<IoResult> write(std::span<const std::string_view> pieces);

    // After a failed handshake the stream is only good for close().
    awaitable<HandshakeResult> handshake_server(std::shared_ptr<const ServerTls> tls);
    awaitable<HandshakeResult> handshake_client(ClientTls& tls, TlsTarget target);
    // Sends close_notify and waits for the peer's; under the caller's Deadline, as a peer may never send one.
    // No-op without TLS. REQUIRES: no read pending.
    awaitable<void> shutdown_tls();

    // A pending wait_readable() or read ends as if the peer had said all it had to say; writing still works.
    // To wake a session that only waits for its peer, so that it can say goodbye. Idempotent, never throws.
    void end_reading() noexcept;
    // Ends whatever is pending with operation_aborted. Idempotent, never throws.
    void close() noexcept;
    [[nodiscard]] bool is_open() const;
    [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }
    // Octets already decrypted or at hand without another system call (TLS only).
    [[nodiscard]] bool has_buffered() const;
    // Octets of the peer have come that nobody has read, TLS or not. Never waits; false at the end of the stream.
    [[nodiscard]] bool has_arrived() const;
    [[nodiscard]] TlsFacts tls_facts() const;  // REQUIRES: a handshake succeeded

    [[nodiscard]] const SocketAddress& peer() const { return peer_; }
    [[nodiscard]] const SocketAddress& local() const { return local_; }
    [[nodiscard]] std::optional<PeerCredentials> credentials() const;
    [[nodiscard]] asio::any_io_executor get_executor() { return socket_.get_executor(); }

private:
    struct Tls;

    awaitable<HandshakeResult> handshake();
    [[nodiscard]] std::string handshake_failure(const error_code& ec) const;
    awaitable<error_code> wait(asio::socket_base::wait_type direction);
    awaitable<void> give_way();
    [[nodiscard]] bool must_wait() const;
    // One attempt each; would_block sets the direction to wait for.
    IoResult try_read(std::span<char> buffer, asio::socket_base::wait_type& direction);
    IoResult try_write(std::string_view data, asio::socket_base::wait_type& direction);
    IoResult try_gather(std::span<const std::string_view> pieces, std::size_t first, std::size_t offset,
                        asio::socket_base::wait_type& direction);
    int descriptor() const;
    // After so many operations that did not have to wait, others on this shard get their turn.
    bool too_long_without_waiting() { return ++without_waiting_ >= 64; }

    mutable Socket socket_;
    std::unique_ptr<Tls> tls_;  // none before the handshake: TLS state costs tens of kilobytes
    SocketAddress peer_;
    SocketAddress local_;
    bool drained_ = true;  // the kernel had nothing more at the last read: wait before trying again
    unsigned without_waiting_ = 0;
};

}  // namespace posthorn::net
