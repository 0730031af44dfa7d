#include "common/provisioning/provision_manager.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::provisioning {
namespace {

using node::NodeState;
using node::Phase;

constexpr runtime::Log kLog("provisioning");

bool IsLeaving(Phase phase) {
    return phase == Phase::kDeprovisioning || phase == Phase::kErasing;
}

absl::Status NotFinished() {
    return absl::FailedPreconditionError("a deprovisioning has not finished: call Deprovision again");
}

// For steps that are taken after something else has failed.
void Try(const absl::Status& status, absl::string_view doing) {
    if (!status.ok()) {
        kLog.Error(absl::StrCat(doing, ": ", status.message()));
    }
}

}  // namespace

absl::Status ProvisionManager::Start(const crypto::Secret& password, absl::Time deadline) {
    RETURN_IF_ERROR(PasswordGate::CheckLength(password));
    if (parts_.node.state() != NodeState::kUnprovisioned) {
        return absl::FailedPreconditionError(
            absl::StrCat("the node is ", node::ToString(parts_.node.state()), " already: Deprovision it first"));
    }
    if (IsLeaving(parts_.node.phase())) {
        return NotFinished();
    }
    if (parts_.node.phase() == Phase::kStarted) {
        return absl::FailedPreconditionError(
            "provisioning has started already: continue with CreateKey, or Deprovision to begin again");
    }
    RETURN_IF_ERROR(
        parts_.password_gate.VerifyWith(password, [&] { return parts_.ownership.CheckTakeable(password); }));
    RETURN_IF_ERROR(status::Annotate(RunHook(Hook::kStartProvisioning, password, deadline), "start on the platform"));
    RETURN_IF_ERROR(parts_.node.Move(NodeState::kUnprovisioned, Phase::kStarting));
    const absl::Status status = TakeNode(password, deadline);
    if (!status.ok()) {
        AbandonStart(password);
        return status;
    }
    parts_.ownership.ForgetReleasePin();
    parts_.node.SetError(absl::OkStatus());
    return absl::OkStatus();
}

absl::Status ProvisionManager::TakeNode(const crypto::Secret& password, absl::Time deadline) {
    RETURN_IF_ERROR(status::Annotate(parts_.certificates.Forget(), "clear the certificate types"));
    RETURN_IF_ERROR(parts_.ownership.Take(password));
    RETURN_IF_ERROR(status::Annotate(parts_.password_gate.Set(password), "record the password"));
    RETURN_IF_ERROR(status::Annotate(parts_.certificates.MakeSelfSigned(parts_.common_name()),
                                     "make the self-signed certificates"));
    RETURN_IF_ERROR(status::Annotate(RunHook(Hook::kDiskEncryption, password, deadline), "encrypt the disk"));
    return parts_.node.Move(NodeState::kUnprovisioned, Phase::kStarted);
}

void ProvisionManager::AbandonStart(const crypto::Secret& password) {
    Try(parts_.ownership.Release(password), "after a failed StartProvisioning");
    Try(parts_.ownership.Erase(), "after a failed StartProvisioning");
    Try(parts_.certificates.Forget(), "after a failed StartProvisioning");
    Try(parts_.password_gate.Remove(), "after a failed StartProvisioning");
    Try(parts_.node.Move(NodeState::kUnprovisioned, Phase::kNone), "after a failed StartProvisioning");
}

absl::Status ProvisionManager::Finish(const crypto::Secret& password, absl::Time deadline) {
    RETURN_IF_ERROR(PasswordGate::CheckLength(password));
    if (parts_.node.state() != NodeState::kUnprovisioned) {
        return absl::FailedPreconditionError(
            absl::StrCat("the node is ", node::ToString(parts_.node.state()), " already"));
    }
    RETURN_IF_ERROR(CheckEnrolling());
    RETURN_IF_ERROR(parts_.password_gate.Verify(password));
    const auto missing = parts_.certificates.TypesWithoutValidCertificate();
    if (!missing.empty()) {
        return absl::FailedPreconditionError(absl::StrCat("no valid certificate of type ", absl::StrJoin(missing, ", "),
                                                          ": call CreateKey and ApplyCert first"));
    }
    RETURN_IF_ERROR(status::Annotate(RunHook(Hook::kFinishProvisioning, password, deadline), "finish on the platform"));
    RETURN_IF_ERROR(parts_.node.Move(NodeState::kProvisioned, Phase::kNone));
    Try(parts_.certificates.RemovePendingKeys(), "keys without a certificate stay until they are too old");
    return absl::OkStatus();
}

absl::Status ProvisionManager::Deprovision(const crypto::Secret& password, absl::Time deadline) {
    RETURN_IF_ERROR(PasswordGate::CheckLength(password));
    if (parts_.node.state() == NodeState::kUnprovisioned && parts_.node.phase() == Phase::kNone) {
        return absl::FailedPreconditionError("nothing to deprovision: the node is unprovisioned");
    }
    RETURN_IF_ERROR(CheckDeprovisionPassword(password));
    if (parts_.node.phase() != Phase::kErasing) {
        RETURN_IF_ERROR(BeginDeprovision(password, deadline));
    }
    return Erase();
}

absl::Status ProvisionManager::BeginDeprovision(const crypto::Secret& password, absl::Time deadline) {
    const NodeState state = parts_.node.state();
    const Phase phase = parts_.node.phase();
    absl::Status status = parts_.ownership.Release(password);
    if (status.ok()) {
        status = parts_.node.Move(state, Phase::kDeprovisioning);
    }
    if (status.ok()) {
        status = status::Annotate(RunHook(Hook::kDeprovision, password, deadline), "deprovision on the platform");
    }
    if (status.ok()) {
        return parts_.node.Move(state, Phase::kErasing);
    }
    if (!IsLeaving(phase)) {
        Try(parts_.node.Move(state, phase), "after a failed Deprovision");
        Try(parts_.ownership.TakeBack(password), "after a failed Deprovision");
    }
    return status;
}

absl::Status ProvisionManager::Resume(absl::Time deadline) {
    const Phase phase = parts_.node.phase();
    if (!IsLeaving(phase)) {
        return absl::OkStatus();
    }
    kLog.Notice("finishing a deprovisioning that was cut off");
    if (phase == Phase::kDeprovisioning) {
        Try(RunHook(Hook::kDeprovision, crypto::Secret(), deadline), "the deprovisioning goes on");
        RETURN_IF_ERROR(parts_.node.Move(parts_.node.state(), Phase::kErasing));
    }
    return Erase();
}

absl::Status ProvisionManager::CheckEnrolling() const {
    const NodeState state = parts_.node.state();
    const Phase phase = parts_.node.phase();
    if (IsLeaving(phase)) {
        return NotFinished();
    }
    if (state == NodeState::kUnprovisioned && phase != Phase::kStarted) {
        return absl::FailedPreconditionError(phase == Phase::kStarting
                                                 ? "StartProvisioning was cut off: call it again"
                                                 : "provisioning has not started: call StartProvisioning first");
    }
    return absl::OkStatus();
}

absl::Status ProvisionManager::CheckDeprovisionPassword(const crypto::Secret& password) {
    if (parts_.password_gate.HasVerifier()) {
        const absl::Status status = parts_.password_gate.Verify(password);
        // A damaged verifier must not make the node impossible to deprovision.
        if (!absl::IsFailedPrecondition(status)) {
            return status;
        }
    }
    if (parts_.node.phase() == Phase::kErasing) {
        return absl::OkStatus();
    }
    return parts_.password_gate.VerifyWith(password, [&] { return parts_.ownership.CheckTakeable(password); });
}

absl::Status ProvisionManager::Erase() {
    RETURN_IF_ERROR(parts_.ownership.Erase());
    RETURN_IF_ERROR(parts_.certificates.Forget());
    RETURN_IF_ERROR(parts_.password_gate.Remove());
    RETURN_IF_ERROR(parts_.node.Move(NodeState::kUnprovisioned, Phase::kNone));
    parts_.node.SetError(absl::OkStatus());
    return absl::OkStatus();
}

absl::Status ProvisionManager::RunHook(Hook hook, const crypto::Secret& password, absl::Time deadline) {
    return parts_.hooks.Run(hook, password, deadline - parts_.clock.Now());
}

}  // namespace provhub::provisioning
