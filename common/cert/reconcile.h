// Brings a token and the manifest together after a kill.
#ifndef PROVHUB_COMMON_CERT_RECONCILE_H_
#define PROVHUB_COMMON_CERT_RECONCILE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/cert/cert_store.h"
#include "common/cert/token.h"

namespace provhub::cert {

struct LostIdentity {
    std::string type;
    hsm::ObjectId id;
    absl::Status reason;
};

// For an open token that this node has taken ownership of. Destroys what a kill left half made: objects without a
// CKA_ID, halves of a key pair, objects that the manifest doesn't know, authorities that no chain needs, and pending
// keys that are older than CertModule::kPendingKeyLifetime. Drops the manifest's pending entries that have no key.
//
// What is in use is never destroyed, however damaged it looks: it is tested with a signature, unless its type is in
// `untested_types`, and returned when it fails.
//
// Errors: those of the token and the database. Blocks on both.
absl::StatusOr<std::vector<LostIdentity>> Reconcile(Token& token, CertStore& store,
                                                    const std::set<std::string>& untested_types, absl::Time now);

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_RECONCILE_H_
