// A stored certificate and its key, as TLS takes them.
#ifndef PROVHUB_COMMON_CERT_LOAD_IDENTITY_H_
#define PROVHUB_COMMON_CERT_LOAD_IDENTITY_H_

#include <vector>

#include "absl/status/statusor.h"
#include "common/cert/cert_record.h"
#include "common/hsm/hsm.h"
#include "common/tls/identity.h"

namespace provhub::cert {

// Reads the leaf of `record` and those of `authorities` that it needs, and has its key prove itself. Blocks on the HSM.
//
// Errors: those of ProvePossession and the token.
absl::StatusOr<tls::Identity> LoadIdentity(hsm::Hsm& hsm, const CertRecord& record,
                                           const std::vector<hsm::ObjectId>& authorities);

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_LOAD_IDENTITY_H_
