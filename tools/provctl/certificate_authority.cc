#include "tools/provctl/certificate_authority.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/csr.h"
#include "common/crypto/node_uri.h"
#include "common/status/macros.h"
#include "tools/provctl/shell_command.h"

namespace provhub::provctl {
namespace {

class DevAuthority final : public CertificateAuthority {
 public:
    explicit DevAuthority(DevCa ca) : ca_(std::move(ca)) {}

    absl::StatusOr<std::string> Sign(const SigningRequest& request) override {
        ASSIGN_OR_RETURN(const std::string chain, ca_.Sign(request.csr, absl::Now()));
        return absl::StrCat(chain, ca_.root().Pem());
    }

 private:
    const DevCa ca_;
};

class CommandAuthority final : public CertificateAuthority {
 public:
    CommandAuthority(std::string command, absl::Duration limit) : command_(std::move(command)), limit_(limit) {}

    absl::StatusOr<std::string> Sign(const SigningRequest& request) override {
        ASSIGN_OR_RETURN(
            std::string chain,
            RunShellCommand(command_, request.csr,
                            {{"PROVHUB_NODE", request.node_id}, {"PROVHUB_CERT_TYPE", request.cert_type}}, limit_));
        if (absl::StripAsciiWhitespace(chain).empty()) {
            return absl::UnknownError(absl::StrCat("'", command_, "' printed no certificate"));
        }
        return chain;
    }

 private:
    const std::string command_;
    const absl::Duration limit_;
};

}  // namespace

absl::Status CheckRequest(const SigningRequest& request) {
    ASSIGN_OR_RETURN(const std::vector<std::string> uris, crypto::VerifiedUrisOfCsr(request.csr));
    for (const std::string& uri : uris) {
        if (absl::StartsWith(uri, crypto::kNodeUriPrefix) &&
            crypto::NodeIdOfUri(crypto::kNodeUriPrefix, uri) != request.node_id) {
            return absl::PermissionDeniedError(absl::StrCat("the request of node '", request.node_id, "' names '", uri,
                                                            "', another node: it was not signed"));
        }
    }
    return absl::OkStatus();
}

std::unique_ptr<CertificateAuthority> CreateDevAuthority(DevCa ca) {
    return std::make_unique<DevAuthority>(std::move(ca));
}

std::unique_ptr<CertificateAuthority> CreateCommandAuthority(std::string command, absl::Duration limit) {
    return std::make_unique<CommandAuthority>(std::move(command), limit);
}

}  // namespace provhub::provctl
