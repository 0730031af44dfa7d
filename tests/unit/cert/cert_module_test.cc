#include "common/cert/cert_module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <functional>
#include <thread>

#include "common/cert/proof_of_possession.h"
#include "common/cert/stored_chain.h"
#include "tests/support/fake_hsm.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_ca.h"

namespace provhub::cert {
namespace {

using test::FakeHsm;
using test::IsError;
using test::IsOk;
using ::testing::SizeIs;

// Makes one write to a real store fail, having done nothing.
class FailingStore final : public CertStore {
 public:
    explicit FailingStore(std::unique_ptr<CertStore> store) : store_(std::move(store)) {}

    void FailWrite(int nth) { countdown_ = nth; }

    absl::Status Add(const ManifestEntry& entry) override {
        return Write([&] { return store_->Add(entry); });
    }
    absl::Status SetPublicKey(const std::string& token, const hsm::ObjectId& id,
                              absl::string_view public_key) override {
        return Write([&] { return store_->SetPublicKey(token, id, public_key); });
    }
    absl::Status Remove(const std::string& token, const hsm::ObjectId& id) override {
        return Write([&] { return store_->Remove(token, id); });
    }
    absl::Status Activate(const std::string& token, const CertRecord& record,
                          const std::vector<hsm::ObjectId>& authorities) override {
        return Write([&] { return store_->Activate(token, record, authorities); });
    }
    absl::Status AddToken(const std::string& token, const std::string& serial) override {
        return store_->AddToken(token, serial);
    }
    absl::Status Clear() override { return store_->Clear(); }
    absl::StatusOr<std::vector<ManifestEntry>> Entries() override { return store_->Entries(); }
    absl::StatusOr<std::vector<hsm::ObjectId>> UnusedAuthorities(const std::string& token) override {
        return store_->UnusedAuthorities(token);
    }
    absl::StatusOr<std::vector<StoredCertificate>> Certificates() override { return store_->Certificates(); }
    absl::StatusOr<std::map<std::string, std::string>> Tokens() override { return store_->Tokens(); }

 private:
    absl::Status Write(const std::function<absl::Status()>& write) {
        return countdown_ > 0 && --countdown_ == 0 ? absl::ResourceExhaustedError("disk full") : write();
    }

    const std::unique_ptr<CertStore> store_;
    int countdown_ = 0;
};

class CertModuleTest : public ::testing::Test {
 protected:
    CertModuleTest() : store_(*CertStore::Open(dir_.File("provhub.db"))) {
        auto hsm = std::make_unique<FakeHsm>("core");
        hsm_ = hsm.get();
        token_.name = "core";
        token_.hsm = std::move(hsm);
        token_.user_pin_path = "/pin";
        EXPECT_THAT(hsm_->Initialise(crypto::Secret("so pin"), crypto::Secret("user pin")), IsOk());
        config_.set_id("iam");
        config_.set_algorithm("ecc");
        config_.set_max_items(1);
        config_.add_extended_key_usage("serverAuth");
        config_.add_alternative_names("unit.example");
    }

    CertModule Module() { return CertModule(config_, token_, store_); }

    absl::StatusOr<CertRecord> Apply(const test::TestCa& ca, const std::string& csr) {
        return Module().ApplyCert({ca.IssueFor(csr), ca.certificate()}, {root_.certificate()}, now_, in_use_);
    }

    const test::TempDir dir_;
    const test::TestCa root_{"Root"};
    const test::TestCa intermediate_{root_, "Intermediate"};
    const absl::Time now_ = absl::Now();
    FailingStore store_;
    Token token_;
    FakeHsm* hsm_ = nullptr;
    config::v1::CertModule config_;
    CertModule::InUse in_use_ = [](const CertRecord&) {};
};

TEST_F(CertModuleTest, WritesTheIntentDownBeforeAKeyIsMade) {
    FakeHsm::Hold hold(*hsm_, "GenerateKeyPair");
    std::thread creating([this] { EXPECT_THAT(Module().CreateKey("unit-1", now_), IsOk()); });
    ASSERT_TRUE(hold.AwaitCalls(1));
    const auto second = CertStore::Open(dir_.File("provhub.db"));
    ASSERT_THAT(second, IsOk());
    const auto entries = (*second)->Entries();
    ASSERT_THAT(entries, IsOk());
    EXPECT_THAT(*entries, SizeIs(1));
    EXPECT_THAT(entries->front().id, SizeIs(16));
    hold.Release();
    creating.join();
}

TEST_F(CertModuleTest, AsksForTheUsageAndTheNamesOfItsConfiguration) {
    const auto csr = Module().CreateKey("unit-1", now_);
    ASSERT_THAT(csr, IsOk());
    const auto leaf = intermediate_.IssueFor(*csr);
    EXPECT_EQ(X509_check_host(leaf.get(), "unit.example", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_get_extended_key_usage(leaf.get()), static_cast<unsigned>(XKU_SSL_SERVER));
}

TEST_F(CertModuleTest, MakesAnRsaKeyWhereConfigured) {
    config_.set_algorithm("rsa");
    const auto csr = Module().CreateKey("unit-1", now_);
    ASSERT_THAT(csr, IsOk());
    const crypto::Certificate leaf = intermediate_.IssueFor(*csr);
    EVP_PKEY* key = X509_get0_pubkey(leaf.get());
    EXPECT_EQ(EVP_PKEY_get_base_id(key), EVP_PKEY_RSA);
    EXPECT_EQ(EVP_PKEY_get_bits(key), 2048);
}

TEST_F(CertModuleTest, LeavesNothingOfAKeyThatCouldNotBeWrittenDown) {
    for (int nth = 1; nth <= 2; ++nth) {
        store_.FailWrite(nth);
        EXPECT_THAT(Module().CreateKey("unit-1", now_), IsError(absl::StatusCode::kResourceExhausted, "disk full"));
        EXPECT_THAT(*hsm_->List(), SizeIs(0)) << nth;
        EXPECT_THAT(*store_.Entries(), SizeIs(0)) << nth;
    }
}

TEST_F(CertModuleTest, KeepsTheOldIdentityWhenTheNewOneCouldNotBeWrittenDown) {
    const auto first_csr = Module().CreateKey("unit-1", now_);
    const auto old = Apply(intermediate_, *first_csr);
    ASSERT_THAT(old, IsOk());
    const test::TestCa other(root_, "Other");
    const auto csr = Module().CreateKey("unit-1", now_);
    const crypto::Certificate leaf = other.IssueFor(*csr);
    // The intermediate certificate, then the activation.
    for (int nth = 1; nth <= 2; ++nth) {
        store_.FailWrite(nth);
        EXPECT_THAT(Module().ApplyCert({leaf, other.certificate()}, {root_.certificate()}, now_, in_use_),
                    IsError(absl::StatusCode::kResourceExhausted, "disk full"));
        const auto certificates = store_.Certificates();
        ASSERT_THAT(*certificates, SizeIs(1)) << nth;
        EXPECT_EQ(certificates->front().record, *old);
        EXPECT_THAT(hsm_->ReadCertificate(old->object_id), IsOk());
        // The old identity with its intermediate certificate, and the key that waits.
        EXPECT_THAT(*hsm_->List(), SizeIs(3)) << nth;
        EXPECT_THAT(*store_.Entries(), SizeIs(3)) << nth;
    }
    EXPECT_THAT(Module().ApplyCert({leaf, other.certificate()}, {root_.certificate()}, now_, in_use_), IsOk());
    EXPECT_THAT(*hsm_->List(), SizeIs(2));
}

TEST_F(CertModuleTest, KeepsTheOldIdentityWhenTheNewKeyDoesNotProveItself) {
    ASSERT_THAT(Apply(intermediate_, *Module().CreateKey("unit-1", now_)), IsOk());
    const auto old = *store_.Certificates();
    const auto csr = Module().CreateKey("unit-1", now_);
    ASSERT_THAT(csr, IsOk());
    const std::size_t objects = hsm_->List()->size();
    in_use_ = [](const CertRecord& record) { ADD_FAILURE() << "published " << record.serial; };
    hsm_->FailCall("Sign", 1, absl::UnavailableError("the device hiccuped"));
    EXPECT_THAT(Apply(intermediate_, *csr), IsError(absl::StatusCode::kInternal, "the device hiccuped"));
    const auto kept = *store_.Certificates();
    ASSERT_THAT(kept, SizeIs(1));
    EXPECT_EQ(kept.front().record, old.front().record);
    EXPECT_EQ(hsm_->List()->size(), objects);
    const auto key = hsm_->LoadKey(old.front().record.object_id);
    const auto certificate = crypto::Certificate::FromDer(*hsm_->ReadCertificate(old.front().record.object_id));
    EXPECT_THAT(ProvePossession(key->get(), *certificate), IsOk());
    in_use_ = [](const CertRecord&) {};
    EXPECT_THAT(Apply(intermediate_, *csr), IsOk());
}

TEST_F(CertModuleTest, SaysThatTheNewIdentityIsInUseWhileTheOldOneIsStillThere) {
    const auto old = Apply(intermediate_, *Module().CreateKey("unit-1", now_));
    ASSERT_THAT(old, IsOk());
    int told = 0;
    in_use_ = [&](const CertRecord& record) {
        ++told;
        for (const auto& id : {old->object_id, record.object_id}) {
            const auto key = hsm_->LoadKey(id);
            const auto certificate = crypto::Certificate::FromDer(*hsm_->ReadCertificate(id));
            ASSERT_THAT(key, IsOk());
            EXPECT_THAT(ProvePossession(key->get(), *certificate), IsOk());
        }
    };
    const auto current = Apply(intermediate_, *Module().CreateKey("unit-1", now_));
    ASSERT_THAT(current, IsOk());
    EXPECT_EQ(told, 1);
    EXPECT_FALSE(hsm_->LoadKey(old->object_id).ok());
    EXPECT_THAT(hsm_->LoadKey(current->object_id), IsOk());
}

TEST_F(CertModuleTest, ReportsSuccessWhenOnlyTheOldIdentityCouldNotBeRemoved) {
    ASSERT_THAT(Apply(intermediate_, *Module().CreateKey("unit-1", now_)), IsOk());
    const auto csr = Module().CreateKey("unit-1", now_);
    hsm_->FailCall("Destroy", 1, absl::UnavailableError("busy"));
    const auto renewed = Apply(intermediate_, *csr);
    ASSERT_THAT(renewed, IsOk());
    EXPECT_EQ(store_.Certificates()->front().record, *renewed);
}

TEST_F(CertModuleTest, SharesAnIntermediateCertificateAmongTypes) {
    config_.set_max_items(2);
    ASSERT_THAT(Apply(intermediate_, *Module().CreateKey("unit-1", now_)), IsOk());
    ASSERT_THAT(Apply(intermediate_, *Module().CreateKey("unit-1", now_)), IsOk());
    EXPECT_THAT(*hsm_->List(), SizeIs(3));
}

TEST_F(CertModuleTest, StoresBothCertificatesOfAnAuthorityThatWasCertifiedTwice) {
    const crypto::Certificate renewed = root_.Issue(intermediate_.key(), "Intermediate");
    StoredChain chain(token_, store_, now_);
    ASSERT_THAT(chain.AddAuthorities({intermediate_.certificate(), renewed, renewed}), IsOk());
    ASSERT_THAT(chain.authorities(), SizeIs(3));
    EXPECT_EQ(*hsm_->ReadCertificate(chain.authorities()[0]), intermediate_.certificate().Der());
    EXPECT_EQ(*hsm_->ReadCertificate(chain.authorities()[1]), renewed.Der());
    EXPECT_EQ(chain.authorities()[1], chain.authorities()[2]);
}

TEST_F(CertModuleTest, FinishesAnApplicationThatWasCutOffBeforeItsEnd) {
    const auto csr = Module().CreateKey("unit-1", now_);
    const crypto::Certificate leaf = intermediate_.IssueFor(*csr);
    ASSERT_THAT(hsm_->StoreCertificate(store_.Entries()->front().id, "iam", leaf.Der(), false), IsOk());
    EXPECT_THAT(Module().ApplyCert({leaf, intermediate_.certificate()}, {root_.certificate()}, now_, in_use_), IsOk());
}

TEST_F(CertModuleTest, MakesASelfSignedCertificateThatItsKeySignsFor) {
    config_.set_self_signed(true);
    const auto record = Module().MakeSelfSigned("unit-1", now_, in_use_);
    ASSERT_THAT(record, IsOk());
    const auto certificate = crypto::Certificate::FromDer(*hsm_->ReadCertificate(record->object_id));
    ASSERT_THAT(certificate, IsOk());
    EXPECT_TRUE(certificate->IsSelfSigned());
    const auto key = hsm_->LoadKey(record->object_id);
    ASSERT_THAT(key, IsOk());
    EXPECT_THAT(ProvePossession(key->get(), *certificate), IsOk());
    EXPECT_EQ(record->cert_url.substr(0, 30), "pkcs11:token=core;object=iam;i");
}

TEST(ProvePossession, FailsForTheCertificateOfAnotherKey) {
    const test::TestCa one("One");
    const test::TestCa two("Two");
    EXPECT_THAT(ProvePossession(one.key(), one.certificate()), IsOk());
    EXPECT_THAT(ProvePossession(one.key(), two.certificate()),
                IsError(absl::StatusCode::kFailedPrecondition, "CN=Two"));
}

}  // namespace
}  // namespace provhub::cert
