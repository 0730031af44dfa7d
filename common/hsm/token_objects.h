// What this product keeps in a token: key pairs and certificates, as PKCS #11 objects.
#ifndef PROVHUB_COMMON_HSM_TOKEN_OBJECTS_H_
#define PROVHUB_COMMON_HSM_TOKEN_OBJECTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/key_algorithm.h"
#include "common/crypto/openssl.h"
#include "common/hsm/hsm.h"
#include "common/hsm/pkcs11_session.h"
#include "common/hsm/token_key.h"

namespace provhub::hsm {

// Each does what the Hsm's method of that name says, in a session in which the user is logged in, durability aside.
// `token` is for messages.
class TokenObjects {
 public:
    TokenObjects(const Pkcs11Session& session, absl::string_view token) : session_(session), token_(token) {}

    absl::Status GenerateKeyPair(const ObjectId& id, absl::string_view label, crypto::KeyAlgorithm algorithm) const;
    absl::Status StoreCertificate(const ObjectId& id, absl::string_view label, absl::string_view der,
                                  bool authority) const;
    absl::StatusOr<std::string> ReadCertificate(const ObjectId& id) const;
    absl::Status Destroy(const ObjectId& id) const;
    absl::Status DestroyUnnamed() const;
    absl::Status DestroyCertificate(const ObjectId& id) const;
    absl::Status DestroyAll() const;
    absl::StatusOr<std::vector<StoredObject>> List() const;

    // The object with this id. NotFound: none.
    absl::StatusOr<CK_OBJECT_HANDLE> Find(const ObjectId& id, CK_OBJECT_CLASS object_class) const;
    // The public half of the pair, whose private half is there as well.
    absl::StatusOr<crypto::EvpPkeyPtr> PublicKey(const ObjectId& id) const;
    absl::StatusOr<std::string> Sign(SignScheme scheme, CK_OBJECT_HANDLE key, absl::string_view data) const;

 private:
    absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> FindAll() const;
    absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> FindById(const ObjectId& id) const;
    absl::StatusOr<StoredObject> Describe(CK_OBJECT_HANDLE object) const;
    absl::StatusOr<bool> IsReadable(CK_OBJECT_HANDLE object, CK_OBJECT_CLASS object_class) const;
    absl::Status CheckId(const ObjectId& id) const;
    absl::StatusOr<crypto::EvpPkeyPtr> RsaPublicKey(CK_OBJECT_HANDLE object) const;
    absl::StatusOr<crypto::EvpPkeyPtr> EcPublicKey(CK_OBJECT_HANDLE object) const;
    absl::Status Error(absl::StatusCode code, absl::string_view what) const;

    const Pkcs11Session& session_;
    const absl::string_view token_;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_TOKEN_OBJECTS_H_
