#include "tools/provctl/issue_certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/crypto/random.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::provctl {
namespace {

using crypto::Certificate;
using crypto::OpenSslError;

constexpr long kX509Version3 = 2;
constexpr std::size_t kSerialBytes = 16;
constexpr std::size_t kMaxCsrBytes = std::size_t{64} * 1024;
constexpr int kMinRsaBits = 2048;
constexpr int kMinEcBits = 256;

void FreeExtensions(STACK_OF(X509_EXTENSION) * extensions) {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), crypto::Deleter<FreeExtensions>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, crypto::Deleter<X509_EXTENSION_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, crypto::Deleter<BN_free>>;

absl::Status SetSerial(X509* x509) {
    std::string bytes = crypto::RandomBytes(kSerialBytes);
    // Positive and of full length.
    bytes[0] = static_cast<char>((bytes[0] & 0x7F) | 0x40);
    const BignumPtr number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr));
    if (number == nullptr || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) == nullptr) {
        return OpenSslError(absl::StatusCode::kInternal, "can't make a serial number");
    }
    return absl::OkStatus();
}

absl::StatusOr<crypto::X509NamePtr> MakeName(absl::string_view common_name) {
    RETURN_IF_ERROR(crypto::ValidateCommonName(common_name));
    crypto::X509NamePtr name(X509_NAME_new());
    if (X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common_name.data()),
                                   static_cast<int>(common_name.size()), -1, 0) != 1) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "the common name can't be used");
    }
    return name;
}

// Everything but extensions and signature.
absl::StatusOr<crypto::X509Ptr> MakeBody(EVP_PKEY* subject_key, absl::string_view common_name, const X509_NAME* issuer,
                                         const Validity& validity) {
    crypto::X509Ptr x509(X509_new());
    ASSIGN_OR_RETURN(const crypto::X509NamePtr subject, MakeName(common_name));
    RETURN_IF_ERROR(SetSerial(x509.get()));
    if (X509_set_version(x509.get(), kX509Version3) != 1 || X509_set_subject_name(x509.get(), subject.get()) != 1 ||
        X509_set_issuer_name(x509.get(), issuer == nullptr ? subject.get() : issuer) != 1 ||
        X509_set_pubkey(x509.get(), subject_key) != 1 ||
        ASN1_TIME_set(X509_getm_notBefore(x509.get()), absl::ToTimeT(validity.not_before)) == nullptr ||
        ASN1_TIME_set(X509_getm_notAfter(x509.get()), absl::ToTimeT(validity.not_after)) == nullptr) {
        return OpenSslError(absl::StatusCode::kInternal, "can't make a certificate");
    }
    return x509;
}

struct ExtensionText {
    int nid;
    const char* value;
};

absl::Status AddExtension(X509* x509, X509V3_CTX* context, const ExtensionText& text) {
    const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, context, text.nid, text.value));
    if (extension == nullptr || X509_add_ext(x509, extension.get(), -1) != 1) {
        return OpenSslError(absl::StatusCode::kInternal, absl::StrCat("can't add ", OBJ_nid2sn(text.nid)));
    }
    return absl::OkStatus();
}

// `issuer` may be `x509` itself.
template <std::size_t kCount>
absl::Status AddExtensions(X509* x509, X509* issuer, const std::array<ExtensionText, kCount>& extensions) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
    for (const ExtensionText& extension : extensions) {
        RETURN_IF_ERROR(AddExtension(x509, &context, extension));
    }
    return absl::OkStatus();
}

absl::StatusOr<Certificate> Sign(X509* x509, EVP_PKEY* key) {
    if (X509_sign(x509, key, EVP_sha384()) == 0) {
        return OpenSslError(absl::StatusCode::kInternal, "can't sign the certificate");
    }
    return Certificate(x509);
}

absl::StatusOr<crypto::X509ReqPtr> ParseCsr(absl::string_view pem) {
    if (pem.size() > kMaxCsrBytes) {
        return absl::InvalidArgumentError("the certificate signing request is over 64 KiB");
    }
    const crypto::BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    crypto::X509ReqPtr csr(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
    if (csr == nullptr) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "this is no certificate signing request in PEM");
    }
    return csr;
}

// Proof of possession (RFC 2986 §4.2), and a key worth certifying.
absl::Status CheckKey(X509_REQ* csr) {
    EVP_PKEY* const key = X509_REQ_get0_pubkey(csr);
    if (key == nullptr) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "the request has no usable public key");
    }
    if (X509_REQ_verify(csr, key) != 1) {
        return OpenSslError(absl::StatusCode::kInvalidArgument,
                            "the request's signature doesn't verify with its own public key");
    }
    const int type = EVP_PKEY_get_base_id(key);
    const int bits = EVP_PKEY_get_bits(key);
    if (!(type == EVP_PKEY_RSA && bits >= kMinRsaBits) && !(type == EVP_PKEY_EC && bits >= kMinEcBits)) {
        return absl::InvalidArgumentError(
            "the request's key must be RSA of 2048 bits or more, or EC of 256 bits or more");
    }
    return absl::OkStatus();
}

absl::StatusOr<std::string> CommonName(X509_REQ* csr) {
    const X509_NAME* const subject = X509_REQ_get_subject_name(csr);
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) {
        return absl::InvalidArgumentError("the request's subject has no common name");
    }
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (size < 0) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "the request's common name is unreadable");
    }
    std::string common_name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return common_name;
}

bool IsWellFormed(int nid, X509_EXTENSION* extension) {
    using UsagePtr = std::unique_ptr<EXTENDED_KEY_USAGE, crypto::Deleter<EXTENDED_KEY_USAGE_free>>;
    using NamesPtr = std::unique_ptr<GENERAL_NAMES, crypto::Deleter<GENERAL_NAMES_free>>;
    void* const decoded = X509V3_EXT_d2i(extension);
    return nid == NID_ext_key_usage ? UsagePtr(static_cast<EXTENDED_KEY_USAGE*>(decoded)) != nullptr
                                    : NamesPtr(static_cast<GENERAL_NAMES*>(decoded)) != nullptr;
}

absl::Status CopyRequestedExtensions(X509_REQ* csr, X509* x509) {
    const ExtensionsPtr requested(X509_REQ_get_extensions(csr));
    if (requested == nullptr) {
        ERR_clear_error();
        return absl::OkStatus();
    }
    for (const int nid : {NID_ext_key_usage, NID_subject_alt_name}) {
        const int index = X509v3_get_ext_by_NID(requested.get(), nid, -1);
        if (index < 0) {
            continue;
        }
        X509_EXTENSION* const extension = X509v3_get_ext(requested.get(), index);
        if (!IsWellFormed(nid, extension)) {
            return OpenSslError(absl::StatusCode::kInvalidArgument,
                                absl::StrCat("the requested ", OBJ_nid2ln(nid), " is malformed"));
        }
        if (X509_add_ext(x509, extension, -1) != 1) {
            return OpenSslError(absl::StatusCode::kInternal, absl::StrCat("can't add ", OBJ_nid2ln(nid)));
        }
    }
    return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Certificate> IssueRoot(EVP_PKEY* key, absl::string_view common_name, const Validity& validity) {
    ASSIGN_OR_RETURN(const crypto::X509Ptr x509, MakeBody(key, common_name, nullptr, validity));
    RETURN_IF_ERROR(AddExtensions(x509.get(), x509.get(),
                                  std::array{ExtensionText{NID_basic_constraints, "critical,CA:TRUE"},
                                             ExtensionText{NID_key_usage, "critical,keyCertSign,cRLSign"},
                                             ExtensionText{NID_subject_key_identifier, "hash"},
                                             ExtensionText{NID_authority_key_identifier, "keyid:always"}}));
    return Sign(x509.get(), key);
}

absl::StatusOr<Certificate> IssueIntermediate(EVP_PKEY* key, absl::string_view common_name, const Issuer& issuer,
                                              const Validity& validity) {
    ASSIGN_OR_RETURN(const crypto::X509Ptr x509,
                     MakeBody(key, common_name, X509_get_subject_name(issuer.certificate.get()), validity));
    RETURN_IF_ERROR(AddExtensions(x509.get(), issuer.certificate.get(),
                                  std::array{ExtensionText{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                             ExtensionText{NID_key_usage, "critical,keyCertSign,cRLSign"},
                                             ExtensionText{NID_subject_key_identifier, "hash"},
                                             ExtensionText{NID_authority_key_identifier, "keyid:always"}}));
    return Sign(x509.get(), issuer.key);
}

absl::StatusOr<Certificate> IssueLeaf(absl::string_view csr_pem, const Issuer& issuer, const Validity& validity) {
    ASSIGN_OR_RETURN(const crypto::X509ReqPtr csr, ParseCsr(csr_pem));
    RETURN_IF_ERROR(CheckKey(csr.get()));
    ASSIGN_OR_RETURN(const std::string common_name, CommonName(csr.get()));
    EVP_PKEY* const key = X509_REQ_get0_pubkey(csr.get());
    ASSIGN_OR_RETURN(const crypto::X509Ptr x509,
                     MakeBody(key, common_name, X509_get_subject_name(issuer.certificate.get()), validity));
    const bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    const char* const usage = rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature";
    RETURN_IF_ERROR(
        AddExtensions(x509.get(), issuer.certificate.get(),
                      std::array{ExtensionText{NID_basic_constraints, "critical,CA:FALSE"},
                                 ExtensionText{NID_key_usage, usage}, ExtensionText{NID_subject_key_identifier, "hash"},
                                 ExtensionText{NID_authority_key_identifier, "keyid:always"}}));
    RETURN_IF_ERROR(CopyRequestedExtensions(csr.get(), x509.get()));
    return Sign(x509.get(), issuer.key);
}

}  // namespace provhub::provctl
