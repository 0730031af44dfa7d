// Where an agent meets the main node, and what it speaks there: the one place where that is decided.
#ifndef PROVHUB_COMMON_SERVICE_MAIN_NODE_ACCESS_H_
#define PROVHUB_COMMON_SERVICE_MAIN_NODE_ACCESS_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::service {

struct MainNodeAccess {
    // HOST:PORT
    std::string address;
    // For people: "plaintext", "TLS, pinned".
    std::string transport;
    std::shared_ptr<grpc::ChannelCredentials> credentials;
    // The name to ask for in the handshake; empty: the host of `address`.
    std::string server_name;
};

// FailedPrecondition says what to set where this process can't reach a main node as it is configured.
absl::StatusOr<MainNodeAccess> ChooseMainNodeAccess(const config::v1::Config& config, bool provisioning_mode);

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_MAIN_NODE_ACCESS_H_
