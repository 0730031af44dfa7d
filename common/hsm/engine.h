// Token keys for code that takes a private key by name, as gRPC does.
#ifndef PROVHUB_COMMON_HSM_ENGINE_H_
#define PROVHUB_COMMON_HSM_ENGINE_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/hsm/hsm.h"

namespace provhub::hsm {

// Where gRPC takes a PEM private key it also takes this: the key with the pkcs11: URI (token and id, RFC 7512) of a
// token that is registered.
std::string EngineKey(absl::string_view pkcs11_uri);

// Lets the OpenSSL engine "hsm" of this process load keys from one token, until destroyed. Keys that were loaded stay
// usable after that, as long as the Hsm lives, which MUST outlive this.
class EngineRegistration {
 public:
    EngineRegistration(EngineRegistration&& other) noexcept : hsm_(std::exchange(other.hsm_, nullptr)) {}
    EngineRegistration& operator=(EngineRegistration&&) = delete;
    // Waits for keys that are being loaded.
    ~EngineRegistration();

 private:
    friend absl::StatusOr<EngineRegistration> RegisterWithEngine(Hsm& hsm);
    explicit EngineRegistration(Hsm* hsm) : hsm_(hsm) {}

    Hsm* hsm_;
};

// Makes the engine with the first registration. It has no methods of its own and changes no default of OpenSSL; a key
// signs by its own method table. AlreadyExists: this process has another engine of that name.
absl::StatusOr<EngineRegistration> RegisterWithEngine(Hsm& hsm);

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_ENGINE_H_
