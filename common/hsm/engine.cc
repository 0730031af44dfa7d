// gRPC 1.51 knows token keys as keys of an engine only, which OpenSSL 3 has deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "common/hsm/engine.h"

#include <openssl/engine.h>
#include <openssl/err.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto/pkcs11_uri.h"
#include "common/hsm/turnstile.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

constexpr char kEngineId[] = "hsm";
constexpr char kEngineName[] = "keys of this process's PKCS #11 tokens";

using EnginePtr = std::unique_ptr<ENGINE, crypto::Deleter<ENGINE_free>>;

// The tokens that keys are loaded from. Those who load are inside together, changes are made alone.
struct Registry {
    Turnstile turnstile;
    std::vector<Hsm*> tokens;

    static Registry& Instance() {
        static auto* const registry = new Registry();
        return *registry;
    }
};

absl::StatusOr<crypto::EvpPkeyPtr> LoadKey(absl::string_view text) {
    ASSIGN_OR_RETURN(const crypto::Pkcs11Uri uri, crypto::ParsePkcs11Uri(text));
    if (uri.token.empty() || uri.id.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(text, " does not name a key by token and id"));
    }
    Registry& registry = Registry::Instance();
    const Turnstile::Together turn(registry.turnstile);
    absl::Status status = absl::NotFoundError(absl::StrCat("no token '", uri.token, "' is in use by this process"));
    for (Hsm* hsm : registry.tokens) {
        const auto state = hsm->State();
        if (!state.ok() || state->label != uri.token) {
            continue;
        }
        auto key = hsm->LoadKey(uri.id);
        if (key.ok()) {
            return key;
        }
        status = key.status();
    }
    return status;
}

EVP_PKEY* LoadPrivateKey(ENGINE*, const char* key_id, UI_METHOD*, void*) {
    auto key = LoadKey(key_id);
    if (!key.ok()) {
        ERR_raise_data(ERR_LIB_ENGINE, ENGINE_R_FAILED_LOADING_PRIVATE_KEY, "%s",
                       std::string(key.status().message()).c_str());
        return nullptr;
    }
    return key->release();
}

absl::StatusOr<ENGINE*> AddEngine() {
    EnginePtr engine(ENGINE_new());
    if (engine == nullptr || ENGINE_set_id(engine.get(), kEngineId) != 1 ||
        ENGINE_set_name(engine.get(), kEngineName) != 1 ||
        ENGINE_set_load_privkey_function(engine.get(), LoadPrivateKey) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "the engine for token keys can't be made");
    }
    if (ENGINE_add(engine.get()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kAlreadyExists, "the engine for token keys can't be added");
    }
    return engine.release();
}

}  // namespace

std::string EngineKey(absl::string_view pkcs11_uri) {
    return absl::StrCat("engine:", kEngineId, ":", pkcs11_uri);
}

absl::StatusOr<EngineRegistration> RegisterWithEngine(Hsm& hsm) {
    // Kept for the life of the process: gRPC never gives back what it takes of an engine.
    static const auto* const engine = new absl::StatusOr<ENGINE*>(AddEngine());
    RETURN_IF_ERROR(engine->status());
    Registry& registry = Registry::Instance();
    const Turnstile::Alone turn(registry.turnstile);
    registry.tokens.push_back(&hsm);
    return EngineRegistration(&hsm);
}

EngineRegistration::~EngineRegistration() {
    if (hsm_ == nullptr) {
        return;
    }
    Registry& registry = Registry::Instance();
    const Turnstile::Alone turn(registry.turnstile);
    std::erase(registry.tokens, hsm_);
}

}  // namespace provhub::hsm
