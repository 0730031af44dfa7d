#include "common/hsm/pkcs11_hsm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/certificate.h"
#include "common/crypto/csr.h"
#include "tests/support/softhsm.h"
#include "tests/support/test_ca.h"

namespace provhub::hsm {
namespace {

using crypto::KeyAlgorithm;
using crypto::Secret;
using test::SoftHsm;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kSoPin[] = "security officer";
constexpr char kUserPin[] = "0123456789abcdef01234567";

std::string Message(const absl::Status& status) {
    return std::string(status.message());
}

class Pkcs11HsmTest : public testing::Test {
 protected:
    void InitialiseToken() {
        const absl::Status status = hsm_->Initialise(Secret(kSoPin), Secret(kUserPin));
        ASSERT_TRUE(status.ok()) << status;
    }

    std::size_t Objects() {
        const auto list = hsm_->List();
        EXPECT_TRUE(list.ok()) << list.status();
        return list.ok() ? list->size() : 0;
    }

    absl::Status Generate(const ObjectId& id, KeyAlgorithm algorithm = KeyAlgorithm::kEcP384) {
        return hsm_->GenerateKeyPair(id, "iam", algorithm);
    }

    const SoftHsm softhsm_;
    std::unique_ptr<Hsm> hsm_ = softhsm_.Create("aoscore");
};

TEST_F(Pkcs11HsmTest, AFreshSlotIsATokenThatIsNotInitialised) {
    const auto state = hsm_->State();
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_FALSE(state->initialised);
    EXPECT_EQ(hsm_->name(), "aoscore");
    EXPECT_EQ(hsm_->Open(Secret(kUserPin)).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(hsm_->List().status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(hsm_->VerifySoPin(Secret(kSoPin)).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(hsm_->Close().ok());
}

TEST_F(Pkcs11HsmTest, InitialisingLeavesAnEmptyOpenToken) {
    InitialiseToken();
    const auto state = hsm_->State();
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_TRUE(state->initialised);
    EXPECT_TRUE(state->user_pin_set);
    EXPECT_EQ(state->label, "aoscore");
    EXPECT_EQ(state->manufacturer, "SoftHSM project");
    EXPECT_EQ(state->serial.size(), 16u);
    EXPECT_EQ(Objects(), 0u);
}

TEST_F(Pkcs11HsmTest, IsFoundAgainByTheNextProcess) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    hsm_.reset();
    hsm_ = softhsm_.Create("aoscore");
    EXPECT_TRUE(hsm_->State()->initialised);
    EXPECT_EQ(hsm_->List().status().code(), absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
    EXPECT_EQ(Objects(), 1u);
}

TEST_F(Pkcs11HsmTest, SeveralTokensAreMadeOneAfterTheOtherAndDoNotDisturbEachOther) {
    auto second = softhsm_.Create("aoscloud");
    InitialiseToken();
    EXPECT_FALSE(second->State()->initialised);
    ASSERT_TRUE(second->Initialise(Secret("another so"), Secret("another user")).ok());
    auto third = softhsm_.Create("third");
    ASSERT_TRUE(third->Initialise(Secret("third so"), Secret("third user")).ok());
    ASSERT_TRUE(Generate("1").ok());
    ASSERT_TRUE(second->GenerateKeyPair("2", "online", KeyAlgorithm::kEcP384).ok());

    ASSERT_TRUE(second->Close().ok());
    EXPECT_EQ(Objects(), 1u);
    ASSERT_TRUE(hsm_->Initialise(Secret(kSoPin), Secret(kUserPin)).ok());
    ASSERT_TRUE(second->Open(Secret("another user")).ok());
    EXPECT_EQ(second->List()->front().id, "2");
    EXPECT_EQ(Objects(), 0u);
    second.reset();
    EXPECT_TRUE(Generate("3").ok());
    EXPECT_TRUE(third->List()->empty());
}

TEST_F(Pkcs11HsmTest, KeysHaveTheAttributesOfAKeyThatNeverLeavesTheToken) {
    InitialiseToken();
    ASSERT_TRUE(Generate("\x01\xab", KeyAlgorithm::kEcP384).ok());
    ASSERT_TRUE(Generate("\x02", KeyAlgorithm::kRsa2048).ok());
    ASSERT_TRUE(hsm_->Close().ok());
    const std::string objects = SoftHsm::Pkcs11Tool("aoscore", absl::StrCat("--login --pin ", kUserPin, " -O")).output;
    EXPECT_THAT(objects, HasSubstr("EC_POINT 384 bits"));
    EXPECT_THAT(objects, HasSubstr("RSA 2048 bits"));
    EXPECT_THAT(objects, HasSubstr("01ab"));
    EXPECT_THAT(objects, AllOf(HasSubstr("Usage:      decrypt, sign\n"), HasSubstr("Usage:      sign\n")));
    EXPECT_THAT(objects, HasSubstr("Access:     sensitive, always sensitive, never extractable, local"));
    EXPECT_THAT(objects, Not(HasSubstr("unwrap")));
    const std::string public_only = SoftHsm::Pkcs11Tool("aoscore", "-O").output;
    EXPECT_THAT(public_only, Not(HasSubstr("Private Key Object")));
}

TEST_F(Pkcs11HsmTest, RequestsAndCertificatesOfTokenKeysVerifyWithOpenssl) {
    InitialiseToken();
    int number = 0;
    for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEcP384, KeyAlgorithm::kRsa2048}) {
        const ObjectId id = absl::StrCat("key", ++number);
        ASSERT_TRUE(Generate(id, algorithm).ok());
        const auto key = hsm_->LoadKey(id);
        ASSERT_TRUE(key.ok()) << key.status();
        const auto csr = crypto::CreateCsr(key->get(), {"node 1", {crypto::ExtendedKeyUsage::kServerAuth}, {"host"}});
        ASSERT_TRUE(csr.ok()) << csr.status();
        const test::TempDir directory;
        EXPECT_THAT(
            test::RunCommand(absl::StrCat("openssl req -verify -noout -in ", directory.Write("csr", *csr))).output,
            HasSubstr("verify OK"));

        const auto self_signed = crypto::CreateSelfSigned(key->get(), {"disk", {}, {}}, absl::Now() - absl::Minutes(1),
                                                          absl::Now() + absl::Hours(1));
        ASSERT_TRUE(self_signed.ok()) << self_signed.status();
        const std::string self_signed_path = directory.Write("self", self_signed->Pem());
        EXPECT_EQ(test::RunCommand(
                      absl::StrCat("openssl verify -check_ss_sig -CAfile ", self_signed_path, " ", self_signed_path))
                      .exit_status,
                  0);

        const test::TestCa ca("CA");
        EXPECT_EQ(
            test::RunCommand(absl::StrCat("openssl verify -CAfile ", directory.Write("ca", ca.certificate().Pem()), " ",
                                          directory.Write("leaf", ca.IssueFor(*csr).Pem())))
                .exit_status,
            0);
    }
}

TEST_F(Pkcs11HsmTest, StoresACertificateBesideItsKey) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    const test::TestCa ca("CA");
    const auto key = hsm_->LoadKey("1");
    const crypto::Certificate leaf = ca.Issue(key->get(), "leaf");
    ASSERT_TRUE(hsm_->StoreCertificate("1", "iam", leaf.Der(), false).ok());
    ASSERT_TRUE(hsm_->StoreCertificate("ca", "iam", ca.certificate().Der(), true).ok());
    EXPECT_EQ(*hsm_->ReadCertificate("1"), leaf.Der());
    EXPECT_EQ(hsm_->StoreCertificate("1", "iam", leaf.Der(), false).code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(hsm_->StoreCertificate("2", "iam", "garbage", false).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(hsm_->ReadCertificate("2").status().code(), absl::StatusCode::kNotFound);

    const auto list = hsm_->List();
    ASSERT_EQ(list->size(), 2u);
    const auto pair = std::ranges::find(*list, "1", &StoredObject::id);
    ASSERT_NE(pair, list->end());
    EXPECT_TRUE(pair->has_private_key && pair->has_public_key && pair->has_certificate && !pair->unreadable);
    EXPECT_EQ(pair->label, "iam");
    ASSERT_TRUE(hsm_->Close().ok());
    const std::string objects = SoftHsm::Pkcs11Tool("aoscore", "-O --type cert").output;
    EXPECT_THAT(objects, AllOf(HasSubstr("subject:    DN: CN=leaf"), HasSubstr("subject:    DN: CN=CA")));
}

TEST_F(Pkcs11HsmTest, RefusesAnIdThatIsTakenOrEmptyAndOneThatIsNotThere) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    EXPECT_EQ(Generate("1").code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(Generate("").code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(hsm_->LoadKey("2").status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(hsm_->Destroy("").code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(hsm_->Destroy("2").ok());
    EXPECT_EQ(Objects(), 1u);
    EXPECT_TRUE(hsm_->Destroy("1").ok());
    EXPECT_EQ(Objects(), 0u);
}

TEST_F(Pkcs11HsmTest, ListsAndDestroysHalfAPairAndObjectsWithoutAnId) {
    InitialiseToken();
    ASSERT_TRUE(Generate("whole").ok());
    ASSERT_TRUE(Generate("half").ok());
    ASSERT_TRUE(hsm_->Close().ok());
    const std::string login = absl::StrCat("--login --pin ", kUserPin, " ");
    ASSERT_EQ(SoftHsm::Pkcs11Tool("aoscore", login + "--delete-object --type pubkey --id 68616c66").exit_status, 0);
    ASSERT_EQ(SoftHsm::Pkcs11Tool("aoscore", login + "--keypairgen --key-type EC:secp384r1 --label stray").exit_status,
              0);
    ASSERT_TRUE(hsm_->Open(Secret(kUserPin)).ok());

    const auto list = hsm_->List();
    ASSERT_TRUE(list.ok()) << list.status();
    const auto half = std::ranges::find(*list, "half", &StoredObject::id);
    ASSERT_NE(half, list->end());
    EXPECT_TRUE(half->has_private_key);
    EXPECT_FALSE(half->has_public_key);
    EXPECT_EQ(std::ranges::count(*list, "", &StoredObject::id), 2);
    EXPECT_EQ(hsm_->LoadKey("half").status().code(), absl::StatusCode::kNotFound);

    EXPECT_TRUE(hsm_->Destroy("half").ok());
    EXPECT_TRUE(hsm_->DestroyUnnamed().ok());
    const auto left = hsm_->List();
    ASSERT_EQ(left->size(), 1u);
    EXPECT_EQ(left->front().id, "whole");
    EXPECT_TRUE(crypto::CreateCsr(hsm_->LoadKey("whole")->get(), {"n", {}, {}}).ok());
}

TEST_F(Pkcs11HsmTest, AWrongUserPinIsDeniedAndNamed) {
    InitialiseToken();
    ASSERT_TRUE(hsm_->Close().ok());
    const absl::Status status = hsm_->Open(Secret("wrong pin"));
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(Message(status), "token 'aoscore': C_Login: CKR_PIN_INCORRECT");
    EXPECT_EQ(hsm_->List().status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
    EXPECT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
}

TEST_F(Pkcs11HsmTest, AWrongSoPinChangesNothing) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    const auto key = hsm_->LoadKey("1");
    EXPECT_EQ(hsm_->VerifySoPin(Secret("wrong pin")).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(hsm_->Initialise(Secret("wrong pin"), Secret("other user")).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(hsm_->ChangeSoPin(Secret("wrong pin"), Secret("other so")).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(Objects(), 1u);
    EXPECT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
    ASSERT_TRUE(hsm_->Close().ok());
    EXPECT_EQ(hsm_->Initialise(Secret("wrong pin"), Secret("other user")).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(hsm_->List().status().code(), absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
    EXPECT_TRUE(hsm_->VerifySoPin(Secret(kSoPin)).ok());
    EXPECT_EQ(Objects(), 1u);
}

TEST_F(Pkcs11HsmTest, VerifyingTheSoPinOfAClosedTokenLeavesItClosed) {
    InitialiseToken();
    ASSERT_TRUE(hsm_->Close().ok());
    EXPECT_TRUE(hsm_->VerifySoPin(Secret(kSoPin)).ok());
    EXPECT_EQ(hsm_->List().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(Pkcs11HsmTest, InitialisingAgainMakesTheTokenEmptyWithANewUserPin) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    const auto key = hsm_->LoadKey("1");
    ASSERT_TRUE(hsm_->Initialise(Secret(kSoPin), Secret("another user pin")).ok());
    EXPECT_EQ(Objects(), 0u);
    EXPECT_FALSE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
    ASSERT_TRUE(hsm_->Close().ok());
    EXPECT_EQ(hsm_->Open(Secret(kUserPin)).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_TRUE(hsm_->Open(Secret("another user pin")).ok());
    EXPECT_EQ(softhsm_.TokenDirectories().size(), 1u);
}

TEST_F(Pkcs11HsmTest, ChangingTheSoPinKeepsTheObjects) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    ASSERT_TRUE(hsm_->ChangeSoPin(Secret(kSoPin), Secret("the next officer")).ok());
    EXPECT_EQ(Objects(), 1u);
    EXPECT_EQ(hsm_->VerifySoPin(Secret(kSoPin)).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_TRUE(hsm_->VerifySoPin(Secret("the next officer")).ok());
    EXPECT_TRUE(hsm_->Initialise(Secret("the next officer"), Secret(kUserPin)).ok());
}

TEST_F(Pkcs11HsmTest, RefusesPinsOfAWrongLengthBeforeAnythingIsChanged) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    for (const std::string& pin : {std::string(), std::string("abc"), std::string(256, 'p')}) {
        EXPECT_EQ(hsm_->Initialise(Secret(pin), Secret(kUserPin)).code(), absl::StatusCode::kInvalidArgument);
        EXPECT_EQ(hsm_->Initialise(Secret(kSoPin), Secret(pin)).code(), absl::StatusCode::kInvalidArgument);
        EXPECT_EQ(hsm_->ChangeSoPin(Secret(kSoPin), Secret(pin)).code(), absl::StatusCode::kInvalidArgument);
        EXPECT_FALSE(hsm_->VerifySoPin(Secret(pin)).ok());
    }
    EXPECT_EQ(Objects(), 1u);
    EXPECT_TRUE(hsm_->Initialise(Secret(std::string(255, 's')), Secret(std::string(255, 'u'))).code() ==
                absl::StatusCode::kPermissionDenied);
}

TEST_F(Pkcs11HsmTest, AKeyStopsSigningWhileTheTokenIsClosedAndSignsAgainAfterwards) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    const auto key = hsm_->LoadKey("1");
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
    ASSERT_TRUE(hsm_->Close().ok());
    EXPECT_THAT(Message(crypto::CreateCsr(key->get(), {"n", {}, {}}).status()), HasSubstr("the token is not open"));
    ASSERT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
    EXPECT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
    ASSERT_TRUE(hsm_->VerifySoPin(Secret(kSoPin)).ok());
    EXPECT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
}

TEST_F(Pkcs11HsmTest, LogsInAgainWhenTheLoginWasEndedBehindItsBack) {
    InitialiseToken();
    ASSERT_TRUE(Generate("1").ok());
    const auto key = hsm_->LoadKey("1");
    // Another user of the module in this process ends every session with the token.
    auto other = softhsm_.Create("aoscore");
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(other->Open(Secret(kUserPin)).ok());
        ASSERT_TRUE(other->Close().ok());
        if (round == 0) {
            EXPECT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
        } else {
            EXPECT_EQ(Objects(), 1u);
        }
    }
    ASSERT_TRUE(other->Open(Secret(kUserPin)).ok());
    ASSERT_TRUE(other->Close().ok());
    EXPECT_TRUE(Generate("2").ok());
    EXPECT_EQ(Objects(), 2u);
}

TEST_F(Pkcs11HsmTest, CallsRunSideBySideWhileOwnershipCallsWaitForThem) {
    InitialiseToken();
    ASSERT_TRUE(Generate("ec").ok());
    ASSERT_TRUE(Generate("rsa", KeyAlgorithm::kRsa2048).ok());
    const auto ec = hsm_->LoadKey("ec");
    const auto rsa = hsm_->LoadKey("rsa");
    const auto check = [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; };
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            while (!stop) {
                check(crypto::CreateCsr(i % 2 == 0 ? ec->get() : rsa->get(), {"n", {}, {}}).status());
            }
        });
    }
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int round = 0; round < 5; ++round) {
                const ObjectId id = absl::StrCat("own", i, "-", round);
                check(Generate(id));
                check(hsm_->LoadKey(id).status());
                check(hsm_->Destroy(id));
            }
        });
    }
    for (int round = 0; round < 5; ++round) {
        check(hsm_->VerifySoPin(Secret(kSoPin)));
        check(hsm_->List().status());
    }
    std::for_each(threads.begin() + 8, threads.end(), [](std::thread& thread) { thread.join(); });
    stop = true;
    std::for_each(threads.begin(), threads.begin() + 8, [](std::thread& thread) { thread.join(); });
    EXPECT_EQ(Objects(), 2u);
}

TEST(CreatePkcs11Hsm, SaysWhatIsWrongWithTheLibrary) {
    const SoftHsm softhsm;
    const auto code = [&](const std::string& library) {
        TokenSelector selector = SoftHsm::Selector("t");
        selector.library = library;
        return CreatePkcs11Hsm(selector, softhsm.state_dir()).status().code();
    };
    const test::TempDir directory;
    EXPECT_EQ(code("/nowhere/libsofthsm2.so"), absl::StatusCode::kNotFound);
    EXPECT_EQ(code(directory.Write("text.so", "no library")), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(code("libc.so.6"), absl::StatusCode::kFailedPrecondition);
}

TEST(CreatePkcs11Hsm, SaysThatSoftHsmsTokenDirectoryIsMissing) {
    const SoftHsm softhsm;
    ASSERT_EQ(rmdir(softhsm.tokens().c_str()), 0);
    const auto hsm = CreatePkcs11Hsm(SoftHsm::Selector("t"), softhsm.state_dir());
    EXPECT_EQ(hsm.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(Message(hsm.status()), HasSubstr(softhsm.tokens()));
}

TEST(CreatePkcs11Hsm, TakesExactlyOneSelector) {
    const SoftHsm softhsm;
    TokenSelector both = SoftHsm::Selector("t");
    both.slot_id = 0;
    EXPECT_EQ(CreatePkcs11Hsm(both, softhsm.state_dir()).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(CreatePkcs11Hsm(SoftHsm::Selector(""), softhsm.state_dir()).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(CreatePkcs11Hsm(SoftHsm::Selector(std::string(33, 'x')), softhsm.state_dir()).status().code(),
              absl::StatusCode::kInvalidArgument);
}

TEST(CreatePkcs11Hsm, FindsATokenBySlotIndexAndBySlotId) {
    const SoftHsm softhsm;
    TokenSelector selector = SoftHsm::Selector("");
    selector.slot_index = 0;
    {
        auto hsm = CreatePkcs11Hsm(selector, softhsm.state_dir());
        ASSERT_TRUE(hsm.ok()) << hsm.status();
        EXPECT_EQ((*hsm)->name(), "slot 0");
        ASSERT_TRUE((*hsm)->Initialise(Secret(kSoPin), Secret(kUserPin)).ok());
        EXPECT_EQ((*hsm)->State()->label, "provhub");
    }
    selector.slot_index.reset();
    selector.slot_id = 4711;
    EXPECT_EQ(CreatePkcs11Hsm(selector, softhsm.state_dir()).status().code(), absl::StatusCode::kNotFound);
    auto by_label = softhsm.Create("provhub");
    EXPECT_TRUE(by_label->State()->initialised);
}

}  // namespace
}  // namespace provhub::hsm
