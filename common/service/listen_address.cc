#include "common/service/listen_address.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/macros.h"
#include "common/status/shown.h"

namespace provhub::service {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr char kEveryInterface[] = "::";

absl::Status CannotListen(const ListenAddress& address, const error_code& error) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot listen on ", address.ToString(), ": ", error.message(),
        error == boost::asio::error::address_in_use ? "; stop the program that has it or configure another port" : ""));
}

// As gRPC binds: SO_REUSEADDR, and both address families on the IPv6 wildcard.
error_code TryBind(boost::asio::io_context& io, const tcp::endpoint& endpoint) {
    tcp::acceptor acceptor(io);
    error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) {
        acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error && endpoint.protocol() == tcp::v6()) {
        acceptor.set_option(boost::asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
    }
    if (!error) {
        acceptor.bind(endpoint, error);
    }
    if (!error) {
        acceptor.listen(1, error);
    }
    return error;
}

// Where a host has several addresses, one of a family that this machine does not have is no fault.
bool IsMissingFamily(const error_code& error) {
    return error == boost::asio::error::address_family_not_supported ||
           error == boost::system::errc::address_not_available;
}

}  // namespace

std::string ListenAddress::ToString() const {
    const bool v6 = host.find(':') != std::string::npos;
    return absl::StrCat(v6 ? "[" : "", host, v6 ? "]:" : ":", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text) {
    const auto invalid = [&] {
        return absl::InvalidArgumentError(absl::StrCat("'", status::Shown(text),
                                                       "' is no listen address: expected HOST:PORT, [IPV6]:PORT or "
                                                       ":PORT with a port from 0 to 65535"));
    };
    const auto colon = text.rfind(':');
    if (colon == absl::string_view::npos) {
        return invalid();
    }
    ListenAddress address;
    const absl::string_view port = text.substr(colon + 1);
    std::uint32_t number = 0;
    const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == port.npos;
    if (!digits || !absl::SimpleAtoi(port, &number) || number > UINT16_MAX) {
        return invalid();
    }
    address.port = static_cast<std::uint16_t>(number);
    absl::string_view host = text.substr(0, colon);
    const bool bracketed = absl::ConsumePrefix(&host, "[");
    if (bracketed != absl::ConsumeSuffix(&host, "]") || (bracketed && host.empty()) ||
        (!bracketed && host.find(':') != host.npos)) {
        return invalid();
    }
    for (const char c : host) {
        if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && absl::string_view(".-_:%").find(c) == host.npos) {
            return invalid();
        }
    }
    address.host = host.empty() ? kEveryInterface : std::string(host);
    return address;
}

absl::Status CheckCanListen(const ListenAddress& address) {
    boost::asio::io_context io;
    error_code error;
    if (address.host == kEveryInterface) {
        error = TryBind(io, tcp::endpoint(tcp::v6(), address.port));
        if (IsMissingFamily(error)) {
            error = TryBind(io, tcp::endpoint(tcp::v4(), address.port));
        }
        return error ? CannotListen(address, error) : absl::OkStatus();
    }
    tcp::resolver resolver(io);
    const auto endpoints = resolver.resolve(address.host, absl::StrCat(address.port), tcp::resolver::passive, error);
    if (error) {
        return CannotListen(address, error);
    }
    bool bound = false;
    error_code missing;
    for (const auto& entry : endpoints) {
        error = TryBind(io, entry.endpoint());
        if (error && !IsMissingFamily(error)) {
            return CannotListen(address, error);
        }
        bound = bound || !error;
        missing = error ? error : missing;
    }
    return bound ? absl::OkStatus() : CannotListen(address, missing);
}

}  // namespace provhub::service
