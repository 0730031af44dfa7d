// Where an agent meets the main node, and what it speaks there: the one place where that is decided.
#ifndef PROVHUB_COMMON_SERVICE_MAIN_NODE_ACCESS_H_
#define PROVHUB_COMMON_SERVICE_MAIN_NODE_ACCESS_H_

#include <grpcpp/security/credentials.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/node/node_state.h"
#include "common/tls/channel_credentials.h"
#include "common/tls/identity.h"
#include "common/tls/session_cache.h"
#include "common/tls/trust_anchors.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::service {

struct MainNodeAccess {
    // HOST:PORT
    std::string address;
    // For people: "plaintext", "TLS, pinned".
    std::string transport;
    std::shared_ptr<grpc::ChannelCredentials> credentials;
    // The name to ask for in the handshake; empty: the host of `address`.
    std::string server_name = {};
    // Of the sessions with the main node; null: each begins anew.
    std::shared_ptr<const tls::SessionCache> sessions = nullptr;
    // The node shows its certificate there.
    bool proven = false;
    // What is said there can be read by the two ends only.
    bool confidential = true;
};

// The ways to the main node, one for each attempt:
//
//   normal mode                              protected port, mutual TLS
//   provisioning mode, unprovisioned         public port; the main node may be in either mode
//   provisioning mode, any other state       both, in turn: only the main node knows its mode
//
// Thread-safe.
class MainNodeWays {
 public:
    // `anchors` may be null in provisioning mode. InvalidArgument: serverFingerprint is none; joinTokenPath goes with
    // plaintext.
    static absl::StatusOr<std::unique_ptr<MainNodeWays>> Create(const config::v1::Config& config,
                                                                bool provisioning_mode,
                                                                std::shared_ptr<const tls::TrustAnchors> anchors,
                                                                std::shared_ptr<const tls::IdentitySource> identity);

    // For the next attempt of a node in this state. FailedPrecondition says what is missing.
    absl::StatusOr<MainNodeAccess> Next(node::NodeState state);

    // That on which the node proves its identity.
    absl::StatusOr<MainNodeAccess> Proven();

    // The next session with the main node begins anew.
    void ForgetSessions();

 private:
    MainNodeWays(const config::v1::Config& config, bool provisioning_mode,
                 std::shared_ptr<const tls::TrustAnchors> anchors, std::shared_ptr<const tls::IdentitySource> identity)
        : config_(config),
          provisioning_mode_(provisioning_mode),
          anchors_(std::move(anchors)),
          identity_(std::move(identity)) {}

    MainNodeAccess Unproven() const;
    std::shared_ptr<const tls::SessionCache> SessionsOf(const std::string& fingerprint);

    const config::v1::Config config_;
    const bool provisioning_mode_;
    const std::shared_ptr<const tls::TrustAnchors> anchors_;
    const std::shared_ptr<const tls::IdentitySource> identity_;
    // Who is accepted on the public port, where it is not for caCert to say.
    tls::FingerprintCheck check_;
    std::atomic<unsigned> attempts_ = 0;

    absl::Mutex mutex_;
    // Of the identity with this fingerprint.
    std::shared_ptr<const tls::SessionCache> sessions_ ABSL_GUARDED_BY(mutex_);
    std::string sessions_of_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_MAIN_NODE_ACCESS_H_
