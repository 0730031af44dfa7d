#include "common/service/main_node_access.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/fingerprint.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/tls/channel_credentials.h"
#include "common/tls/ephemeral_identity.h"
#include "common/tls/known_servers.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::service {
namespace {

constexpr runtime::Log kLog("link");

}  // namespace

absl::StatusOr<MainNodeAccess> ChooseMainNodeAccess(const config::v1::Config& config, bool provisioning_mode) {
    if (!provisioning_mode) {
        return absl::FailedPreconditionError(
            "this build reaches the main node in provisioning mode only: start it with --provisioning");
    }
    const std::string& address = config.main_iam_public_server_url();
    if (config.provisioning_transport() == "plaintext") {
        return MainNodeAccess{address, "plaintext", grpc::InsecureChannelCredentials(), ""};
    }
    if (!config.server_fingerprint().empty()) {
        ASSIGN_OR_RETURN(auto fingerprint, crypto::ParseFingerprint(config.server_fingerprint()));
        return MainNodeAccess{address, "TLS, pinned",
                              tls::FingerprintCredentials(tls::PinnedTo(std::move(fingerprint))),
                              tls::kEphemeralServerName};
    }
    auto known = std::make_shared<tls::KnownServers>(absl::StrCat(config.working_dir(), "/known_servers"));
    return MainNodeAccess{address, "TLS, trusted on first use",
                          tls::FingerprintCredentials(tls::TrustedOnFirstUse(
                              std::move(known), address,
                              [address](absl::string_view fingerprint) {
                                  kLog.Warning(absl::StrCat(
                                      "trusting ", address,
                                      " on first use; the SHA-256 fingerprint of its certificate is ", fingerprint));
                              })),
                          tls::kEphemeralServerName};
}

}  // namespace provhub::service
