#define OPENSSL_SUPPRESS_DEPRECATED

#include "common/hsm/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/engine.h>
#include <openssl/err.h>

#include "common/crypto/certificate.h"
#include "common/crypto/csr.h"
#include "tests/support/fake_hsm.h"

namespace provhub::hsm {
namespace {

using crypto::EvpPkeyPtr;
using crypto::Secret;
using testing::HasSubstr;

// As gRPC does it.
EvpPkeyPtr Load(const char* key_id) {
    ENGINE* engine = ENGINE_by_id("hsm");
    if (engine == nullptr || ENGINE_init(engine) != 1) {
        ADD_FAILURE() << "no engine";
        return nullptr;
    }
    EvpPkeyPtr key(ENGINE_load_private_key(engine, key_id, nullptr, nullptr));
    ENGINE_finish(engine);
    ENGINE_free(engine);
    return key;
}

void MakeToken(test::FakeHsm& hsm) {
    ASSERT_TRUE(hsm.Initialise(Secret("so pin"), Secret("user pin")).ok());
    ASSERT_TRUE(hsm.GenerateKeyPair("1", "iam", crypto::KeyAlgorithm::kEcP384).ok());
}

TEST(Engine, NamesAKeyAsGrpcExpectsIt) {
    EXPECT_EQ(EngineKey("pkcs11:token=t"), "engine:hsm:pkcs11:token=t");
}

TEST(Engine, LoadsTheKeyOfTheTokenThatTheUriNames) {
    test::FakeHsm first("first");
    test::FakeHsm second("second");
    MakeToken(first);
    MakeToken(second);
    const auto registered_first = RegisterWithEngine(first);
    const auto registered_second = RegisterWithEngine(second);
    ASSERT_TRUE(registered_first.ok() && registered_second.ok()) << registered_first.status();
    const EvpPkeyPtr key = Load("pkcs11:token=second;object=iam;id=%31?module-path=/lib/x.so&pin-source=/pin");
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(*crypto::PublicKeyDer(key.get()), *crypto::PublicKeyDer(second.LoadKey("1")->get()));
    EXPECT_TRUE(crypto::CreateCsr(key.get(), {"n", {}, {}}).ok());
}

TEST(Engine, SaysWhyAKeyCannotBeLoaded) {
    test::FakeHsm hsm("known");
    MakeToken(hsm);
    const auto message = [](const char* uri) {
        ERR_clear_error();
        EXPECT_EQ(Load(uri), nullptr) << uri;
        return std::string(crypto::OpenSslError(absl::StatusCode::kInternal, "load").message());
    };
    {
        const auto registration = RegisterWithEngine(hsm);
        ASSERT_TRUE(registration.ok());
        EXPECT_THAT(message("pkcs11:token=known;id=%32"), HasSubstr("no key pair has this id"));
        EXPECT_THAT(message("pkcs11:token=other;id=%31"), HasSubstr("no token 'other' is in use"));
        EXPECT_THAT(message("pkcs11:token=known"), HasSubstr("by token and id"));
        EXPECT_THAT(message("nonsense"), HasSubstr("not a pkcs11 URI"));
    }
    EXPECT_THAT(message("pkcs11:token=known;id=%31"), HasSubstr("no token 'known' is in use"));
}

}  // namespace
}  // namespace provhub::hsm
