#include "common/tls/channel_credentials.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/certificate.h"
#include "common/crypto/fingerprint.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "common/tls/verify_peer.h"

namespace provhub::tls {
namespace {

using grpc::experimental::ExternalCertificateVerifier;
using grpc::experimental::TlsCustomVerificationCheckRequest;

class FingerprintVerifier final : public ExternalCertificateVerifier {
 public:
    explicit FingerprintVerifier(FingerprintCheck check) : check_(std::move(check)) {}

    bool Verify(TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)> /*callback*/,
                grpc::Status* sync_status) override {
        *sync_status = status::ToGrpc(Check({request->peer_cert().data(), request->peer_cert().size()}));
        return true;
    }

    void Cancel(TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
    absl::Status Check(absl::string_view peer_certificate_pem) const {
        ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> certificates,
                         crypto::ParsePemCertificates(peer_certificate_pem));
        return check_(crypto::Fingerprint(certificates.front()));
    }

    const FingerprintCheck check_;
};

class ChainVerifier final : public ExternalCertificateVerifier {
 public:
    // Without `check` what the anchors say is final.
    ChainVerifier(std::shared_ptr<const TrustAnchors> anchors, std::string server_name, FingerprintCheck check)
        : anchors_(std::move(anchors)), server_name_(std::move(server_name)), check_(std::move(check)) {}

    bool Verify(TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)> /*callback*/,
                grpc::Status* sync_status) override {
        absl::Status verified = Check(View(request->peer_cert()), View(request->peer_cert_full_chain()));
        if (!verified.ok() && check_) {
            const auto known = CheckFingerprint(View(request->peer_cert()));
            verified = known.ok() ? known
                                  : absl::PermissionDeniedError(
                                        absl::StrCat(known.message(), "; and by caCert: ", verified.message()));
        }
        *sync_status = status::ToGrpc(status::Annotate(verified, "the server is not trusted"));
        return true;
    }

    void Cancel(TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
    static absl::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

    absl::Status Check(absl::string_view leaf_pem, absl::string_view chain_pem) const {
        ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> leaf, crypto::ParsePemCertificates(leaf_pem));
        std::vector<crypto::Certificate> others;
        if (!chain_pem.empty()) {
            ASSIGN_OR_RETURN(others, crypto::ParsePemCertificates(chain_pem));
        }
        RETURN_IF_ERROR(
            VerifyPeer(leaf.front(), others, anchors_->Current()->certificates, PeerRole::kServer, absl::Now())
                .status());
        return VerifyServerName(leaf.front(), server_name_);
    }

    absl::Status CheckFingerprint(absl::string_view leaf_pem) const {
        ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> leaf, crypto::ParsePemCertificates(leaf_pem));
        return check_(crypto::Fingerprint(leaf.front()));
    }

    const std::shared_ptr<const TrustAnchors> anchors_;
    const std::string server_name_;
    const FingerprintCheck check_;
};

}  // namespace

std::shared_ptr<grpc::ChannelCredentials> FingerprintCredentials(FingerprintCheck check) {
    grpc::experimental::TlsChannelCredentialsOptions options;
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    options.set_certificate_verifier(ExternalCertificateVerifier::Create<FingerprintVerifier>(std::move(check)));
    return grpc::experimental::TlsCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> VerifiedCredentials(std::shared_ptr<const TrustAnchors> anchors,
                                                              std::string server_name,
                                                              std::shared_ptr<const Identity> identity) {
    grpc::experimental::TlsChannelCredentialsOptions options;
    // The verifier does all of it, so that its reasons are the ones that people read.
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    options.set_certificate_verifier(
        ExternalCertificateVerifier::Create<ChainVerifier>(std::move(anchors), std::move(server_name), nullptr));
    if (identity != nullptr) {
        options.set_certificate_provider(std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
            std::vector<grpc::experimental::IdentityKeyCertPair>{{identity->key, identity->chain_pem}}));
        options.watch_identity_key_cert_pairs();
    }
    return grpc::experimental::TlsCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> VerifiedOrKnownCredentials(std::shared_ptr<const TrustAnchors> anchors,
                                                                     std::string server_name, FingerprintCheck check) {
    grpc::experimental::TlsChannelCredentialsOptions options;
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    options.set_certificate_verifier(ExternalCertificateVerifier::Create<ChainVerifier>(
        std::move(anchors), std::move(server_name), std::move(check)));
    return grpc::experimental::TlsCredentials(options);
}

FingerprintCheck PinnedTo(std::string expected) {
    return [expected = std::move(expected)](absl::string_view fingerprint) {
        return fingerprint == expected
                   ? absl::OkStatus()
                   : absl::PermissionDeniedError(absl::StrCat("the server's certificate has the fingerprint ",
                                                              fingerprint, ", not the pinned ", expected));
    };
}

FingerprintCheck TrustedOnFirstUse(std::shared_ptr<KnownServers> known, std::string server,
                                   std::function<void(absl::string_view fingerprint)> on_first_use) {
    return [known = std::move(known), server = std::move(server),
            on_first_use = std::move(on_first_use)](absl::string_view fingerprint) -> absl::Status {
        ASSIGN_OR_RETURN(const bool first_use, known->TrustOnFirstUse(server, fingerprint));
        if (first_use) {
            on_first_use(fingerprint);
        }
        return absl::OkStatus();
    };
}

}  // namespace provhub::tls
