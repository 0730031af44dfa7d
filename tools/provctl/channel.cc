#include "tools/provctl/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <string>

#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"

namespace provhub::provctl {
namespace {

constexpr std::size_t kMaxPemBytes = std::size_t{256} * 1024;
constexpr int kInitialBackoffMs = 200;
constexpr int kMaxBackoffMs = 2000;

absl::StatusOr<std::string> ReadPem(const std::string& path) {
    return path.empty() ? std::string() : runtime::ReadSmallFile(path, kMaxPemBytes);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CreateCredentials(const ConnectionOptions& options) {
    if (options.plaintext) {
        return grpc::InsecureChannelCredentials();
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
    return grpc::CreateCustomChannel(options.server, credentials, arguments);
}

}  // namespace provhub::provctl
