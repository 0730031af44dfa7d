// The private key of whoever runs provctl.
#ifndef PROVHUB_TOOLS_PROVCTL_USER_KEY_H_
#define PROVHUB_TOOLS_PROVCTL_USER_KEY_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/key_algorithm.h"
#include "common/crypto/openssl.h"
#include "common/crypto/pkcs11_uri.h"
#include "common/hsm/engine.h"
#include "common/hsm/hsm.h"

namespace provhub::provctl {

// The PKCS #11 module of a token whose URI names none: SoftHSM's.
inline constexpr char kDefaultModule[] = "/usr/lib/softhsm/libsofthsm2.so";

// In a PEM file, or in a token that it never leaves.
//
// A token key is named by a pkcs11: URI (RFC 7512) with token, pin-source (a file that not everybody can read) and as
// much of object and id as tells it from the others; module-path is kDefaultModule where it is missing.
class UserKey {
 public:
    // Errors: InvalidArgument (the URI), NotFound, FailedPrecondition (several keys fit; no key in the file), those of
    // the token.
    static absl::StatusOr<std::unique_ptr<UserKey>> Open(const std::string& name);

    // Makes the key: in the file, or in the token, which has to be initialised, with the label `object` of the URI.
    // AlreadyExists: there is one; nothing is changed.
    static absl::StatusOr<std::unique_ptr<UserKey>> Generate(const std::string& name, crypto::KeyAlgorithm algorithm);

    // What gRPC takes for a private key, as long as this lives.
    absl::StatusOr<std::string> ForTls() const;

    absl::StatusOr<crypto::EvpPkeyPtr> Load() const;

    // The path, or the URI with the key's id.
    const std::string& name() const { return name_; }

 private:
    explicit UserKey(std::string name) : name_(std::move(name)) {}
    // Of a token that is logged in, with the id of the key in `uri`.
    static absl::StatusOr<std::unique_ptr<UserKey>> OfToken(std::unique_ptr<hsm::Hsm> hsm, crypto::Pkcs11Uri uri);

    const std::string name_;
    // Null for a file.
    std::unique_ptr<hsm::Hsm> hsm_;
    hsm::ObjectId id_;
    std::optional<hsm::EngineRegistration> registration_;
};

bool IsTokenKey(absl::string_view name);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_USER_KEY_H_
