#include "tests/support/test_ca.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace provhub::test {
namespace {

using crypto::BioPtr;
using crypto::Certificate;
using crypto::Deleter;
using crypto::X509Ptr;
using crypto::X509ReqPtr;
using ConstraintsPtr = std::unique_ptr<BASIC_CONSTRAINTS, Deleter<BASIC_CONSTRAINTS_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;

void Must(bool good, const char* what) {
    if (!good) {
        std::fprintf(stderr, "%s failed\n", what);
        std::abort();
    }
}

void SetName(X509_NAME* name, const std::string& common_name) {
    Must(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0) == 1,
         "X509_NAME_add_entry_by_NID");
}

X509Ptr Blank(EVP_PKEY* key, const Validity& validity) {
    X509Ptr x509(X509_new());
    X509_set_version(x509.get(), X509_VERSION_3);
    const BignumPtr serial(BN_new());
    Must(BN_rand(serial.get(), 64, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1, "BN_rand");
    BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(x509.get()));
    ASN1_TIME_set(X509_getm_notBefore(x509.get()), absl::ToTimeT(validity.not_before));
    ASN1_TIME_set(X509_getm_notAfter(x509.get()), absl::ToTimeT(validity.not_after));
    Must(X509_set_pubkey(x509.get(), key) == 1, "X509_set_pubkey");
    return x509;
}

void AddConstraints(X509* x509, bool ca) {
    const ConstraintsPtr constraints(BASIC_CONSTRAINTS_new());
    constraints->ca = ca ? 0xFF : 0;
    X509_add1_ext_i2d(x509, NID_basic_constraints, constraints.get(), 1, X509V3_ADD_DEFAULT);
}

Certificate Sign(X509* x509, EVP_PKEY* key, X509_NAME* issuer) {
    X509_set_issuer_name(x509, issuer);
    Must(X509_sign(x509, key, EVP_sha384()) != 0, "X509_sign");
    return Certificate(x509);
}

Certificate MakeCa(EVP_PKEY* key, const std::string& name, const Validity& validity, const TestCa* issuer) {
    const X509Ptr x509 = Blank(key, validity);
    SetName(X509_get_subject_name(x509.get()), name);
    AddConstraints(x509.get(), true);
    return issuer == nullptr ? Sign(x509.get(), key, X509_get_subject_name(x509.get()))
                             : Sign(x509.get(), issuer->key(), X509_get_subject_name(issuer->certificate().get()));
}

}  // namespace

TestCa::TestCa(const std::string& name, const Validity& validity)
    : key_(EVP_EC_gen("P-384")), certificate_(MakeCa(key_.get(), name, validity, nullptr)) {}

TestCa::TestCa(const TestCa& issuer, const std::string& name, const Validity& validity)
    : key_(EVP_EC_gen("P-384")), certificate_(MakeCa(key_.get(), name, validity, &issuer)) {}

Certificate TestCa::Issue(EVP_PKEY* key, const std::string& common_name, const Validity& validity) const {
    const X509Ptr x509 = Blank(key, validity);
    SetName(X509_get_subject_name(x509.get()), common_name);
    AddConstraints(x509.get(), false);
    return Sign(x509.get(), key_.get(), X509_get_subject_name(certificate_.get()));
}

Certificate TestCa::IssueFor(const std::string& csr, const Validity& validity) const {
    const BioPtr bio(BIO_new_mem_buf(csr.data(), static_cast<int>(csr.size())));
    const X509ReqPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
    Must(request != nullptr, "PEM_read_bio_X509_REQ");
    EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
    Must(X509_REQ_verify(request.get(), key) == 1, "X509_REQ_verify");
    const X509Ptr x509 = Blank(key, validity);
    X509_set_subject_name(x509.get(), X509_REQ_get_subject_name(request.get()));
    AddConstraints(x509.get(), false);
    STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request.get());
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
        X509_add_ext(x509.get(), sk_X509_EXTENSION_value(extensions, i), -1);
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return Sign(x509.get(), key_.get(), X509_get_subject_name(certificate_.get()));
}

}  // namespace provhub::test
