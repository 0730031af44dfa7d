// OpenSSL 3 deprecates method tables in favour of providers, but only a key with a table of its own can be handed to
// code that knows nothing of it, without a change to the configuration of the process.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "common/hsm/token_key.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <utility>

namespace provhub::hsm {
namespace {

using crypto::Deleter;
using crypto::EvpPkeyPtr;
using RsaPtr = std::unique_ptr<RSA, Deleter<RSA_free>>;
using EcKeyPtr = std::unique_ptr<EC_KEY, Deleter<EC_KEY_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

// What OpenSSL keeps with the key, as its "ex data".
using SignerHolder = std::shared_ptr<TokenSigner>;

void FreeHolder(void*, void* holder, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<SignerHolder*>(holder);
}

int CopyHolder(CRYPTO_EX_DATA*, const CRYPTO_EX_DATA*, void** holder, int, long, void*) {
    if (*holder != nullptr) {
        *holder = new SignerHolder(*static_cast<SignerHolder*>(*holder));
    }
    return 1;
}

int RsaIndex() {
    static const int index = RSA_get_ex_new_index(0, nullptr, nullptr, CopyHolder, FreeHolder);
    return index;
}

int EcIndex() {
    static const int index = EC_KEY_get_ex_new_index(0, nullptr, nullptr, CopyHolder, FreeHolder);
    return index;
}

int RaiseError(int library, const char* message) {
    ERR_raise_data(library, ERR_R_OPERATION_FAIL, "%s", message);
    return -1;
}

int RsaPrivateEncrypt(int size, const unsigned char* from, unsigned char* to, RSA* rsa, int padding) {
    const auto* holder = static_cast<const SignerHolder*>(RSA_get_ex_data(rsa, RsaIndex()));
    if (holder == nullptr || (padding != RSA_PKCS1_PADDING && padding != RSA_NO_PADDING)) {
        return RaiseError(ERR_LIB_RSA, "the token does not sign with this padding");
    }
    const SignScheme scheme = padding == RSA_PKCS1_PADDING ? SignScheme::kRsaPkcs1 : SignScheme::kRsaRaw;
    const auto signature =
        (*holder)->Sign(scheme, absl::string_view(reinterpret_cast<const char*>(from), static_cast<std::size_t>(size)));
    if (!signature.ok()) {
        return RaiseError(ERR_LIB_RSA, std::string(signature.status().message()).c_str());
    }
    if (signature->size() != static_cast<std::size_t>(RSA_size(rsa))) {
        return RaiseError(ERR_LIB_RSA, "the token's signature has a wrong length");
    }
    std::copy(signature->begin(), signature->end(), to);
    return static_cast<int>(signature->size());
}

int RsaPrivateDecrypt(int, const unsigned char*, unsigned char*, RSA*, int) {
    return RaiseError(ERR_LIB_RSA, "this key only signs");
}

ECDSA_SIG* EcSign(const unsigned char* digest, int size, const BIGNUM*, const BIGNUM*, EC_KEY* key) {
    const auto* holder = static_cast<const SignerHolder*>(EC_KEY_get_ex_data(key, EcIndex()));
    if (holder == nullptr) {
        RaiseError(ERR_LIB_EC, "the key belongs to no token");
        return nullptr;
    }
    const auto raw = (*holder)->Sign(
        SignScheme::kEcdsa, absl::string_view(reinterpret_cast<const char*>(digest), static_cast<std::size_t>(size)));
    if (!raw.ok()) {
        RaiseError(ERR_LIB_EC, std::string(raw.status().message()).c_str());
        return nullptr;
    }
    if (raw->empty() || raw->size() % 2 != 0) {
        RaiseError(ERR_LIB_EC, "the token's signature has a wrong length");
        return nullptr;
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(raw->data());
    const int half = static_cast<int>(raw->size() / 2);
    SignaturePtr signature(ECDSA_SIG_new());
    ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes, half, nullptr), BN_bin2bn(bytes + half, half, nullptr));
    return signature.release();
}

// Both tables live as long as the process: keys may be freed during its exit.
const RSA_METHOD* RsaMethod() {
    static const RSA_METHOD* const method = [] {
        RSA_METHOD* table = RSA_meth_dup(RSA_PKCS1_OpenSSL());
        RSA_meth_set1_name(table, "provhub token RSA");
        RSA_meth_set_priv_enc(table, RsaPrivateEncrypt);
        RSA_meth_set_priv_dec(table, RsaPrivateDecrypt);
        return table;
    }();
    return method;
}

const EC_KEY_METHOD* EcMethod() {
    static const EC_KEY_METHOD* const method = [] {
        EC_KEY_METHOD* table = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
        int (*sign)(int, const unsigned char*, int, unsigned char*, unsigned int*, const BIGNUM*, const BIGNUM*,
                    EC_KEY*) = nullptr;
        int (*setup)(EC_KEY*, BN_CTX*, BIGNUM**, BIGNUM**) = nullptr;
        EC_KEY_METHOD_get_sign(table, &sign, &setup, nullptr);
        EC_KEY_METHOD_set_sign(table, sign, setup, EcSign);
        return table;
    }();
    return method;
}

absl::StatusOr<EvpPkeyPtr> MakeRsa(EVP_PKEY* public_key, std::shared_ptr<TokenSigner> signer) {
    const RSA* source = EVP_PKEY_get0_RSA(public_key);
    RsaPtr rsa(source == nullptr ? nullptr : RSAPublicKey_dup(source));
    EvpPkeyPtr key(EVP_PKEY_new());
    if (rsa == nullptr || RSA_set_method(rsa.get(), RsaMethod()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "the RSA key of a token can't be set up");
    }
    RSA_set_flags(rsa.get(), RSA_FLAG_EXT_PKEY);
    RSA_set_ex_data(rsa.get(), RsaIndex(), new SignerHolder(std::move(signer)));
    if (EVP_PKEY_assign_RSA(key.get(), rsa.get()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "EVP_PKEY_assign_RSA");
    }
    static_cast<void>(rsa.release());
    return key;
}

absl::StatusOr<EvpPkeyPtr> MakeEc(EVP_PKEY* public_key, std::shared_ptr<TokenSigner> signer) {
    const EC_KEY* source = EVP_PKEY_get0_EC_KEY(public_key);
    EcKeyPtr ec(source == nullptr ? nullptr : EC_KEY_dup(source));
    EvpPkeyPtr key(EVP_PKEY_new());
    if (ec == nullptr || EC_KEY_set_method(ec.get(), EcMethod()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "the EC key of a token can't be set up");
    }
    EC_KEY_set_ex_data(ec.get(), EcIndex(), new SignerHolder(std::move(signer)));
    if (EVP_PKEY_assign_EC_KEY(key.get(), ec.get()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "EVP_PKEY_assign_EC_KEY");
    }
    static_cast<void>(ec.release());
    return key;
}

}  // namespace

absl::StatusOr<EvpPkeyPtr> MakeTokenKey(EVP_PKEY* public_key, std::shared_ptr<TokenSigner> signer) {
    switch (EVP_PKEY_get_base_id(public_key)) {
        case EVP_PKEY_RSA:
            return MakeRsa(public_key, std::move(signer));
        case EVP_PKEY_EC:
            return MakeEc(public_key, std::move(signer));
        default:
            return absl::InvalidArgumentError("the key is neither RSA nor EC");
    }
}

}  // namespace provhub::hsm
