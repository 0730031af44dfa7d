// How a client of this project reaches a server: provctl, and the agent's link to the main node.
#ifndef PROVHUB_COMMON_TLS_CHANNEL_CREDENTIALS_H_
#define PROVHUB_COMMON_TLS_CHANNEL_CREDENTIALS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/tls/identity.h"
#include "common/tls/known_servers.h"
#include "common/tls/trust_anchors.h"

namespace grpc {
class ChannelCredentials;
}

namespace provhub::tls {

// Decides on a server by the fingerprint of the certificate that it showed (as crypto::Fingerprint); everything else
// that the certificate says is ignored. That the server holds the key is proven by the handshake itself (RFC 8446
// §4.4.3). Runs on a gRPC thread.
using FingerprintCheck = std::function<absl::Status(absl::string_view fingerprint)>;

// TLS to a server that is known by its certificate, not by who issued it.
std::shared_ptr<grpc::ChannelCredentials> FingerprintCredentials(FingerprintCheck check);

// The check that accepts one certificate only. `expected` is as crypto::Fingerprint.
FingerprintCheck PinnedTo(std::string expected);

// The check for what a server showed at its first use, which `on_first_use` is told of. `server` is its name in
// `known`.
FingerprintCheck TrustedOnFirstUse(std::shared_ptr<KnownServers> known, std::string server,
                                   std::function<void(absl::string_view fingerprint)> on_first_use);

// TLS to a server whose certificate one of `anchors`, as they are at the time of the handshake, vouches for, and which
// is for the host `server_name`. A server that asks for a certificate gets that of `identity`, if given. A refused
// server ends in a call's UNAVAILABLE status with the reason in its message. The handshake asks for the channel's own
// target name (SNI), which decides nothing here.
std::shared_ptr<grpc::ChannelCredentials> VerifiedCredentials(std::shared_ptr<const TrustAnchors> anchors,
                                                              std::string server_name,
                                                              std::shared_ptr<const Identity> identity = nullptr);

// TLS to a server that either would accept: `anchors` vouch for it as VerifiedCredentials says, or `check` knows it.
// The check is asked only where the anchors do not vouch.
std::shared_ptr<grpc::ChannelCredentials> VerifiedOrKnownCredentials(std::shared_ptr<const TrustAnchors> anchors,
                                                                     std::string server_name, FingerprintCheck check);

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_CHANNEL_CREDENTIALS_H_
