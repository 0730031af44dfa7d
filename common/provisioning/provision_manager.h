// The way of a node from unprovisioned to provisioned and back.
#ifndef PROVHUB_COMMON_PROVISIONING_PROVISION_MANAGER_H_
#define PROVHUB_COMMON_PROVISIONING_PROVISION_MANAGER_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/cert/cert_handler.h"
#include "common/crypto/secret.h"
#include "common/node/current_node.h"
#include "common/provisioning/password_gate.h"
#include "common/provisioning/platform_hooks.h"
#include "common/provisioning/token_ownership.h"
#include "common/runtime/scheduler.h"

namespace provhub::provisioning {

// Each call runs alone on the node, CreateKey and ApplyCert included (the dispatcher sees to that), and blocks on
// tokens, disk and platform programs. `deadline`, by the clock of the scheduler, bounds the platform programs. Every
// error says which step failed.
class ProvisionManager {
 public:
    struct Parts {
        node::CurrentNode& node;
        cert::CertHandler& certificates;
        PasswordGate& password_gate;
        TokenOwnership& ownership;
        PlatformHooks& hooks;
        const runtime::Scheduler& clock;
        // Common name of the self-signed certificates.
        std::function<std::string()> common_name;
    };

    // Everything in `parts` MUST outlive this object.
    explicit ProvisionManager(Parts parts) : parts_(std::move(parts)) {}

    // Erases what is on the tokens, takes them over with `password`, and makes the self-signed certificates. After an
    // error the node is unprovisioned and its tokens are free again; a wrong password or a failure of the first
    // platform program changes nothing at all.
    //
    // Errors: FailedPrecondition (started already, or not unprovisioned), InvalidArgument (password length),
    // PermissionDenied (password), those of the tokens and the platform programs.
    absl::Status Start(const crypto::Secret& password, absl::Time deadline);

    // The node is provisioned once this returns OK; after an error nothing has changed.
    //
    // Errors: FailedPrecondition (not started; types without a valid certificate, all named), and as in Start.
    absl::Status Finish(const crypto::Secret& password, absl::Time deadline);

    // Erases everything and releases the tokens. While the platform program hasn't succeeded an error changes nothing;
    // after that the erasure is finished by calling again, or at the next start.
    //
    // Errors: FailedPrecondition (nothing to deprovision), and as in Start.
    absl::Status Deprovision(const crypto::Secret& password, absl::Time deadline);

    // Finishes a deprovisioning that was cut off. OK, too, when there was none.
    absl::Status Resume(absl::Time deadline);

    // Whether keys may be made and certificates applied now: FailedPrecondition before StartProvisioning and while a
    // deprovisioning is not finished. May run beside CreateKey and ApplyCert.
    absl::Status CheckEnrolling() const;

 private:
    // From the first change to the last.
    absl::Status TakeNode(const crypto::Secret& password, absl::Time deadline);
    // Best effort.
    void AbandonStart(const crypto::Secret& password);
    absl::Status CheckDeprovisionPassword(const crypto::Secret& password);
    // Up to the point of no return.
    absl::Status BeginDeprovision(const crypto::Secret& password, absl::Time deadline);
    absl::Status Erase();
    absl::Status RunHook(Hook hook, const crypto::Secret& password, absl::Time deadline);

    const Parts parts_;
};

}  // namespace provhub::provisioning

#endif  // PROVHUB_COMMON_PROVISIONING_PROVISION_MANAGER_H_
