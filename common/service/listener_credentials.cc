#include "common/service/listener_credentials.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/config/config.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/log.h"
#include "common/service/node_tls.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "common/tls/ephemeral_identity.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::service {
namespace {

constexpr runtime::Log kLog("server");

constexpr mode_t kPublicFile = 0644;

}  // namespace

absl::StatusOr<ListenerCredentials> ChooseListenerCredentials(const config::v1::Config& config, bool provisioning_mode,
                                                              NodeTls& tls) {
    if (!provisioning_mode) {
        return tls.NormalModeCredentials();
    }
    if (config::ProvisionsInPlaintext(config)) {
        return ListenerCredentials{grpc::InsecureServerCredentials(), grpc::InsecureServerCredentials(), "", true};
    }
    ASSIGN_OR_RETURN(const tls::EphemeralIdentity identity, tls::CreateEphemeralIdentity(absl::Now()));
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({identity.key_pem, identity.certificate_pem});
    const auto credentials = grpc::SslServerCredentials(options);
    return ListenerCredentials{credentials, credentials, identity.fingerprint};
}

absl::Status PublishFingerprint(const config::v1::Config& config, const ListenerCredentials& credentials) {
    const std::string path = absl::StrCat(config.working_dir(), "/server-fingerprint");
    if (credentials.fingerprint.empty()) {
        if (credentials.plaintext) {
            kLog.Warning(
                "provisioningTransport is \"plaintext\": passwords cross the network for everybody to read, and nobody "
                "knows whom they talk to");
        }
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
            return absl::ErrnoToStatus(errno, absl::StrCat("removing '", path, "'"));
        }
        return absl::OkStatus();
    }
    kLog.Notice(absl::StrCat("the certificate of this start has the SHA-256 fingerprint ", credentials.fingerprint,
                             ": tools pin it with --server-fingerprint, nodes with serverFingerprint"));
    return status::Annotate(
        runtime::WriteFileAtomically(path, absl::StrCat(credentials.fingerprint, "\n"), kPublicFile),
        "publish the fingerprint");
}

}  // namespace provhub::service
