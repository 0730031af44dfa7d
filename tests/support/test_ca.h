// A certification authority for tests.
#ifndef PROVHUB_TESTS_SUPPORT_TEST_CA_H_
#define PROVHUB_TESTS_SUPPORT_TEST_CA_H_

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/crypto/certificate.h"
#include "common/crypto/openssl.h"

namespace provhub::test {

struct Validity {
    absl::Time not_before = absl::Now() - absl::Hours(1);
    absl::Time not_after = absl::Now() + absl::Hours(24);
};

// P-384. A fault of OpenSSL ends the test program.
class TestCa {
 public:
    // Self-signed.
    explicit TestCa(const std::string& name, const Validity& validity = {});
    // Certified by `issuer`.
    TestCa(const TestCa& issuer, const std::string& name, const Validity& validity = {});

    const crypto::Certificate& certificate() const { return certificate_; }
    EVP_PKEY* key() const { return key_.get(); }

    crypto::Certificate Issue(EVP_PKEY* key, const std::string& common_name, const Validity& validity = {}) const;
    // With the subject, the key and the extensions of the request (PEM), whose signature MUST verify.
    crypto::Certificate IssueFor(const std::string& csr, const Validity& validity = {}) const;

 private:
    crypto::EvpPkeyPtr key_;
    crypto::Certificate certificate_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_TEST_CA_H_
