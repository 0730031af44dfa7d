// The identity that this node's own TLS uses: the newest certificate of one type, whose key is in a token.
#ifndef PROVHUB_COMMON_SERVICE_TLS_IDENTITY_H_
#define PROVHUB_COMMON_SERVICE_TLS_IDENTITY_H_

#include <functional>
#include <memory>
#include <string>

#include "common/node/node_core.h"
#include "common/runtime/listeners.h"
#include "common/runtime/scheduler.h"
#include "common/tls/identity.h"

namespace provhub::service {

// Follows the node: a certificate that comes into use, or all of them gone, takes effect without a restart. One whose
// key does not prove itself never replaces a working one.
class TlsIdentity final : public tls::IdentitySource {
 public:
    // `type` is certStorage; empty: there is never an identity. Reads the token before it returns. `core` and
    // `scheduler` MUST outlive this object, or be there until Stop.
    TlsIdentity(std::string type, node::NodeCore& core, runtime::Scheduler& scheduler);
    ~TlsIdentity() override { Stop(); }

    // Changes no more and lets go of the node. Waits for the token where it is being read.
    void Stop();

    absl::StatusOr<std::shared_ptr<const tls::Identity>> Current() const override;
    runtime::Subscription Subscribe(std::function<void()> listener) override;

 private:
    class State;

    const std::shared_ptr<State> state_;
    runtime::Subscription certificates_;
    runtime::Subscription node_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_TLS_IDENTITY_H_
