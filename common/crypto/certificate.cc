#include "common/crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "absl/strings/str_cat.h"

namespace provhub::crypto {
namespace {

constexpr std::size_t kMaxPemSize = std::size_t{256} * 1024;
constexpr std::size_t kMaxPemCertificates = 16;
constexpr absl::string_view kPemBegin = "-----BEGIN ";

using BignumPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;

// `encode` is one of OpenSSL's i2d functions, bound to its object.
template <typename Encode>
std::string ToDer(Encode encode) {
    unsigned char* der = nullptr;
    const int size = encode(&der);
    if (size < 0) {
        ERR_clear_error();
        return {};
    }
    std::string result(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return result;
}

std::string Contents(BIO* bio) {
    const char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<std::size_t>(std::max(size, 0L)));
}

std::string NameToText(const X509_NAME* name) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
    return Contents(bio.get());
}

absl::Time ToTime(const ASN1_TIME* time, absl::Time when_unreadable) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return when_unreadable;
    }
    return absl::FromTM(parts, absl::UTCTimeZone());
}

// One block of PEM.
class PemBlock {
 public:
    PemBlock() = default;
    PemBlock(const PemBlock&) = delete;
    PemBlock& operator=(const PemBlock&) = delete;
    ~PemBlock() {
        OPENSSL_free(name_);
        OPENSSL_free(header_);
        OPENSSL_clear_free(data_, static_cast<std::size_t>(size_));
    }

    // False at the end of the text and at a block that can't be decoded.
    bool Read(BIO* bio) { return PEM_read_bio(bio, &name_, &header_, &data_, &size_) == 1; }

    bool IsCertificate() const { return absl::string_view(name_) == PEM_STRING_X509 && *header_ == '\0'; }
    absl::string_view data() const { return {reinterpret_cast<const char*>(data_), static_cast<std::size_t>(size_)}; }

 private:
    char* name_ = nullptr;
    char* header_ = nullptr;
    unsigned char* data_ = nullptr;
    long size_ = 0;
};

std::size_t CountBlocks(absl::string_view pem) {
    std::size_t count = 0;
    for (std::size_t at = pem.find(kPemBegin); at != absl::string_view::npos;
         at = pem.find(kPemBegin, at + kPemBegin.size())) {
        ++count;
    }
    return count;
}

}  // namespace

absl::StatusOr<Certificate> Certificate::FromDer(absl::string_view der) {
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    const unsigned char* const end = data + der.size();
    const X509Ptr x509(d2i_X509(nullptr, &data, static_cast<long>(der.size())));
    if (x509 == nullptr) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "not an X.509 certificate");
    }
    if (data != end) {
        return absl::InvalidArgumentError("not an X.509 certificate: there is more after its end");
    }
    if (ASN1_TIME_check(X509_get0_notBefore(x509.get())) != 1 || ASN1_TIME_check(X509_get0_notAfter(x509.get())) != 1) {
        return OpenSslError(absl::StatusCode::kInvalidArgument, "the validity of the certificate can't be read");
    }
    return Certificate(x509.get());
}

Certificate::Certificate(X509* x509) {
    X509_up_ref(x509);
    x509_ = std::shared_ptr<X509>(x509, Deleter<X509_free>());
}

std::string Certificate::Der() const {
    return ToDer([this](unsigned char** out) { return i2d_X509(x509_.get(), out); });
}

std::string Certificate::Pem() const {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), x509_.get());
    return Contents(bio.get());
}

std::string Certificate::SubjectDer() const {
    return ToDer([this](unsigned char** out) { return i2d_X509_NAME(X509_get_subject_name(x509_.get()), out); });
}

std::string Certificate::IssuerDer() const {
    return ToDer([this](unsigned char** out) { return i2d_X509_NAME(X509_get_issuer_name(x509_.get()), out); });
}

std::string Certificate::Subject() const {
    return NameToText(X509_get_subject_name(x509_.get()));
}

std::string Certificate::Issuer() const {
    return NameToText(X509_get_issuer_name(x509_.get()));
}

std::string Certificate::SerialHex() const {
    const BignumPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509_.get()), nullptr));
    if (number == nullptr || BN_is_zero(number.get())) {
        ERR_clear_error();
        return "00";
    }
    BN_set_negative(number.get(), 0);
    char* hex = BN_bn2hex(number.get());
    std::string result(hex);
    OPENSSL_free(hex);
    return result;
}

std::string Certificate::PublicKeyDer() const {
    return ToDer([this](unsigned char** out) { return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509_.get()), out); });
}

absl::Time Certificate::not_before() const {
    return ToTime(X509_get0_notBefore(x509_.get()), absl::InfiniteFuture());
}

absl::Time Certificate::not_after() const {
    return ToTime(X509_get0_notAfter(x509_.get()), absl::InfinitePast());
}

bool Certificate::IsSelfSigned() const {
    const bool self_signed = X509_self_signed(x509_.get(), 1) == 1;
    ERR_clear_error();
    return self_signed;
}

absl::StatusOr<std::vector<Certificate>> ParsePemCertificates(absl::string_view pem) {
    if (pem.size() > kMaxPemSize) {
        return absl::InvalidArgumentError(
            absl::StrCat("the PEM text has ", pem.size(), " bytes, more than the ", kMaxPemSize, " allowed"));
    }
    const std::size_t blocks = CountBlocks(pem);
    if (blocks == 0) {
        return absl::InvalidArgumentError("there is no PEM certificate");
    }
    if (blocks > kMaxPemCertificates) {
        return absl::InvalidArgumentError(absl::StrCat("the PEM text has ", blocks, " blocks, more than the ",
                                                       kMaxPemCertificates, " certificates allowed"));
    }
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    std::vector<Certificate> certificates;
    while (certificates.size() < blocks) {
        const std::string which = absl::StrCat("PEM block ", certificates.size() + 1);
        PemBlock block;
        if (!block.Read(bio.get())) {
            return OpenSslError(absl::StatusCode::kInvalidArgument, absl::StrCat(which, " can't be decoded"));
        }
        if (!block.IsCertificate()) {
            return absl::InvalidArgumentError(absl::StrCat(which, " is not a certificate"));
        }
        auto certificate = Certificate::FromDer(block.data());
        if (!certificate.ok()) {
            return absl::InvalidArgumentError(absl::StrCat(which, ": ", certificate.status().message()));
        }
        certificates.push_back(*std::move(certificate));
    }
    return certificates;
}

absl::StatusOr<std::string> PublicKeyDer(EVP_PKEY* key) {
    std::string der = ToDer([key](unsigned char** out) { return i2d_PUBKEY(key, out); });
    if (der.empty()) {
        return absl::InvalidArgumentError("the key has no public part that can be encoded");
    }
    return der;
}

}  // namespace provhub::crypto
