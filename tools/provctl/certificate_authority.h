// Who signs the nodes' certificates.
#ifndef PROVHUB_TOOLS_PROVCTL_CERTIFICATE_AUTHORITY_H_
#define PROVHUB_TOOLS_PROVCTL_CERTIFICATE_AUTHORITY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/provctl/dev_ca.h"

namespace provhub::provctl {

struct SigningRequest {
    std::string node_id;
    std::string cert_type;
    // PEM.
    std::string csr;
};

// To be asked before anybody signs. The signature of the request must verify with its own key; and where it names a
// node (a URI with crypto::kNodeUriPrefix among its alternative names), that must be the node that was asked for it.
absl::Status CheckRequest(const SigningRequest& request);

// Thread-safe; may block.
class CertificateAuthority {
 public:
    virtual ~CertificateAuthority() = default;

    // The chain, PEM.
    virtual absl::StatusOr<std::string> Sign(const SigningRequest& request) = 0;
};

// Its chains end with the root, so that a node that has no trust anchor yet can take them, too.
std::unique_ptr<CertificateAuthority> CreateDevAuthority(DevCa ca);

// A shell command, run once for each request (see RunShellCommand), with PROVHUB_NODE and PROVHUB_CERT_TYPE.
std::unique_ptr<CertificateAuthority> CreateCommandAuthority(std::string command, absl::Duration limit);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_CERTIFICATE_AUTHORITY_H_
