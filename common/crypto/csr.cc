#include "common/crypto/csr.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status/macros.h"

namespace provhub::crypto {
namespace {

constexpr std::size_t kMaxCsrBytes = std::size_t{64} * 1024;
constexpr int kMaxCommonName = 64;
constexpr absl::string_view kNameSeparators = ",+=\"\\<>;/#";
constexpr int kSerialBits = 128;
constexpr std::size_t kMaxDnsName = 253;
constexpr std::size_t kMaxDnsLabel = 63;
constexpr long kX509Version3 = 2;
constexpr int kP384Bits = 384;

void FreeExtensions(STACK_OF(X509_EXTENSION) * extensions) {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), Deleter<FreeExtensions>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using UsagePtr = std::unique_ptr<EXTENDED_KEY_USAGE, Deleter<EXTENDED_KEY_USAGE_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;
using NamePtr = std::unique_ptr<GENERAL_NAME, Deleter<GENERAL_NAME_free>>;
using StringPtr = std::unique_ptr<ASN1_STRING, Deleter<ASN1_STRING_free>>;
using ConstraintsPtr = std::unique_ptr<BASIC_CONSTRAINTS, Deleter<BASIC_CONSTRAINTS_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;

bool IsSurrogate(unsigned long code_point) {
    return code_point >= 0xD800 && code_point <= 0xDFFF;
}

bool IsControl(unsigned long code_point) {
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

// RFC 3986 §3.1, up to the colon.
bool HasScheme(absl::string_view name) {
    const std::size_t colon = name.find(':');
    if (colon == absl::string_view::npos || colon == 0 || !absl::ascii_isalpha(static_cast<unsigned char>(name[0]))) {
        return false;
    }
    return std::all_of(name.begin(), name.begin() + colon,
                       [](unsigned char c) { return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.'; });
}

bool IsDnsName(absl::string_view name) {
    if (name.empty() || name.size() > kMaxDnsName) {
        return false;
    }
    for (const absl::string_view label : absl::StrSplit(name, '.')) {
        const bool well_formed = std::all_of(label.begin(), label.end(), [](unsigned char c) {
            return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '*';
        });
        if (!well_formed || label.empty() || label.size() > kMaxDnsLabel || label.front() == '-' ||
            label.back() == '-') {
            return false;
        }
    }
    return true;
}

bool IsUriText(absl::string_view name) {
    return std::all_of(name.begin(), name.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
}

absl::StatusOr<NamePtr> MakeGeneralName(const std::string& name) {
    NamePtr general_name(GENERAL_NAME_new());
    const bool no_nul = name.find('\0') == std::string::npos;
    if (StringPtr address(no_nul ? a2i_IPADDRESS(name.c_str()) : nullptr); address != nullptr) {
        GENERAL_NAME_set0_value(general_name.get(), GEN_IPADD, address.release());
        return general_name;
    }
    ERR_clear_error();
    const bool is_uri = HasScheme(name) && IsUriText(name);
    if (!is_uri && !IsDnsName(name)) {
        return absl::InvalidArgumentError(
            absl::StrCat("the alternative name '", name, "' is neither an IP address, nor a URI, nor a DNS name"));
    }
    StringPtr text(ASN1_STRING_type_new(V_ASN1_IA5STRING));
    ASN1_STRING_set(text.get(), name.data(), static_cast<int>(name.size()));
    GENERAL_NAME_set0_value(general_name.get(), is_uri ? GEN_URI : GEN_DNS, text.release());
    return general_name;
}

absl::Status AddExtension(STACK_OF(X509_EXTENSION) * extensions, int nid, bool critical, void* value) {
    ExtensionPtr extension(X509V3_EXT_i2d(nid, critical ? 1 : 0, value));
    if (extension == nullptr || sk_X509_EXTENSION_push(extensions, extension.get()) == 0) {
        return OpenSslError(absl::StatusCode::kInternal, "X509V3_EXT_i2d");
    }
    static_cast<void>(extension.release());
    return absl::OkStatus();
}

absl::StatusOr<ExtensionsPtr> MakeExtensions(const CertificateRequest& request) {
    ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
    if (!request.extended_key_usage.empty()) {
        const UsagePtr usage(EXTENDED_KEY_USAGE_new());
        for (const ExtendedKeyUsage purpose : request.extended_key_usage) {
            const int nid = purpose == ExtendedKeyUsage::kClientAuth ? NID_client_auth : NID_server_auth;
            sk_ASN1_OBJECT_push(usage.get(), OBJ_nid2obj(nid));
        }
        RETURN_IF_ERROR(AddExtension(extensions.get(), NID_ext_key_usage, false, usage.get()));
    }
    if (!request.alternative_names.empty()) {
        const NamesPtr names(GENERAL_NAMES_new());
        for (const auto& name : request.alternative_names) {
            ASSIGN_OR_RETURN(NamePtr general_name, MakeGeneralName(name));
            sk_GENERAL_NAME_push(names.get(), general_name.release());
        }
        RETURN_IF_ERROR(AddExtension(extensions.get(), NID_subject_alt_name, false, names.get()));
    }
    return extensions;
}

absl::Status SetCommonName(X509_NAME* name, const std::string& common_name) {
    if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common_name.data()),
                                   static_cast<int>(common_name.size()), -1, 0) != 1) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "the common name can't be used");
    }
    return absl::OkStatus();
}

const EVP_MD* DigestFor(EVP_PKEY* key) {
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) >= kP384Bits ? EVP_sha384()
                                                                                           : EVP_sha256();
}

absl::Status SetRandomSerial(X509* x509) {
    const BignumPtr number(BN_new());
    if (BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
        BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) == nullptr) {
        return OpenSslError(absl::StatusCode::kInternal, "BN_rand");
    }
    return absl::OkStatus();
}

}  // namespace

absl::Status ValidateCommonName(absl::string_view common_name) {
    if (common_name.empty()) {
        return absl::InvalidArgumentError("the common name is empty");
    }
    if (common_name.front() == ' ' || common_name.back() == ' ') {
        return absl::InvalidArgumentError("the common name has a space at its beginning or end");
    }
    int characters = 0;
    for (absl::string_view rest = common_name; !rest.empty(); ++characters) {
        unsigned long code_point = 0;
        const int size = UTF8_getc(reinterpret_cast<const unsigned char*>(rest.data()),
                                   static_cast<int>(std::min<std::size_t>(rest.size(), 8)), &code_point);
        if (size <= 0 || IsSurrogate(code_point) || code_point > 0x10FFFF) {
            return absl::InvalidArgumentError("the common name is not valid UTF-8");
        }
        if (IsControl(code_point)) {
            return absl::InvalidArgumentError("the common name has a control character");
        }
        if (size == 1 && kNameSeparators.find(rest.front()) != absl::string_view::npos) {
            return absl::InvalidArgumentError(
                absl::StrCat("the common name has the character '", rest.substr(0, 1), "', which is not allowed"));
        }
        rest.remove_prefix(static_cast<std::size_t>(size));
    }
    if (characters > kMaxCommonName) {
        return absl::InvalidArgumentError(absl::StrCat("the common name has ", characters,
                                                       " characters, more than the ", kMaxCommonName, " allowed"));
    }
    return absl::OkStatus();
}

absl::StatusOr<std::string> CreateCsr(EVP_PKEY* key, const CertificateRequest& request) {
    const X509ReqPtr csr(X509_REQ_new());
    X509_NAME* const subject = X509_REQ_get_subject_name(csr.get());
    RETURN_IF_ERROR(SetCommonName(subject, request.common_name));
    ASSIGN_OR_RETURN(const ExtensionsPtr extensions, MakeExtensions(request));
    if (sk_X509_EXTENSION_num(extensions.get()) > 0 && X509_REQ_add_extensions(csr.get(), extensions.get()) != 1) {
        return OpenSslError(absl::StatusCode::kInternal, "X509_REQ_add_extensions");
    }
    if (X509_REQ_set_version(csr.get(), X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(csr.get(), key) != 1) {
        return OpenSslError(absl::StatusCode::kInternal, "X509_REQ_set_pubkey");
    }
    if (X509_REQ_sign(csr.get(), key, DigestFor(key)) == 0) {
        return OpenSslError(absl::StatusCode::kInternal, "the request can't be signed");
    }
    const BioPtr bio(BIO_new(BIO_s_mem()));
    if (PEM_write_bio_X509_REQ(bio.get(), csr.get()) != 1) {
        return OpenSslError(absl::StatusCode::kInternal, "PEM_write_bio_X509_REQ");
    }
    const char* pem = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &pem);
    return std::string(pem, static_cast<std::size_t>(size));
}

absl::StatusOr<std::vector<std::string>> VerifiedUrisOfCsr(absl::string_view pem) {
    if (pem.size() > kMaxCsrBytes) {
        return absl::InvalidArgumentError("the certificate signing request is over 64 KiB");
    }
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const X509ReqPtr csr(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
    if (csr == nullptr) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "this is no certificate signing request in PEM");
    }
    EVP_PKEY* const key = X509_REQ_get0_pubkey(csr.get());
    if (key == nullptr || X509_REQ_verify(csr.get(), key) != 1) {
        return OpenSslError(absl::StatusCode::kInvalidArgument,
                            "the request's signature doesn't verify with its own public key");
    }
    const ExtensionsPtr extensions(X509_REQ_get_extensions(csr.get()));
    std::vector<std::string> uris;
    int last = -1;
    while (extensions != nullptr && (last = X509v3_get_ext_by_NID(extensions.get(), NID_subject_alt_name, last)) >= 0) {
        const NamesPtr names(static_cast<GENERAL_NAMES*>(X509V3_EXT_d2i(X509v3_get_ext(extensions.get(), last))));
        if (names == nullptr) {
            return OpenSslError(absl::StatusCode::kInvalidArgument, "the requested alternative names are malformed");
        }
        for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
            const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
            if (name->type == GEN_URI) {
                const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
                uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                  static_cast<std::size_t>(ASN1_STRING_length(text)));
            }
        }
    }
    ERR_clear_error();
    return uris;
}

absl::StatusOr<Certificate> CreateSelfSigned(EVP_PKEY* key, const CertificateRequest& request, absl::Time not_before,
                                             absl::Time not_after) {
    const X509Ptr x509(X509_new());
    X509_NAME* const subject = X509_get_subject_name(x509.get());
    RETURN_IF_ERROR(SetCommonName(subject, request.common_name));
    RETURN_IF_ERROR(SetRandomSerial(x509.get()));
    if (X509_set_version(x509.get(), kX509Version3) != 1 || X509_set_issuer_name(x509.get(), subject) != 1 ||
        X509_set_pubkey(x509.get(), key) != 1 ||
        ASN1_TIME_set(X509_getm_notBefore(x509.get()), absl::ToTimeT(not_before)) == nullptr ||
        ASN1_TIME_set(X509_getm_notAfter(x509.get()), absl::ToTimeT(not_after)) == nullptr) {
        return OpenSslError(absl::StatusCode::kInternal, "the self-signed certificate can't be made");
    }
    ASSIGN_OR_RETURN(const ExtensionsPtr extensions, MakeExtensions(request));
    const ConstraintsPtr not_a_ca(BASIC_CONSTRAINTS_new());
    RETURN_IF_ERROR(AddExtension(extensions.get(), NID_basic_constraints, true, not_a_ca.get()));
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions.get()); ++i) {
        X509_add_ext(x509.get(), sk_X509_EXTENSION_value(extensions.get(), i), -1);
    }
    if (X509_sign(x509.get(), key, DigestFor(key)) == 0) {
        return OpenSslError(absl::StatusCode::kInternal, "the certificate can't be signed");
    }
    return Certificate(x509.get());
}

}  // namespace provhub::crypto
