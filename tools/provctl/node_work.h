// What provctl does with one node, step by step.
#ifndef PROVHUB_TOOLS_PROVCTL_NODE_WORK_H_
#define PROVHUB_TOOLS_PROVCTL_NODE_WORK_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/crypto/secret.h"
#include "iamanager/v6/iamanager.pb.h"
#include "tools/provctl/certificate_authority.h"
#include "tools/provctl/console.h"
#include "tools/provctl/unit_client.h"

namespace provhub::provctl {

enum class Outcome { kDone, kSkipped, kFailed };

struct NodeResult {
    std::string node_id;
    Outcome outcome = Outcome::kDone;
    // kSkipped: why.
    std::string note;
    // kFailed: the step, and what went wrong in it.
    std::string failed_step;
    absl::Status error;
    absl::Duration elapsed;
    // kDone of provision and renew: the certificates that the node took.
    std::vector<iamanager::v6::CertInfo> certificates;
};

struct EnrolmentOptions {
    // Common name; empty: the server's choice.
    std::string subject;
    // Deprovision first what is provisioned, or was started before.
    bool restart = false;
};

struct RenewalOptions {
    // Empty: all.
    std::vector<std::string> types;
    absl::Duration within;
    // Common name; empty: that of the certificate that is renewed.
    std::string subject;
};

// Each function does the steps in order, stops at the first that fails, and says of each step on the console how it
// went and how long it took.

// StartProvisioning, then for each certificate type CreateKey, the CA's signature and ApplyCert, then
// FinishProvisioning. Where the node was started before, it goes on with the enrolment; keys and certificates that it
// has are made anew.
NodeResult Provision(UnitClient& client, CertificateAuthority& ca, const crypto::Secret& password,
                     const EnrolmentOptions& options, const UnitNode& node, Console& console);

// Renews what expires soon: lists the certificates of the node, then for each type CreateKey, the CA's signature and
// ApplyCert. kSkipped when nothing is due.
NodeResult Renew(UnitClient& client, CertificateAuthority& ca, const crypto::Secret& password,
                 const RenewalOptions& options, const std::string& node_id, Console& console);

NodeResult Deprovision(UnitClient& client, const crypto::Secret& password, const std::string& node_id,
                       Console& console);

NodeResult Pause(UnitClient& client, const std::string& node_id, Console& console);
NodeResult Resume(UnitClient& client, const std::string& node_id, Console& console);

// Runs `work` for every index below `count`, at most `parallel` at a time; returns when all is done.
void ForEachIndex(std::size_t count, int parallel, const std::function<void(std::size_t index)>& work);

// ForEachIndex, with the results in order.
std::vector<NodeResult> ForEachNode(std::size_t count, int parallel,
                                    const std::function<NodeResult(std::size_t index)>& work);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_NODE_WORK_H_
