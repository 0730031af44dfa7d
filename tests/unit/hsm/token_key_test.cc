#include "common/hsm/token_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <array>

#include "absl/time/clock.h"
#include "common/crypto/csr.h"
#include "tests/support/fake_hsm.h"

namespace provhub::hsm {
namespace {

using crypto::EvpPkeyPtr;
using crypto::KeyAlgorithm;
using crypto::Secret;
using testing::HasSubstr;

using MdCtxPtr = std::unique_ptr<EVP_MD_CTX, crypto::Deleter<EVP_MD_CTX_free>>;

bool SignsAndVerifies(EVP_PKEY* key, const EVP_MD* digest, int padding) {
    const std::string text = "to be signed";
    const auto* data = reinterpret_cast<const unsigned char*>(text.data());
    std::array<unsigned char, 512> signature;
    std::size_t size = signature.size();
    const MdCtxPtr signing(EVP_MD_CTX_new());
    EVP_PKEY_CTX* context = nullptr;
    if (EVP_DigestSignInit(signing.get(), &context, digest, nullptr, key) != 1 ||
        (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(context, padding) != 1) ||
        EVP_DigestSign(signing.get(), signature.data(), &size, data, text.size()) != 1) {
        return false;
    }
    const MdCtxPtr verifying(EVP_MD_CTX_new());
    const auto der = crypto::PublicKeyDer(key);
    const auto* spki = reinterpret_cast<const unsigned char*>(der->data());
    const EvpPkeyPtr public_key(d2i_PUBKEY(nullptr, &spki, static_cast<long>(der->size())));
    return EVP_DigestVerifyInit(verifying.get(), &context, digest, nullptr, public_key.get()) == 1 &&
           (padding == 0 || EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1) &&
           EVP_DigestVerify(verifying.get(), signature.data(), size, data, text.size()) == 1;
}

class TokenKeyTest : public testing::Test {
 protected:
    void SetUp() override { ASSERT_TRUE(hsm_.Initialise(Secret("so-pin"), Secret("user-pin")).ok()); }

    EvpPkeyPtr Make(KeyAlgorithm algorithm) {
        EXPECT_TRUE(hsm_.GenerateKeyPair("id", "label", algorithm).ok());
        return *hsm_.LoadKey("id");
    }

    test::FakeHsm hsm_;
};

TEST_F(TokenKeyTest, SignsWithEllipticCurves) {
    const EvpPkeyPtr key = Make(KeyAlgorithm::kEcP384);
    EXPECT_TRUE(SignsAndVerifies(key.get(), EVP_sha384(), 0));
    EXPECT_TRUE(SignsAndVerifies(key.get(), EVP_sha256(), 0));
    EXPECT_EQ(hsm_.Calls("Sign"), 2);
}

TEST_F(TokenKeyTest, SignsWithRsaInBothPaddings) {
    const EvpPkeyPtr key = Make(KeyAlgorithm::kRsa2048);
    EXPECT_TRUE(SignsAndVerifies(key.get(), EVP_sha256(), RSA_PKCS1_PADDING));
    EXPECT_TRUE(SignsAndVerifies(key.get(), EVP_sha256(), RSA_PKCS1_PSS_PADDING));
    EXPECT_EQ(hsm_.Calls("Sign"), 2);
}

TEST_F(TokenKeyTest, SaysWhyTheTokenDidNotSignAndSignsAgainOnceItIsOpen) {
    for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEcP384, KeyAlgorithm::kRsa2048}) {
        const EvpPkeyPtr key = Make(algorithm);
        ASSERT_TRUE(hsm_.Close().ok());
        const auto refused = crypto::CreateCsr(key.get(), {"n", {}, {}});
        EXPECT_THAT(std::string(refused.status().message()), HasSubstr("token 'fake': the token is not open"));
        ASSERT_TRUE(hsm_.Open(Secret("user-pin")).ok());
        EXPECT_TRUE(crypto::CreateCsr(key.get(), {"n", {}, {}}).ok());
        ASSERT_TRUE(hsm_.Destroy("id").ok());
    }
}

TEST_F(TokenKeyTest, CopiesOfAKeySignToo) {
    const EvpPkeyPtr key = Make(KeyAlgorithm::kEcP384);
    EvpPkeyPtr copy(EVP_PKEY_dup(key.get()));
    ASSERT_NE(copy, nullptr);
    EXPECT_TRUE(SignsAndVerifies(copy.get(), EVP_sha384(), 0));
}

}  // namespace
}  // namespace provhub::hsm
