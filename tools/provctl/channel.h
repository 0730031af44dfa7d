// The connection to the node that provctl asks.
#ifndef PROVHUB_TOOLS_PROVCTL_CHANNEL_H_
#define PROVHUB_TOOLS_PROVCTL_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "tools/provctl/command_line.h"
#include "tools/provctl/user_key.h"

namespace provhub::provctl {

// What a server without an identity showed in the handshake. Thread-safe.
class SeenServer {
 public:
    void SetFingerprint(std::string fingerprint) {
        absl::MutexLock lock(&mutex_);
        fingerprint_ = std::move(fingerprint);
    }
    // As crypto::Fingerprint. Empty before the handshake, and where the server is known otherwise.
    std::string fingerprint() const {
        absl::MutexLock lock(&mutex_);
        return fingerprint_;
    }

 private:
    mutable absl::Mutex mutex_;
    std::string fingerprint_ ABSL_GUARDED_BY(mutex_);
};

struct Connection {
    // MUST outlive the channel. Null without a client certificate.
    std::unique_ptr<UserKey> key;
    std::shared_ptr<SeenServer> seen;
    // Connects with the first call.
    std::shared_ptr<grpc::Channel> channel;
};

// Errors: NotFound, PermissionDenied, ... (the PEM files), those of UserKey::Open, FailedPrecondition (the key is not
// that of the certificate).
absl::StatusOr<Connection> Connect(const ConnectionOptions& options);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_CHANNEL_H_
