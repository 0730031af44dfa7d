#include "tools/provctl/user_key.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/pkcs11_uri.h"
#include "common/crypto/private_key.h"
#include "common/crypto/random.h"
#include "common/hsm/pin_file.h"
#include "common/hsm/pkcs11_hsm.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "tools/provctl/pem_key.h"
#include "tools/provctl/state_directory.h"

namespace provhub::provctl {
namespace {

constexpr std::size_t kMaxPemBytes = std::size_t{64} * 1024;
constexpr std::size_t kIdBytes = 16;

struct TokenKey {
    std::unique_ptr<hsm::Hsm> hsm;
    crypto::Pkcs11Uri uri;
};

// Logged in.
absl::StatusOr<TokenKey> OpenTokenOf(absl::string_view name) {
    TokenKey key;
    ASSIGN_OR_RETURN(key.uri, crypto::ParsePkcs11Uri(name));
    if (key.uri.token.empty() || key.uri.pin_source.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, ": name the token and the file with its user PIN: pkcs11:token=LABEL;object=KEY?",
                         "pin-source=FILE"));
    }
    if (key.uri.module_path.empty()) {
        key.uri.module_path = kDefaultModule;
    }
    ASSIGN_OR_RETURN(const crypto::Secret pin, hsm::ReadPinFile(key.uri.pin_source));
    ASSIGN_OR_RETURN(const std::string state, StateDirectory());
    const hsm::TokenSelector selector{
        .library = key.uri.module_path, .label = key.uri.token, .slot_id = std::nullopt, .slot_index = std::nullopt};
    ASSIGN_OR_RETURN(key.hsm, hsm::CreatePkcs11Hsm(selector, absl::StrCat(state, "/tokens")));
    RETURN_IF_ERROR(key.hsm->Open(pin));
    return key;
}

// The private keys that the URI fits.
absl::StatusOr<std::vector<hsm::StoredObject>> FindKeys(const TokenKey& key) {
    ASSIGN_OR_RETURN(std::vector<hsm::StoredObject> objects, key.hsm->List());
    std::erase_if(objects, [&](const hsm::StoredObject& object) {
        return !object.has_private_key || object.id.empty() || (!key.uri.id.empty() && object.id != key.uri.id) ||
               (!key.uri.object.empty() && object.label != key.uri.object);
    });
    return objects;
}

absl::Status CheckUnused(const std::string& path) {
    struct stat unused;
    return ::lstat(path.c_str(), &unused) == 0 ? absl::AlreadyExistsError(absl::StrCat(path, " exists already"))
                                               : absl::OkStatus();
}

}  // namespace

bool IsTokenKey(absl::string_view name) {
    return absl::StartsWithIgnoreCase(name, "pkcs11:");
}

absl::StatusOr<std::unique_ptr<UserKey>> UserKey::OfToken(std::unique_ptr<hsm::Hsm> hsm, crypto::Pkcs11Uri uri) {
    std::unique_ptr<UserKey> key(new UserKey(crypto::FormatPkcs11Uri(uri)));
    key->hsm_ = std::move(hsm);
    key->id_ = std::move(uri.id);
    ASSIGN_OR_RETURN(auto registration, hsm::RegisterWithEngine(*key->hsm_));
    key->registration_.emplace(std::move(registration));
    return key;
}

absl::StatusOr<std::unique_ptr<UserKey>> UserKey::Open(const std::string& name) {
    if (!IsTokenKey(name)) {
        RETURN_IF_ERROR(ReadPemKey(name).status());
        return std::unique_ptr<UserKey>(new UserKey(name));
    }
    ASSIGN_OR_RETURN(TokenKey found, OpenTokenOf(name));
    ASSIGN_OR_RETURN(const auto keys, FindKeys(found));
    if (keys.size() != 1) {
        return keys.empty() ? absl::NotFoundError(absl::StrCat(name, ": the token has no such private key"))
                            : absl::FailedPreconditionError(absl::StrCat(
                                  name, ": ", keys.size(), " private keys of the token fit, name one by its id"));
    }
    found.uri.id = keys.front().id;
    found.uri.object = keys.front().label;
    return OfToken(std::move(found.hsm), std::move(found.uri));
}

absl::StatusOr<std::unique_ptr<UserKey>> UserKey::Generate(const std::string& name, crypto::KeyAlgorithm algorithm) {
    if (!IsTokenKey(name)) {
        RETURN_IF_ERROR(CheckUnused(name));
        ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, crypto::GenerateKey(algorithm));
        RETURN_IF_ERROR(WritePemKey(name, key.get()));
        return std::unique_ptr<UserKey>(new UserKey(name));
    }
    ASSIGN_OR_RETURN(TokenKey made, OpenTokenOf(name));
    if (made.uri.object.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(name, ": name the new key with object="));
    }
    if (!made.uri.id.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(name, ": the id of the new key is chosen here, leave id= away"));
    }
    ASSIGN_OR_RETURN(const auto keys, FindKeys(made));
    if (!keys.empty()) {
        return absl::AlreadyExistsError(absl::StrCat(name, ": the token has such a private key already"));
    }
    made.uri.id = crypto::RandomBytes(kIdBytes);
    if (absl::Status status = made.hsm->GenerateKeyPair(made.uri.id, made.uri.object, algorithm); !status.ok()) {
        // Half a pair is of no use to anybody. The first error is the one to tell.
        static_cast<void>(made.hsm->Destroy(made.uri.id));
        return status;
    }
    return OfToken(std::move(made.hsm), std::move(made.uri));
}

absl::StatusOr<std::string> UserKey::ForTls() const {
    return hsm_ == nullptr ? runtime::ReadSmallFile(name_, kMaxPemBytes) : hsm::EngineKey(name_);
}

absl::StatusOr<crypto::EvpPkeyPtr> UserKey::Load() const {
    return hsm_ == nullptr ? ReadPemKey(name_) : hsm_->LoadKey(id_);
}

}  // namespace provhub::provctl
