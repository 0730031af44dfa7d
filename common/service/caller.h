// Who makes a call, as far as the connection proves it.
#ifndef PROVHUB_COMMON_SERVICE_CALLER_H_
#define PROVHUB_COMMON_SERVICE_CALLER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

struct grpc_auth_context;

namespace grpc {
class ServerContextBase;
}

namespace provhub::service {

struct Caller {
    // The caller has shown a certificate that the trust anchors vouch for, and holds its key.
    bool authenticated = false;
    // For logs and the audit log: "CN=operator-1 (sha256 ab12...)", "anonymous ipv4:10.0.0.7:51234".
    std::string name;
    // The nodes that the certificate vouches for, by its URI or by the configuration.
    std::vector<std::string> node_ids;
    // "public" or "protected"; empty where the listener checks nobody, in provisioning mode.
    std::string listener;
};

// Thread-safe, cheap. A call that reaches a handler has been allowed.
Caller CallerOf(const grpc::ServerContextBase& context);

// The first value of a property of the connection that gRPC set, empty where there is none; valid as long as `context`.
absl::string_view PropertyOf(grpc_auth_context* context, const char* name);

// Notes `caller`, who has come over the connection of `context`, for CallerOf. The first note stays: a connection has
// one caller. An anonymous one needs no name.
void NoteCaller(grpc_auth_context* context, const Caller& caller);

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_CALLER_H_
