// An operator whose key is in a token: from its making to a call over mutual TLS.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/csr.h"
#include "common/crypto/node_uri.h"
#include "common/crypto/private_key.h"
#include "common/tls/tls_version.h"
#include "iamanager/version.grpc.pb.h"
#include "tests/support/softhsm.h"
#include "tools/provctl/commands.h"
#include "tools/provctl/dev_ca.h"
#include "tools/provctl/pem_key.h"

namespace provhub::provctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kPin[] = "1234567890";

// Answers operators only.
class VersionService final : public iamanager::IAMVersionService::Service {
 public:
    grpc::Status GetAPIVersion(grpc::ServerContext* context, const google::protobuf::Empty*,
                               iamanager::APIVersion* response) override {
        response->set_version(6);
        const auto names = context->auth_context()->FindPropertyValues("x509_subject_alternative_name");
        return std::ranges::find(names, crypto::kOperatorUri) != names.end()
                   ? grpc::Status::OK
                   : grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no operator");
    }
};

struct Result {
    int exit_status = 0;
    std::string out;
    std::string err;
};

class OperatorTest : public ::testing::TestWithParam<std::string> {
 protected:
    static void SetUpTestSuite() { tls::RequireTls13(); }

    void SetUp() override {
        ::setenv("XDG_STATE_HOME", temp_.File("state").c_str(), 1);
        ASSERT_EQ(DevCa::Create(ca_, absl::Now()), absl::OkStatus());
        const auto token = softhsm_.Create("operator");
        ASSERT_TRUE(token->Initialise(crypto::Secret("so pin"), crypto::Secret(kPin)).ok());
        key_ = absl::StrCat("pkcs11:token=operator;object=me?module-path=", test::SoftHsm::Library(),
                            "&pin-source=", temp_.Write("pin", absl::StrCat(kPin, "\n")));
        ::chmod(temp_.File("pin").c_str(), 0600);
        StartServer();
    }

    void TearDown() override {
        server_->Shutdown();
        ::unsetenv("XDG_STATE_HOME");
    }

    void StartServer() {
        const auto ca = DevCa::Open(ca_, absl::Now());
        const auto key = crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384);
        ASSERT_TRUE(WritePemKey(temp_.File("server.key"), key->get()).ok());
        const auto csr = crypto::CreateCsr(
            key->get(), {"server", {crypto::ExtendedKeyUsage::kServerAuth}, {"main.example", "127.0.0.1"}});
        const auto chain = ca->Sign(*csr, absl::Now());
        ASSERT_TRUE(chain.ok()) << chain.status();
        grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
        options.pem_root_certs = ca->root().Pem();
        options.pem_key_cert_pairs.push_back({temp_.Read("server.key"), *chain});
        grpc::ServerBuilder builder;
        builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
        builder.RegisterService(&service_);
        server_ = builder.BuildAndStart();
        ASSERT_NE(server_, nullptr);
    }

    static Result Call(std::vector<std::string> arguments, const std::string& input = {}) {
        arguments.insert(arguments.begin(), {"provctl", "-o", "json", "--timeout", "5s"});
        std::vector<const char*> argv;
        std::ranges::transform(arguments, std::back_inserter(argv), [](const std::string& a) { return a.c_str(); });
        const auto parsed = ParseCommandLine(static_cast<int>(argv.size()), argv.data());
        if (const auto* nothing = std::get_if<cli::NothingToRun>(&parsed)) {
            return {.exit_status = nothing->exit_status, .out = {}, .err = nothing->message};
        }
        std::istringstream in(input);
        std::ostringstream out;
        std::ostringstream err;
        const int exit_status = provctl::Run(std::get<CommandLine>(parsed), {.in = in, .out = out, .err = err});
        return {.exit_status = exit_status, .out = out.str(), .err = err.str()};
    }

    static std::string Value(const Result& result, const std::string& name) {
        return nlohmann::json::parse(result.out)[name];
    }

    // The certificate's file.
    std::string MakeOperator(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"csr", "--subject", "operator-1"});
        const Result csr = Call(arguments);
        EXPECT_EQ(csr.exit_status, 0) << csr.err;
        const Result chain = Call({"ca", "sign", ca_}, Value(csr, "csr"));
        EXPECT_EQ(chain.exit_status, 0) << chain.err;
        return temp_.Write("operator.pem", Value(chain, "chain"));
    }

    Result Version(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {"version", "--server", absl::StrCat("127.0.0.1:", port_), "--ca-cert",
                                             absl::StrCat(ca_, "/root.pem")});
        return Call(arguments);
    }

    // Declared first: whoever uses the tokens goes before it.
    const test::SoftHsm softhsm_;
    const test::TempDir temp_;
    const std::string ca_ = temp_.File("ca");
    std::string key_;
    VersionService service_;
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

TEST_P(OperatorTest, CallsOverMutualTlsWithAKeyThatStaysInTheToken) {
    const std::string certificate = MakeOperator({"--new-key", key_, "--algorithm", GetParam(), "--operator"});
    const Result result = Version({"--cert", certificate, "--key", key_});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_THAT(test::SoftHsm::Pkcs11Tool("operator", absl::StrCat("--login --pin ", kPin, " --list-objects")).output,
                AllOf(HasSubstr("sensitive"), HasSubstr("never extractable")));
}

INSTANTIATE_TEST_SUITE_P(Keys, OperatorTest, ::testing::Values("ecc", "rsa"));

class OneOperatorTest : public OperatorTest {};

TEST_P(OneOperatorTest, IsKnownByTheRoleInItsCertificateAlone) {
    const std::string certificate = MakeOperator({"--new-key", key_});
    const Result result = Version({"--cert", certificate, "--key", key_});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(result.err, HasSubstr("no operator"));
}

TEST_P(OneOperatorTest, VerifiesTheNameOfTheServer) {
    const std::string file = temp_.File("operator.key");
    const std::string certificate = MakeOperator({"--new-key", file, "--operator"});
    EXPECT_EQ(Version({"--cert", certificate, "--key", file}).exit_status, 0);
    EXPECT_EQ(Version({"--cert", certificate, "--key", file, "--server-name", "main.example"}).exit_status, 0);
    const Result result = Version({"--cert", certificate, "--key", file, "--server-name", "other.example"});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(result.err, HasSubstr("other.example"));
}

TEST_P(OneOperatorTest, MakesNoSecondKeyOfOneName) {
    EXPECT_EQ(Call({"csr", "--subject", "a", "--new-key", key_}).exit_status, 0);
    const Result again = Call({"csr", "--subject", "a", "--new-key", key_});
    EXPECT_EQ(again.exit_status, 1);
    EXPECT_THAT(again.err, HasSubstr("already"));
    EXPECT_EQ(Call({"csr", "--subject", "a", "--key", key_}).exit_status, 0);
}

TEST_P(OneOperatorTest, IsToldWhatIsWrongWithItsKey) {
    const std::string certificate = MakeOperator({"--new-key", temp_.File("other.key")});
    EXPECT_THAT(Version({"--cert", certificate, "--key", key_}).err, HasSubstr("no such private key"));
    EXPECT_EQ(Call({"csr", "--subject", "a", "--new-key", key_}).exit_status, 0);
    EXPECT_THAT(Version({"--cert", certificate, "--key", key_}).err, HasSubstr("is not the key of the first"));
    EXPECT_THAT(Version({"--cert", certificate, "--key", "pkcs11:token=operator;object=me"}).err,
                HasSubstr("pin-source=FILE"));
    temp_.Write("pin", "wrong pin\n");
    ::chmod(temp_.File("pin").c_str(), 0600);
    EXPECT_THAT(Version({"--cert", certificate, "--key", key_}).err, HasSubstr("CKR_PIN_INCORRECT"));
    ::chmod(temp_.File("pin").c_str(), 0644);
    EXPECT_EQ(Version({"--cert", certificate, "--key", key_}).exit_status, 1);
}

INSTANTIATE_TEST_SUITE_P(Keys, OneOperatorTest, ::testing::Values("ecc"));

}  // namespace
}  // namespace provhub::provctl
