#include "common/cert/stored_chain.h"

#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"

namespace provhub::cert {
namespace {

constexpr runtime::Log kLog("cert");

using Digest = int (*)(const X509*, const EVP_MD*, unsigned char*, unsigned int*);

absl::StatusOr<hsm::ObjectId> DigestId(const crypto::Certificate& certificate, Digest digest) {
    std::array<unsigned char, SHA_DIGEST_LENGTH> bytes;
    unsigned int size = bytes.size();
    if (digest(certificate.get(), EVP_sha1(), bytes.data(), &size) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "digest of a certificate");
    }
    return hsm::ObjectId(reinterpret_cast<const char*>(bytes.data()), size);
}

}  // namespace

StoredChain::~StoredChain() {
    for (const hsm::ObjectId& id : added_) {
        absl::Status status = token_.hsm->Destroy(id);
        if (status.ok()) {
            status = store_.Remove(token_.name, id);
        }
        if (!status.ok()) {
            kLog.Warning(absl::StrCat("an unused intermediate certificate stays on token '", token_.name,
                                      "' until the next start: ", status.message()));
        }
    }
}

absl::Status StoredChain::AddAuthorities(const std::vector<crypto::Certificate>& intermediates) {
    for (const crypto::Certificate& certificate : intermediates) {
        RETURN_IF_ERROR(AddAuthority(certificate));
    }
    return absl::OkStatus();
}

absl::Status StoredChain::AddAuthority(const crypto::Certificate& certificate) {
    ASSIGN_OR_RETURN(hsm::ObjectId id, DigestId(certificate, &X509_pubkey_digest));
    ASSIGN_OR_RETURN(bool stored, StoreAuthority(id, certificate));
    if (!stored) {
        ASSIGN_OR_RETURN(id, DigestId(certificate, &X509_digest));
        ASSIGN_OR_RETURN(stored, StoreAuthority(id, certificate));
    }
    if (!stored) {
        return absl::AlreadyExistsError(absl::StrCat("token '", token_.name, "' has an object with the ID of ",
                                                     certificate.Subject(), " that is no such certificate"));
    }
    authorities_.push_back(std::move(id));
    return absl::OkStatus();
}

absl::StatusOr<bool> StoredChain::StoreAuthority(const hsm::ObjectId& id, const crypto::Certificate& certificate) {
    const auto present = token_.hsm->ReadCertificate(id);
    if (present.ok() && *present != certificate.Der()) {
        return false;
    }
    if (!present.ok() && !absl::IsNotFound(present.status())) {
        return present.status();
    }
    const absl::Status recorded = store_.Add(
        {.id = id, .token = token_.name, .type = "", .state = KeyState::kAuthority, .created = now_, .public_key = ""});
    if (absl::IsAlreadyExists(recorded)) {
        return false;
    }
    RETURN_IF_ERROR(recorded);
    if (present.ok()) {
        return true;
    }
    added_.push_back(id);
    RETURN_IF_ERROR(token_.hsm->StoreCertificate(id, certificate.Subject(), certificate.Der(), true));
    return true;
}

absl::Status StoredChain::AddLeaf(const hsm::ObjectId& id, absl::string_view label, const crypto::Certificate& leaf) {
    const absl::Status status = token_.hsm->StoreCertificate(id, label, leaf.Der(), false);
    if (!absl::IsAlreadyExists(status)) {
        return status;
    }
    ASSIGN_OR_RETURN(const std::string present, token_.hsm->ReadCertificate(id));
    if (present != leaf.Der()) {
        return absl::FailedPreconditionError(absl::StrCat("token '", token_.name,
                                                          "': the key has another certificate from an attempt that was "
                                                          "cut off: call CreateKey again"));
    }
    return absl::OkStatus();
}

}  // namespace provhub::cert
