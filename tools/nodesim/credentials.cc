#include "tools/nodesim/credentials.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/crypto/csr.h"
#include "common/crypto/node_uri.h"
#include "common/crypto/private_key.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/tls/channel_credentials.h"
#include "common/tls/ephemeral_identity.h"
#include "tools/provctl/dev_ca.h"

namespace provhub::nodesim {
namespace {

using CredentialsPtr = std::shared_ptr<grpc::ChannelCredentials>;
using CredentialsOf = std::function<absl::StatusOr<CredentialsPtr>(const std::string& node_id)>;

constexpr std::size_t kMaxPemBytes = std::size_t{256} * 1024;
constexpr absl::string_view kPlaceholder = "{id}";
constexpr int kPingIntervalMs = 10'000;
constexpr int kConnectTimeoutMs = 30'000;

std::string ForNode(const std::string& path, const std::string& node_id) {
    return absl::StrReplaceAll(path, {{kPlaceholder, node_id}});
}

absl::StatusOr<CredentialsPtr> FromFiles(const Connection& connection, const std::string& node_id) {
    grpc::SslCredentialsOptions ssl;
    ASSIGN_OR_RETURN(ssl.pem_root_certs, runtime::ReadSmallFile(connection.ca_cert, kMaxPemBytes));
    if (!connection.cert.empty()) {
        ASSIGN_OR_RETURN(ssl.pem_cert_chain, runtime::ReadSmallFile(ForNode(connection.cert, node_id), kMaxPemBytes));
        ASSIGN_OR_RETURN(ssl.pem_private_key, runtime::ReadSmallFile(ForNode(connection.key, node_id), kMaxPemBytes));
    }
    return grpc::SslCredentials(ssl);
}

absl::StatusOr<CredentialsPtr> FromCa(const provctl::DevCa& ca, const std::string& anchors,
                                      const std::string& node_id) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = anchors;
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384));
    crypto::CertificateRequest request;
    request.common_name = node_id;
    request.extended_key_usage = {crypto::ExtendedKeyUsage::kClientAuth};
    request.alternative_names = {crypto::NodeUri(crypto::kNodeUriPrefix, node_id)};
    ASSIGN_OR_RETURN(const std::string csr, crypto::CreateCsr(key.get(), request));
    ASSIGN_OR_RETURN(ssl.pem_cert_chain, ca.Sign(csr, absl::Now()));
    ASSIGN_OR_RETURN(ssl.pem_private_key, crypto::PrivateKeyPem(key.get()));
    return grpc::SslCredentials(ssl);
}

absl::StatusOr<CredentialsOf> CreateCredentials(const Connection& connection) {
    const auto shared = [](CredentialsPtr credentials) -> CredentialsOf {
        return [credentials = std::move(credentials)](const std::string&) { return credentials; };
    };
    if (connection.plaintext) {
        return shared(grpc::InsecureChannelCredentials());
    }
    if (!connection.server_fingerprint.empty()) {
        return shared(tls::FingerprintCredentials(tls::PinnedTo(connection.server_fingerprint)));
    }
    if (!connection.ca_directory.empty()) {
        ASSIGN_OR_RETURN(auto opened, provctl::DevCa::Open(connection.ca_directory, absl::Now()));
        auto ca = std::make_shared<const provctl::DevCa>(std::move(opened));
        std::string anchors = ca->root().Pem();
        if (!connection.ca_cert.empty()) {
            ASSIGN_OR_RETURN(anchors, runtime::ReadSmallFile(connection.ca_cert, kMaxPemBytes));
        }
        return [ca = std::move(ca), anchors = std::move(anchors)](const std::string& node_id) {
            return FromCa(*ca, anchors, node_id);
        };
    }
    if (!absl::StrContains(connection.cert + connection.key, kPlaceholder)) {
        ASSIGN_OR_RETURN(CredentialsPtr credentials, FromFiles(connection, ""));
        return shared(std::move(credentials));
    }
    return [connection](const std::string& node_id) { return FromFiles(connection, node_id); };
}

grpc::ChannelArguments Arguments(const Connection& connection) {
    grpc::ChannelArguments arguments;
    // A connection for each node, and nothing in it that one stream does not need.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
    if (!connection.server_name.empty()) {
        arguments.SetSslTargetNameOverride(connection.server_name);
    } else if (!connection.server_fingerprint.empty()) {
        arguments.SetSslTargetNameOverride(tls::kEphemeralServerName);
    }
    return arguments;
}

}  // namespace

absl::StatusOr<Connector> CreateConnector(const Connection& connection) {
    ASSIGN_OR_RETURN(CredentialsOf credentials_of, CreateCredentials(connection));
    return [credentials_of = std::move(credentials_of), arguments = Arguments(connection),
            server = connection.server](const std::string& node_id) -> absl::StatusOr<std::shared_ptr<grpc::Channel>> {
        ASSIGN_OR_RETURN(const CredentialsPtr credentials, credentials_of(node_id));
        return grpc::CreateCustomChannel(server, credentials, arguments);
    };
}

}  // namespace provhub::nodesim
