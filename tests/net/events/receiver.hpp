// An HTTPS server on loopback that keeps what is posted to it and answers by a list.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <condition_variable>
#include <deque>
#include <istream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "support/tls_cert.hpp"

namespace posthorn::events::test {

namespace asio = boost::asio;

// One connection at a time, one request each; on a thread of its own from construction to destruction.
class Receiver {
public:
    struct Request {
        std::string head, body;
    };

    explicit Receiver(const posthorn::test::TlsCert& certificate)
        : tls_(asio::ssl::context::tls_server), acceptor_(context_, {asio::ip::make_address("127.0.0.1"), 0}) {
        tls_.use_certificate_chain(asio::buffer(certificate.certificate));
        tls_.use_private_key(asio::buffer(certificate.key), asio::ssl::context::pem);
        port_ = acceptor_.local_endpoint().port();
        thread_ = std::thread([this] { run(); });
    }
    ~Receiver() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        boost::system::error_code ignored;
        asio::ip::tcp::socket wake(context_);
        wake.connect({asio::ip::make_address("127.0.0.1"), port_}, ignored);
        wake.close(ignored);
        thread_.join();
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }

    // "503 Busy", "429 Slow\r\nRetry-After: 1": what the next request gets, each once; then "204 No Content". Empty: the connection is closed.
    void answer_once(std::string status) {
        const std::lock_guard lock(mutex_);
        answers_.push_back(std::move(status));
    }
    void answer_always(std::string status) {
        const std::lock_guard lock(mutex_);
        always_ = std::move(status);
    }
    [[nodiscard]] std::vector<Request> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

private:
    using Tls = asio::ssl::stream<asio::ip::tcp::socket>;

    void run() {
        for (;;) {
            boost::system::error_code failed;
            Tls stream(context_, tls_);
            acceptor_.accept(stream.next_layer(), failed);
            {
                const std::lock_guard lock(mutex_);
                if (stopping_) return;
            }
            if (!failed) stream.handshake(Tls::server, failed);
            if (!failed) serve(stream);
            stream.next_layer().close(failed);
        }
    }
    void serve(Tls& stream) {
        boost::system::error_code failed;
        asio::streambuf buffer;
        const std::size_t head_size = asio::read_until(stream, buffer, "\r\n\r\n", failed);
        if (failed) return;
        std::string text(asio::buffers_begin(buffer.data()), asio::buffers_end(buffer.data()));
        Request request;
        request.head = text.substr(0, head_size);
        request.body = text.substr(head_size);
        const std::size_t at = request.head.find("Content-Length: ");
        const std::size_t length = at == std::string::npos ? 0 : std::stoul(request.head.substr(at + 16));
        std::string rest(length - request.body.size(), ' ');
        asio::read(stream, asio::buffer(rest), failed);
        request.body += rest;
        std::string answer;
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(std::move(request));
            answer = always_;
            if (!answers_.empty()) {
                answer = answers_.front();
                answers_.pop_front();
            }
        }
        if (answer.empty()) return;
        asio::write(stream, asio::buffer("HTTP/1.1 " + answer + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), failed);
        stream.shutdown(failed);
    }

    asio::io_context context_;
    asio::ssl::context tls_;
    asio::ip::tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::deque<std::string> answers_;
    std::string always_ = "204 No Content";
    std::vector<Request> requests_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace posthorn::events::test
