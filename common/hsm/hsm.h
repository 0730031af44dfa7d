// One token of a hardware security module.
#ifndef PROVHUB_COMMON_HSM_HSM_H_
#define PROVHUB_COMMON_HSM_HSM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/key_algorithm.h"
#include "common/crypto/openssl.h"
#include "common/crypto/secret.h"

namespace provhub::hsm {

// CKA_ID, raw bytes.
using ObjectId = std::string;

// Which token of which module: exactly one of label, slot_id and slot_index.
struct TokenSelector {
    // Path of the PKCS #11 module.
    std::string library;
    std::string label;
    std::optional<std::uint64_t> slot_id;
    std::optional<std::uint64_t> slot_index;

    auto operator<=>(const TokenSelector&) const = default;
};

struct TokenState {
    // CKF_TOKEN_INITIALIZED. False, too, where no token has the label but a slot is free to make one.
    bool initialised = false;
    // CKF_USER_PIN_INITIALIZED.
    bool user_pin_set = false;
    // CK_TOKEN_INFO, trailing blanks taken off; empty where not initialised.
    std::string label;
    std::string serial;
    std::string manufacturer;
    std::string model;
};

// What the token holds under one CKA_ID. Objects without a CKA_ID come one to an entry, with an empty id.
struct StoredObject {
    ObjectId id;
    std::string label;
    bool has_private_key = false;
    bool has_public_key = false;
    bool has_certificate = false;
    // An attribute that every object of its class has could not be read.
    bool unreadable = false;
};

// A token is in one of three conditions: not initialised, closed (initialised, nobody logged in), open (the user is
// logged in). Key and certificate calls need it open and otherwise return FailedPrecondition.
//
// All calls block on the device and none may run on a gRPC or timer thread, but signing with a loaded key may. All are
// thread-safe: key and certificate calls run side by side, each in a session of its own; the ownership calls wait for
// them to end, hold new ones back until they are done, and end every session of this process with the token.
//
// Errors name the token, the PKCS #11 function and its return value: "token 'aoscore': C_GenerateKeyPair:
// CKR_DEVICE_MEMORY". Codes: PermissionDenied (wrong PIN, PIN locked), NotFound (no such token or object),
// ResourceExhausted (token memory, sessions), InvalidArgument (PIN length), Unavailable (device gone), Internal.
class Hsm {
 public:
    virtual ~Hsm() = default;

    // For messages: the label, or "slot ID n", or "slot n".
    virtual std::string name() const = 0;

    virtual absl::StatusOr<TokenState> State() = 0;

    // ---- Ownership -------------------------------------------------------------------------------------------------

    // OK when `so_pin` is the security officer's PIN of the initialised token; changes nothing. The token is closed
    // meanwhile and opened again when it was open.
    virtual absl::Status VerifySoPin(const crypto::Secret& so_pin) = 0;

    // Makes the token empty, with `so_pin` and `user_pin` and the selector's label, and leaves it open. A token that is
    // initialised already must have `so_pin` (PKCS #11 v2.40 §5.5 C_InitToken); with a wrong one nothing is changed.
    // Where the module can't initialise a token twice, every object is destroyed and the user PIN set anew instead.
    virtual absl::Status Initialise(const crypto::Secret& so_pin, const crypto::Secret& user_pin) = 0;

    // Leaves the objects as they are.
    virtual absl::Status ChangeSoPin(const crypto::Secret& from, const crypto::Secret& to) = 0;

    // Logs the user in. OK, too, when open already.
    virtual absl::Status Open(const crypto::Secret& user_pin) = 0;

    virtual absl::Status Close() = 0;

    // ---- Keys and certificates -------------------------------------------------------------------------------------

    // Makes a key pair that never leaves the token: CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, not CKA_EXTRACTABLE, for
    // signing (RSA also for decryption, which disk encryption uses). Durable when this returns OK. AlreadyExists when
    // `id` is taken. After an error nothing, or half a pair, is stored under `id`; Destroy removes it.
    virtual absl::Status GenerateKeyPair(const ObjectId& id, absl::string_view label,
                                         crypto::KeyAlgorithm algorithm) = 0;

    // The key pair as OpenSSL sees it, signing in the token. The Hsm MUST outlive it. Signing fails while the token is
    // closed and works again once it is open.
    virtual absl::StatusOr<crypto::EvpPkeyPtr> LoadKey(const ObjectId& id) = 0;

    // Stores an X.509 certificate under `id`; `authority` says that it is not a leaf (CKA_CERTIFICATE_CATEGORY).
    // Durable when this returns OK; after an error nothing of it is stored. AlreadyExists when a certificate has that
    // `id`. Source: PKCS #11 v2.40 §4.6.3.
    virtual absl::Status StoreCertificate(const ObjectId& id, absl::string_view label, absl::string_view der,
                                          bool authority) = 0;

    // DER.
    virtual absl::StatusOr<std::string> ReadCertificate(const ObjectId& id) = 0;

    // Destroys every object with this CKA_ID; OK when there is none. Durable when this returns OK.
    virtual absl::Status Destroy(const ObjectId& id) = 0;

    // Everything on the token that the user can see.
    virtual absl::StatusOr<std::vector<StoredObject>> List() = 0;

    // Destroys what Destroy can't name: objects with an empty CKA_ID.
    virtual absl::Status DestroyUnnamed() = 0;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_HSM_H_
