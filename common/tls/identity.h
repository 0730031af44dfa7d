// What a process shows to its peers in a TLS handshake.
#ifndef PROVHUB_COMMON_TLS_IDENTITY_H_
#define PROVHUB_COMMON_TLS_IDENTITY_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/runtime/listeners.h"

namespace provhub::tls {

struct Identity {
    // PEM, the leaf first, without the trust anchor.
    std::string chain_pem;
    // PEM, or hsm::EngineKey for a key in a token: what gRPC takes.
    std::string key;
    // For people and for comparison: that of the leaf, as crypto::Fingerprint.
    std::string fingerprint;
    std::string subject;
    absl::Time not_after;
};

// The identity that is in use, which may be replaced at any time. Thread-safe.
class IdentitySource {
 public:
    virtual ~IdentitySource() = default;

    // What new handshakes use: key and certificate belong together. Cheap, never blocks.
    //
    // FailedPrecondition: there is none, and how to get one.
    virtual absl::StatusOr<std::shared_ptr<const Identity>> Current() const = 0;

    // Tells that Current answers something else from now on.
    [[nodiscard]] virtual runtime::Subscription Subscribe(std::function<void()> listener) = 0;
};

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_IDENTITY_H_
