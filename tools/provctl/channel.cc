#include "tools/provctl/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/crypto/certificate.h"
#include "common/crypto/fingerprint.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "common/tls/channel_credentials.h"
#include "common/tls/ephemeral_identity.h"
#include "common/tls/identity.h"
#include "common/tls/known_servers.h"
#include "common/tls/trust_anchors.h"
#include "tools/provctl/state_directory.h"

namespace provhub::provctl {
namespace {

constexpr std::size_t kMaxPemBytes = std::size_t{256} * 1024;
constexpr int kInitialBackoffMs = 200;
constexpr int kMaxBackoffMs = 2000;

// The host of HOST:PORT or [ADDRESS]:PORT.
std::string HostOf(absl::string_view server) {
    const std::size_t colon = server.rfind(':');
    absl::string_view host = server.substr(0, colon);
    if (absl::ConsumePrefix(&host, "[")) {
        absl::ConsumeSuffix(&host, "]");
    }
    return std::string(host);
}

tls::FingerprintCheck Remembering(tls::FingerprintCheck check, std::shared_ptr<SeenServer> seen) {
    return [check = std::move(check), seen = std::move(seen)](absl::string_view fingerprint) {
        seen->SetFingerprint(std::string(fingerprint));
        return check(fingerprint);
    };
}

absl::StatusOr<tls::FingerprintCheck> CheckOf(const ConnectionOptions& options) {
    if (!options.server_fingerprint.empty()) {
        return tls::PinnedTo(options.server_fingerprint);
    }
    const auto state = StateDirectory();
    if (!state.ok()) {
        return absl::FailedPreconditionError(absl::StrCat("nowhere to remember servers, ", state.status().message(),
                                                          ": name --server-fingerprint or --ca-cert"));
    }
    return tls::TrustedOnFirstUse(std::make_shared<tls::KnownServers>(absl::StrCat(*state, "/known_servers")),
                                  options.server, [server = options.server](absl::string_view fingerprint) {
                                      std::cerr << absl::StrCat("provctl: trusting ", server,
                                                                " on first use; the SHA-256 fingerprint of its "
                                                                "certificate is ",
                                                                fingerprint, "\n");
                                  });
}

absl::StatusOr<std::shared_ptr<const tls::Identity>> IdentityOf(const std::string& path, const UserKey& key) {
    ASSIGN_OR_RETURN(std::string pem, runtime::ReadSmallFile(path, kMaxPemBytes));
    const auto chain = crypto::ParsePemCertificates(pem);
    if (!chain.ok()) {
        return absl::FailedPreconditionError(absl::StrCat("--cert ", path, ": ", chain.status().message()));
    }
    const crypto::Certificate& leaf = chain->front();
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr private_key, key.Load());
    ASSIGN_OR_RETURN(const std::string public_key, crypto::PublicKeyDer(private_key.get()));
    if (public_key != leaf.PublicKeyDer()) {
        return absl::FailedPreconditionError(
            absl::StrCat("--key ", key.name(), " is not the key of the first certificate in ", path));
    }
    tls::Identity identity{.chain_pem = std::move(pem),
                           .key = {},
                           .fingerprint = crypto::Fingerprint(leaf),
                           .subject = leaf.Subject(),
                           .not_after = leaf.not_after()};
    ASSIGN_OR_RETURN(identity.key, key.ForTls());
    return std::make_shared<const tls::Identity>(std::move(identity));
}

// With the key of `connection`.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CreateCredentials(const ConnectionOptions& options,
                                                                            const Connection& connection) {
    if (options.plaintext) {
        return grpc::InsecureChannelCredentials();
    }
    if (options.ca_cert.empty()) {
        ASSIGN_OR_RETURN(tls::FingerprintCheck check, CheckOf(options));
        return tls::FingerprintCredentials(Remembering(std::move(check), connection.seen));
    }
    auto anchors = tls::TrustAnchors::Load(options.ca_cert);
    if (!anchors.ok()) {
        return status::Annotate(anchors.status(), "--ca-cert");
    }
    std::shared_ptr<const tls::Identity> identity;
    if (connection.key != nullptr) {
        ASSIGN_OR_RETURN(identity, IdentityOf(options.cert, *connection.key));
    }
    const std::string name = options.server_name.empty() ? HostOf(options.server) : options.server_name;
    return tls::VerifiedCredentials(*std::move(anchors), name, std::move(identity));
}

}  // namespace

absl::StatusOr<Connection> Connect(const ConnectionOptions& options) {
    Connection connection;
    connection.seen = std::make_shared<SeenServer>();
    if (!options.key.empty() && !options.cert.empty()) {
        ASSIGN_OR_RETURN(connection.key, UserKey::Open(options.key));
    }
    ASSIGN_OR_RETURN(const auto credentials, CreateCredentials(options, connection));
    grpc::ChannelArguments arguments;
    // A proxy of the environment is for the web, not for the vehicle's network.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialBackoffMs);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxBackoffMs);
    if (!options.plaintext && options.ca_cert.empty()) {
        arguments.SetSslTargetNameOverride(tls::kEphemeralServerName);
    } else if (!options.server_name.empty()) {
        arguments.SetSslTargetNameOverride(options.server_name);
    }
    connection.channel = grpc::CreateCustomChannel(options.server, credentials, arguments);
    return connection;
}

}  // namespace provhub::provctl
