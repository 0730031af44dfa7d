// The servers that are measured: provhub_bench_hub [ours | naive] [CA]
//
// Writes one line of JSON with their ports and ends when standard input does. With CA, the directory of a development
// CA, they speak mutual TLS with a P-384 certificate of it.
#include <grpcpp/security/server_credentials.h>

#include <cstdlib>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/crypto/csr.h"
#include "common/crypto/private_key.h"
#include "common/runtime/open_files.h"
#include "common/service/listener.h"
#include "common/status/macros.h"
#include "common/tls/tls_version.h"
#include "tests/bench/direct_service.h"
#include "tests/bench/naive_hub/naive_hub.h"
#include "tests/support/fake_unit.h"
#include "tools/provctl/dev_ca.h"

namespace provhub::bench {
namespace {

using CredentialsPtr = std::shared_ptr<grpc::ServerCredentials>;

absl::StatusOr<CredentialsPtr> Credentials(const std::string& ca_directory) {
    if (ca_directory.empty()) {
        return grpc::InsecureServerCredentials();
    }
    ASSIGN_OR_RETURN(const auto ca, provctl::DevCa::Open(ca_directory, absl::Now()));
    ASSIGN_OR_RETURN(const auto key, crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384));
    crypto::CertificateRequest request;
    request.common_name = "hub";
    request.extended_key_usage = {crypto::ExtendedKeyUsage::kServerAuth};
    request.alternative_names = {"127.0.0.1"};
    ASSIGN_OR_RETURN(const std::string csr, crypto::CreateCsr(key.get(), request));
    ASSIGN_OR_RETURN(const std::string chain, ca.Sign(csr, absl::Now()));
    ASSIGN_OR_RETURN(const std::string private_key, crypto::PrivateKeyPem(key.get()));
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = ca.root().Pem();
    options.pem_key_cert_pairs = {{private_key, chain}};
    return grpc::SslServerCredentials(options);
}

void WaitForEnd() {
    std::cin.ignore(std::numeric_limits<std::streamsize>::max());
}

absl::Status ServeNaive(const CredentialsPtr& credentials) {
    const NaiveHub hub(credentials);
    std::cout << nlohmann::json{{"public", hub.port()}, {"protected", hub.port()}} << std::endl;
    WaitForEnd();
    return absl::OkStatus();
}

absl::Status ServeOurs(const CredentialsPtr& credentials) {
    const test::FakeMainNode main_node(0, 0, credentials);
    DirectService direct;
    ASSIGN_OR_RETURN(
        const auto listener,
        service::Listener::Start({"direct", "127.0.0.1:0", credentials, {static_cast<grpc::Service*>(&direct)}}));
    std::cout << nlohmann::json{{"public", main_node.public_port()},
                                {"protected", main_node.protected_port()},
                                {"direct", listener->port()}}
              << std::endl;
    WaitForEnd();
    return absl::OkStatus();
}

absl::Status Run(const std::string& kind, const std::string& ca_directory) {
    ASSIGN_OR_RETURN(const CredentialsPtr credentials, Credentials(ca_directory));
    return kind == "naive" ? ServeNaive(credentials) : ServeOurs(credentials);
}

}  // namespace
}  // namespace provhub::bench

int main(int argc, char** argv) {
    // As the daemons do.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    provhub::tls::RequireTls13();
    provhub::runtime::RaiseOpenFilesLimit();
    const absl::Status status = provhub::bench::Run(argc > 1 ? argv[1] : "ours", argc > 2 ? argv[2] : "");
    if (!status.ok()) {
        std::cerr << status << "\n";
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
