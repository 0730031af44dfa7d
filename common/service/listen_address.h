// Where a server listens.
#ifndef PROVHUB_COMMON_SERVICE_LISTEN_ADDRESS_H_
#define PROVHUB_COMMON_SERVICE_LISTEN_ADDRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace provhub::service {

struct ListenAddress {
    // A name or an IP address without brackets; "::" is every interface, of both address families.
    std::string host;
    // 0: any that is free.
    std::uint16_t port = 0;

    // "[::]:8090"
    std::string ToString() const;
};

// Takes HOST:PORT, [IPV6]:PORT and :PORT, which is every interface. InvalidArgument says what is expected.
absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text);

// Binds `address` for a moment, every IP address that its host stands for. Blocks where the host has to be resolved.
// FailedPrecondition: the port is in use or not permitted, the host is unknown, no such interface; with the system's
// own words for it.
absl::Status CheckCanListen(const ListenAddress& address);

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_LISTEN_ADDRESS_H_
