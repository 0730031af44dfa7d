// One certificate type of this node.
#ifndef PROVHUB_COMMON_CERT_CERT_MODULE_H_
#define PROVHUB_COMMON_CERT_CERT_MODULE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/cert/cert_record.h"
#include "common/cert/cert_store.h"
#include "common/cert/token.h"
#include "common/crypto/certificate.h"
#include "common/crypto/csr.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::cert {

// Makes keys and puts certificates into use, all on one token. Blocks on the HSM and the disk. The calls for one type
// MUST take turns; ApplyCert, moreover, with the ApplyCert of the other types on its token.
//
// Errors are those of the token (Hsm) and the database (CertStore) besides the ones named.
class CertModule {
 public:
    // How many keys wait for a certificate at most, and how long.
    static constexpr int kMaxPendingKeys = 16;
    static constexpr absl::Duration kPendingKeyLifetime = absl::Hours(24);

    // Told of a new certificate when it is in use and before an older one is removed, so that whoever serves with the
    // older one can change over first.
    using InUse = std::function<void(const CertRecord& record)>;

    // `token` and `store` MUST outlive this object.
    CertModule(config::v1::CertModule config, Token& token, CertStore& store);

    const std::string& type() const { return config_.id(); }
    bool self_signed() const { return config_.self_signed(); }
    bool skip_validation() const { return config_.skip_validation(); }
    Token& token() const { return token_; }

    // A new key pair in the token, which waits for its certificate, and the CSR for it, PEM. The keys that are in use
    // stay in use. After an error the key is gone again. Of more than kMaxPendingKeys waiting keys the oldest is
    // removed, and every one that is older than kPendingKeyLifetime.
    //
    // Errors: InvalidArgument (common name).
    absl::StatusOr<std::string> CreateKey(absl::string_view common_name, absl::Time now);

    // Puts the certificate of a waiting key into use. `pem` has the chain in any order. It is verified up to `anchors`.
    // Only when the new certificate is safely stored and its key has proven itself is the oldest over maxItems removed;
    // after an error everything is as it was, and the key goes on waiting.
    //
    // Errors: FailedPrecondition (no key waits for a certificate; a certificate has expired), AlreadyExists (it is in
    // use already), InvalidArgument (unreadable PEM, another key's certificate, a chain that doesn't verify).
    absl::StatusOr<CertRecord> ApplyCert(const std::vector<crypto::Certificate>& certificates,
                                         const std::vector<crypto::Certificate>& anchors, absl::Time now,
                                         const InUse& in_use);

    // A new key pair with a certificate that it signs itself, in use at once.
    absl::StatusOr<CertRecord> MakeSelfSigned(absl::string_view common_name, absl::Time now, const InUse& in_use);

    // Removes every key that waits for a certificate.
    absl::Status RemovePendingKeys();

 private:
    absl::StatusOr<crypto::CertificateRequest> Request(absl::string_view common_name) const;
    // In the order in which they were made.
    absl::StatusOr<std::vector<ManifestEntry>> Keys(KeyState state);
    // Why none of `pending` fits.
    absl::Status NoMatch(const std::vector<ManifestEntry>& pending,
                         const std::vector<crypto::Certificate>& certificates);
    absl::StatusOr<hsm::ObjectId> GenerateKey(absl::Time now);
    absl::Status RemoveKey(const hsm::ObjectId& id);
    // RemoveKey for what a failed call leaves: the next start removes what can't be removed now.
    void DiscardKey(const hsm::ObjectId& id);
    absl::Status RemoveExpiredKeys(absl::Time now);
    void TrimPendingKeys();
    absl::StatusOr<CertRecord> Activate(const hsm::ObjectId& id, const crypto::Chain& chain, absl::Time now);
    absl::StatusOr<CertRecord> Describe(const hsm::ObjectId& id, const crypto::Certificate& leaf);
    void TrimCertificates();
    void RemoveUnusedAuthorities();
    void WarnOfMissingUsage(const crypto::Certificate& leaf) const;

    const config::v1::CertModule config_;
    Token& token_;
    CertStore& store_;
};

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_CERT_MODULE_H_
