#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/crypto/certificate.h"

namespace provhub::crypto {
namespace {

// 112 bits, what TLS asks of a chain on Debian: a weaker one would verify here and then not serve.
constexpr int kSecurityLevel = 2;
constexpr std::size_t kMaxNameInMessage = 128;

void FreeStack(STACK_OF(X509) * stack) {
    sk_X509_free(stack);
}

using StorePtr = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
using StoreCtxPtr = std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>>;
using BorrowedStackPtr = std::unique_ptr<STACK_OF(X509), Deleter<FreeStack>>;

std::string Quoted(const std::string& name) {
    if (name.size() <= kMaxNameInMessage) {
        return absl::StrCat("'", name, "'");
    }
    return absl::StrCat("'", name.substr(0, kMaxNameInMessage), "...'");
}

std::string Day(absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::Status VerifyError(X509_STORE_CTX* context, const Certificate& leaf) {
    X509* at_fault = X509_STORE_CTX_get_current_cert(context);
    const Certificate certificate(at_fault != nullptr ? at_fault : leaf.get());
    const std::string which = absl::StrCat("certificate ", Quoted(certificate.Subject()));
    const int error = X509_STORE_CTX_get_error(context);
    ERR_clear_error();
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return absl::FailedPreconditionError(absl::StrCat(which, " expired on ", Day(certificate.not_after())));
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return absl::FailedPreconditionError(
                absl::StrCat(which, " is not valid before ", Day(certificate.not_before())));
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return absl::InvalidArgumentError(absl::StrCat(which, " leads to no trust anchor: its issuer ",
                                                           Quoted(certificate.Issuer()),
                                                           " is neither one nor part of the chain"));
        default:
            return absl::InvalidArgumentError(absl::StrCat(which, ": ", X509_verify_cert_error_string(error)));
    }
}

absl::StatusOr<StorePtr> MakeStore(const std::vector<Certificate>& anchors, absl::Time now) {
    StorePtr store(X509_STORE_new());
    for (const auto& anchor : anchors) {
        if (X509_STORE_add_cert(store.get(), anchor.get()) != 1) {
            return OpenSslError(absl::StatusCode::kInternal, "X509_STORE_add_cert");
        }
    }
    X509_VERIFY_PARAM* const param = X509_STORE_get0_param(store.get());
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_auth_level(param, kSecurityLevel);
    X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(now));
    return store;
}

}  // namespace

absl::StatusOr<Chain> VerifyChain(const Certificate& leaf, const std::vector<Certificate>& others,
                                  const std::vector<Certificate>& anchors, absl::Time now) {
    if (anchors.empty()) {
        return absl::InvalidArgumentError("there is no trust anchor to verify the certificate against");
    }
    auto store = MakeStore(anchors, now);
    if (!store.ok()) {
        return store.status();
    }
    const BorrowedStackPtr untrusted(sk_X509_new_null());
    for (const auto& other : others) {
        sk_X509_push(untrusted.get(), other.get());
    }
    const StoreCtxPtr context(X509_STORE_CTX_new());
    if (X509_STORE_CTX_init(context.get(), store->get(), leaf.get(), untrusted.get()) != 1) {
        return OpenSslError(absl::StatusCode::kInternal, "X509_STORE_CTX_init");
    }
    if (X509_verify_cert(context.get()) != 1) {
        return VerifyError(context.get(), leaf);
    }

    Chain chain{leaf, {}};
    const STACK_OF(X509)* path = X509_STORE_CTX_get0_chain(context.get());
    for (int i = 1; i < sk_X509_num(path); ++i) {
        chain.intermediates.emplace_back(sk_X509_value(path, i));
    }
    if (!chain.intermediates.empty() && chain.intermediates.back().IsSelfSigned()) {
        chain.intermediates.pop_back();
    }
    return chain;
}

}  // namespace provhub::crypto
