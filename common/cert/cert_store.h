// The database of this node's keys and certificates.
#ifndef PROVHUB_COMMON_CERT_CERT_STORE_H_
#define PROVHUB_COMMON_CERT_CERT_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/cert/cert_record.h"
#include "common/hsm/hsm.h"

namespace provhub::cert {

enum class KeyState {
    // Made, or about to be made, and without a certificate in use.
    kPending,
    // In use with its certificate.
    kActive,
    // No key: the certificate of an authority, stored for the chains of the active ones.
    kAuthority,
};

// One row of the manifest: something that this node put on a token, or was about to.
struct ManifestEntry {
    hsm::ObjectId id;
    // Token::name.
    std::string token;
    // Certificate type; empty for an authority.
    std::string type;
    KeyState state = KeyState::kPending;
    absl::Time created;
    // DER of the SubjectPublicKeyInfo; empty until the key pair is known to be whole.
    std::string public_key;
};

struct StoredCertificate {
    // Token::name.
    std::string token;
    CertRecord record;
};

// The manifest says what this node put on its tokens, so that a start after a kill can tell what is half made from what
// is in use, and what is ours from what is not. Thread-safe. Every change is one transaction, on the disk when the call
// returns OK and undone when it doesn't. Blocks on the disk.
//
// Errors: DataLoss (the database is damaged), ResourceExhausted (disk full), Internal, each naming the file.
class CertStore {
 public:
    // Makes the database where there is none, mode 0600, directory present. One that is damaged (DataLoss) or was
    // written by a newer program (FailedPrecondition) is left as it is.
    static absl::StatusOr<std::unique_ptr<CertStore>> Open(const std::string& path);
    virtual ~CertStore() = default;

    // ---- Manifest --------------------------------------------------------------------------------------------------

    // OK, too, when an authority is in the manifest already. AlreadyExists for any other entry.
    virtual absl::Status Add(const ManifestEntry& entry) = 0;

    virtual absl::Status SetPublicKey(const std::string& token, const hsm::ObjectId& id,
                                      absl::string_view public_key) = 0;

    // With the certificate that belongs to it. OK when there is no such entry.
    virtual absl::Status Remove(const std::string& token, const hsm::ObjectId& id) = 0;

    // In the order in which they were added.
    virtual absl::StatusOr<std::vector<ManifestEntry>> Entries() = 0;

    // Authorities of `token` that no certificate in use needs.
    virtual absl::StatusOr<std::vector<hsm::ObjectId>> UnusedAuthorities(const std::string& token) = 0;

    // ---- Certificates ----------------------------------------------------------------------------------------------

    // The pending key `record.object_id` comes into use with its certificate, whose chain needs `authorities`.
    // FailedPrecondition when it is not pending.
    virtual absl::Status Activate(const std::string& token, const CertRecord& record,
                                  const std::vector<hsm::ObjectId>& authorities) = 0;

    // Oldest first.
    virtual absl::StatusOr<std::vector<StoredCertificate>> Certificates() = 0;

    // ---- Tokens ----------------------------------------------------------------------------------------------------

    // This node has taken ownership of the token.
    virtual absl::Status AddToken(const std::string& token, const std::string& serial) = 0;

    // Serial number by token, of those that this node has taken ownership of.
    virtual absl::StatusOr<std::map<std::string, std::string>> Tokens() = 0;

    // Forgets everything.
    virtual absl::Status Clear() = 0;
};

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_CERT_STORE_H_
