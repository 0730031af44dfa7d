// A module that fails, and one that can't initialise a token twice.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <p11-kit/pkcs11.h>

#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/csr.h"
#include "common/hsm/pkcs11_hsm.h"
#include "tests/support/softhsm.h"

namespace provhub::hsm {
namespace {

using crypto::KeyAlgorithm;
using crypto::Secret;
using test::SoftHsm;

constexpr char kSoPin[] = "security officer";
constexpr char kUserPin[] = "0123456789abcdef01234567";

class ModuleFaultTest : public testing::Test {
 protected:
    ModuleFaultTest() {
        setenv("PROVHUB_TEST_PKCS11", SoftHsm::Library().c_str(), 1);
        TokenSelector selector = SoftHsm::Selector("aoscore");
        selector.library = FAULTY_PKCS11;
        auto hsm = CreatePkcs11Hsm(selector, softhsm_.state_dir());
        EXPECT_TRUE(hsm.ok()) << hsm.status();
        hsm_ = *std::move(hsm);
        const absl::Status status = hsm_->Initialise(Secret(kSoPin), Secret(kUserPin));
        EXPECT_TRUE(status.ok()) << status;
    }

    static void Fail(const char* function, int nth, CK_RV rv) {
        using Function = void (*)(const char*, int, unsigned long);
        void* module = dlopen(FAULTY_PKCS11, RTLD_NOW | RTLD_NOLOAD);
        reinterpret_cast<Function>(dlsym(module, "provhub_test_fail"))(function, nth, rv);
        dlclose(module);
    }

    absl::Status Sign(EVP_PKEY* key) { return crypto::CreateCsr(key, {"n", {}, {}}).status(); }

    const SoftHsm softhsm_;
    std::unique_ptr<Hsm> hsm_;
};

TEST_F(ModuleFaultTest, SaysWhichTokenWhichFunctionAndWhichReturnValue) {
    Fail("C_GenerateKeyPair", 1, CKR_DEVICE_MEMORY);
    const absl::Status status = hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(std::string(status.message()), "token 'aoscore': C_GenerateKeyPair: CKR_DEVICE_MEMORY");
    EXPECT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
}

TEST_F(ModuleFaultTest, ATokenThatCanBeInitialisedOnceIsEmptiedInstead) {
    ASSERT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    ASSERT_TRUE(hsm_->GenerateKeyPair("2", "iam", KeyAlgorithm::kEcP384).ok());
    EXPECT_EQ(hsm_->Initialise(Secret("wrong pin"), Secret("another pin")).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(hsm_->List()->size(), 2u);

    ASSERT_TRUE(hsm_->Initialise(Secret(kSoPin), Secret("another pin")).ok());
    EXPECT_TRUE(hsm_->List()->empty());
    ASSERT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    ASSERT_TRUE(hsm_->Close().ok());
    EXPECT_EQ(hsm_->Open(Secret(kUserPin)).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_TRUE(hsm_->Open(Secret("another pin")).ok());
    EXPECT_EQ(hsm_->State()->label, "aoscore");
}

TEST_F(ModuleFaultTest, ATokenThatAllowsFewSessionsIsSharedByManyCalls) {
    ASSERT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    const auto key = hsm_->LoadKey("1");
    for (int i = 1; i <= 3; ++i) {
        Fail("C_OpenSession", i, CKR_SESSION_COUNT);
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 5; ++round) {
                const absl::Status status = Sign(key->get());
                EXPECT_TRUE(status.ok()) << status;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
}

TEST_F(ModuleFaultTest, RepeatsWhatWasRefusedForWantOfALogin) {
    ASSERT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    const auto key = hsm_->LoadKey("1");
    ASSERT_TRUE(key.ok()) << key.status();
    for (const CK_RV rv : {CKR_USER_NOT_LOGGED_IN, CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED}) {
        Fail("C_SignInit", 1, rv);
        EXPECT_TRUE(Sign(key->get()).ok()) << rv;
        Fail("C_FindObjectsInit", 1, rv);
        EXPECT_EQ(hsm_->List()->size(), 1u) << rv;
        Fail("C_GetAttributeValue", 1, rv);
        EXPECT_FALSE(hsm_->List()->front().unreadable) << rv;
    }
    ASSERT_TRUE(Sign(key->get()).ok());
    Fail("C_SignInit", 1, CKR_KEY_HANDLE_INVALID);
    EXPECT_TRUE(Sign(key->get()).ok());
}

TEST_F(ModuleFaultTest, DoesNotRepeatWhatMayHaveBeenDone) {
    Fail("C_GenerateKeyPair", 1, CKR_DEVICE_REMOVED);
    EXPECT_EQ(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(hsm_->List()->empty());
}

TEST_F(ModuleFaultTest, ComesBackWithTheDeviceAndKeepsNoPinThatIsRefused) {
    ASSERT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    const auto key = hsm_->LoadKey("1");
    Fail("C_SignInit", 1, CKR_USER_NOT_LOGGED_IN);
    Fail("C_OpenSession", 1, CKR_DEVICE_REMOVED);
    Fail("C_OpenSession", 2, CKR_DEVICE_REMOVED);
    EXPECT_FALSE(Sign(key->get()).ok());
    EXPECT_TRUE(Sign(key->get()).ok());

    Fail("C_SignInit", 1, CKR_USER_NOT_LOGGED_IN);
    Fail("C_Login", 1, CKR_PIN_INCORRECT);
    EXPECT_FALSE(Sign(key->get()).ok());
    EXPECT_EQ(hsm_->List().status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
    EXPECT_TRUE(Sign(key->get()).ok());
}

// Every call fails once at every one of its PKCS #11 functions: the error is said, and what was there stays.
TEST_F(ModuleFaultTest, AFailureAnywhereLeavesOtherKeysAlone) {
    ASSERT_TRUE(hsm_->GenerateKeyPair("kept", "iam", KeyAlgorithm::kEcP384).ok());
    const auto key = hsm_->LoadKey("kept");
    const auto certificate =
        crypto::CreateSelfSigned(key->get(), {"n", {}, {}}, absl::Now(), absl::Now() + absl::Hours(1));
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    struct Case {
        const char* function;
        std::function<absl::Status()> call;
    };
    const Case cases[] = {
        {"C_FindObjectsInit", [&] { return hsm_->GenerateKeyPair("new", "iam", KeyAlgorithm::kEcP384); }},
        {"C_FindObjects", [&] { return hsm_->GenerateKeyPair("new", "iam", KeyAlgorithm::kEcP384); }},
        {"C_GenerateKeyPair", [&] { return hsm_->GenerateKeyPair("new", "iam", KeyAlgorithm::kEcP384); }},
        {"C_CreateObject", [&] { return hsm_->StoreCertificate("kept", "iam", certificate->Der(), false); }},
        {"C_FindObjects", [&] { return hsm_->StoreCertificate("kept", "iam", certificate->Der(), false); }},
        {"C_FindObjects", [&] { return hsm_->List().status(); }},
        {"C_FindObjects", [&] { return hsm_->LoadKey("kept").status(); }},
        {"C_DestroyObject", [&] { return hsm_->Destroy("kept"); }},
        {"C_Sign", [&] { return Sign(key->get()); }},
        {"C_Login", [&] { return hsm_->VerifySoPin(Secret(kSoPin)); }},
        {"C_Login", [&] { return hsm_->ChangeSoPin(Secret(kSoPin), Secret("another officer")); }},
        {"C_SetPIN", [&] { return hsm_->ChangeSoPin(Secret(kSoPin), Secret("another officer")); }},
        {"C_InitToken", [&] { return hsm_->Initialise(Secret(kSoPin), Secret(kUserPin)); }},
    };
    for (const Case& fault : cases) {
        Fail(fault.function, 1, CKR_FUNCTION_FAILED);
        const absl::Status status = fault.call();
        EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << fault.function << ": " << status;
        EXPECT_THAT(std::string(status.message()), testing::HasSubstr("CKR_FUNCTION_FAILED"));
        const auto list = hsm_->List();
        ASSERT_TRUE(list.ok()) << fault.function << ": " << list.status();
        ASSERT_EQ(list->size(), 1u) << fault.function;
        EXPECT_FALSE(list->front().has_certificate || list->front().unreadable) << fault.function;
        EXPECT_TRUE(Sign(key->get()).ok()) << fault.function;
    }
    EXPECT_TRUE(hsm_->VerifySoPin(Secret(kSoPin)).ok());
}

}  // namespace
}  // namespace provhub::hsm
