// Puts a certificate and its chain on a token, or nothing of it.
#ifndef PROVHUB_COMMON_CERT_STORED_CHAIN_H_
#define PROVHUB_COMMON_CERT_STORED_CHAIN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/cert/cert_store.h"
#include "common/cert/token.h"
#include "common/crypto/certificate.h"

namespace provhub::cert {

// The certificates of one enrolment while they are written. What this object added is taken away again by its
// destructor, unless Keep was called; what was there before is never touched. A kill at any point leaves only what the
// next start removes. Blocks on the HSM and the disk.
class StoredChain {
 public:
    // All references MUST outlive this object. `token` MUST NOT have another StoredChain meanwhile.
    StoredChain(Token& token, CertStore& store, absl::Time now) : token_(token), store_(store), now_(now) {}
    StoredChain(const StoredChain&) = delete;
    StoredChain& operator=(const StoredChain&) = delete;
    ~StoredChain();

    // Every intermediate under an ID of its own, shared among the chains of the token: the SHA-1 of its
    // SubjectPublicKeyInfo, as authorities name their keys (RFC 5280 §4.2.1.2); that of the whole certificate where
    // another one of the same key is there already.
    absl::Status AddAuthorities(const std::vector<crypto::Certificate>& intermediates);

    // Under the ID of its key. OK, too, when exactly this certificate is there, left by an attempt that was cut off.
    absl::Status AddLeaf(const hsm::ObjectId& id, absl::string_view label, const crypto::Certificate& leaf);

    // The IDs of the intermediates, for CertStore::Activate.
    const std::vector<hsm::ObjectId>& authorities() const { return authorities_; }

    void Keep() { added_.clear(); }

 private:
    absl::Status AddAuthority(const crypto::Certificate& certificate);
    // False when another certificate has that ID.
    absl::StatusOr<bool> StoreAuthority(const hsm::ObjectId& id, const crypto::Certificate& certificate);

    Token& token_;
    CertStore& store_;
    const absl::Time now_;
    std::vector<hsm::ObjectId> authorities_;
    // Those of authorities_ that were not on the token before.
    std::vector<hsm::ObjectId> added_;
};

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_STORED_CHAIN_H_
