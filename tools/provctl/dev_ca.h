// A certificate authority in a directory, for development and demonstrations: root and intermediate, P-384, with their
// private keys in plain files.
#ifndef PROVHUB_TOOLS_PROVCTL_DEV_CA_H_
#define PROVHUB_TOOLS_PROVCTL_DEV_CA_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/certificate.h"
#include "common/crypto/openssl.h"

namespace provhub::provctl {

// The directory holds root.pem (the trust anchor: what the nodes' `caCert` names), root.key, intermediate.pem,
// intermediate.key and chain.pem (intermediate, then root). Keys have mode 0600.
class DevCa {
 public:
    // Makes the directory where it is missing, and a new CA in it: root valid for ten years, intermediate for five.
    //
    // Errors: AlreadyExists (a file of a CA is there: nothing is changed), or the disk's. After an error of the disk
    // the directory may hold part of a CA, which Open refuses.
    static absl::Status Create(const std::string& directory, absl::Time now);

    // Errors: NotFound or PermissionDenied (the files), FailedPrecondition (they don't belong together, or have
    // expired).
    static absl::StatusOr<DevCa> Open(const std::string& directory, absl::Time now);

    // A leaf valid for one year (or as long as the intermediate) and the intermediate, PEM. Thread-safe.
    //
    // Errors: InvalidArgument (the request; see IssueLeaf).
    absl::StatusOr<std::string> Sign(absl::string_view csr_pem, absl::Time now) const;

    const crypto::Certificate& root() const { return root_; }

 private:
    DevCa(crypto::Certificate root, crypto::Certificate intermediate, crypto::EvpPkeyPtr key);

    crypto::Certificate root_;
    crypto::Certificate intermediate_;
    crypto::EvpPkeyPtr key_;
};

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_DEV_CA_H_
