#include "common/tls/tls_version.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/tls/ephemeral_identity.h"
#include "iamanager/version.grpc.pb.h"

namespace provhub::tls {
namespace {

// Before the first use of TLS by any test of this program.
[[maybe_unused]] const bool kRequired = [] {
    RequireTls13();
    return true;
}();

// Whether openssl(1) finishes a handshake that is limited to one version.
bool Connects(int port, absl::string_view version) {
    const std::string command = absl::StrCat("openssl s_client -brief -alpn h2 -connect 127.0.0.1:", port, " -",
                                             version, " </dev/null >/dev/null 2>&1");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): its result, not its environment, is what is used.
    return std::system(command.c_str()) == 0;
}

TEST(RequireTls13, LeavesNoOtherVersionToAServer) {
    const EphemeralIdentity identity = CreateEphemeralIdentity(absl::Now()).value();
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({identity.key_pem, identity.certificate_pem});
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
    iamanager::IAMVersionService::CallbackService service;
    builder.RegisterService(&service);
    const auto server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    EXPECT_TRUE(Connects(port, "tls1_3"));
    EXPECT_FALSE(Connects(port, "tls1_2"));
}

}  // namespace
}  // namespace provhub::tls
