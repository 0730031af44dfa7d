// What a server of ours speaks in normal mode.
#ifndef PROVHUB_COMMON_TLS_SERVER_CREDENTIALS_H_
#define PROVHUB_COMMON_TLS_SERVER_CREDENTIALS_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/tls/identity.h"
#include "common/tls/trust_anchors.h"

struct grpc_auth_context;

namespace grpc {
class ServerCredentials;
}

namespace provhub::tls {

// Decides on every call before anything else of the server sees it. Thread-safe.
class CallCheck {
 public:
    using Done = absl::AnyInvocable<void(const absl::Status&)>;

    virtual ~CallCheck() = default;

    // `connection` is shared by the calls of a connection and has the certificate that the peer showed, unverified, in
    // its properties; both end with this call. `method` is "/package.Service/Method". The call waits for `done`, which
    // runs once, inside Check or later on any thread; what is not OK is the call's status. MUST NOT block.
    virtual void Check(grpc_auth_context* connection, absl::string_view method, Done done) = 0;
};

enum class ClientCertificate {
    kNotRequested,
    // Asked for; who has none, or a bad one, may connect all the same: the CallCheck decides, with a reason. Whoever
    // shows one has proven to hold its key, then or when the TLS session began that he goes on with.
    kRequested,
};

// TLS with the identity that is current at the time of each handshake; streams that are open go on when it changes. A
// new identity that can't be used leaves the one before in use, which gRPC logs. Clients are told the names of
// `anchors`, so that those who have several certificates can choose. For one listener.
std::shared_ptr<grpc::ServerCredentials> IdentityServerCredentials(std::shared_ptr<const IdentitySource> identity,
                                                                   std::shared_ptr<const TrustAnchors> anchors,
                                                                   ClientCertificate client_certificate,
                                                                   std::shared_ptr<CallCheck> check);

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_SERVER_CREDENTIALS_H_
