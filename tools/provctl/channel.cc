#include "tools/provctl/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/tls/channel_credentials.h"
#include "common/tls/ephemeral_identity.h"
#include "common/tls/known_servers.h"

namespace provhub::provctl {
namespace {

constexpr std::size_t kMaxPemBytes = std::size_t{256} * 1024;
constexpr int kInitialBackoffMs = 200;
constexpr int kMaxBackoffMs = 2000;

absl::StatusOr<std::string> ReadPem(const std::string& path) {
    return path.empty() ? std::string() : runtime::ReadSmallFile(path, kMaxPemBytes);
}

// XDG Base Directory Specification: what a program remembers about the world is its state.
absl::StatusOr<std::string> KnownServersPath() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this process changes its environment any more.
    const char* state = std::getenv("XDG_STATE_HOME");
    if (state != nullptr && state[0] == '/') {
        return absl::StrCat(state, "/provhub/known_servers");
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/') {
        return absl::FailedPreconditionError(
            "nowhere to remember servers, HOME is not set: name --server-fingerprint or --ca-cert");
    }
    return absl::StrCat(home, "/.local/state/provhub/known_servers");
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CreateCredentials(const ConnectionOptions& options) {
    if (options.plaintext) {
        return grpc::InsecureChannelCredentials();
    }
    if (!options.server_fingerprint.empty()) {
        return tls::FingerprintCredentials(tls::PinnedTo(options.server_fingerprint));
    }
    if (options.ca_cert.empty()) {
        ASSIGN_OR_RETURN(std::string path, KnownServersPath());
        return tls::FingerprintCredentials(tls::TrustedOnFirstUse(
            std::make_shared<tls::KnownServers>(std::move(path)), options.server,
            [server = options.server](absl::string_view fingerprint) {
                std::cerr << absl::StrCat("provctl: trusting ", server,
                                          " on first use; the SHA-256 fingerprint of its certificate is ", fingerprint,
                                          "\n");
            }));
    }
    grpc::SslCredentialsOptions ssl;
    ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem(options.ca_cert));
    ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadPem(options.cert));
    ASSIGN_OR_RETURN(ssl.pem_private_key, ReadPem(options.key));
    return grpc::SslCredentials(ssl);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(const ConnectionOptions& options) {
    ASSIGN_OR_RETURN(const auto credentials, CreateCredentials(options));
    grpc::ChannelArguments arguments;
    // A proxy of the environment is for the web, not for the vehicle's network.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialBackoffMs);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxBackoffMs);
    if (!options.plaintext && options.ca_cert.empty()) {
        arguments.SetSslTargetNameOverride(tls::kEphemeralServerName);
    }
    return grpc::CreateCustomChannel(options.server, credentials, arguments);
}

}  // namespace provhub::provctl
