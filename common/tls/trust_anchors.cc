#include "common/tls/trust_anchors.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"

namespace provhub::tls {
namespace {

constexpr std::size_t kMaxFileBytes = 256 * 1024;

absl::Status Fault(const std::string& path, absl::string_view what) {
    return absl::FailedPreconditionError(
        absl::StrCat("caCert '", path, "': ", what, "; it needs the certificate of the authority, PEM"));
}

absl::StatusOr<std::vector<crypto::Certificate>> ReadAnchors(const std::string& path) {
    if (path.empty()) {
        return absl::FailedPreconditionError(
            "caCert is not set: without the certificate of an authority nobody can be trusted");
    }
    const auto pem = runtime::ReadSmallFile(path, kMaxFileBytes);
    if (!pem.ok()) {
        return Fault(path, pem.status().message());
    }
    auto certificates = crypto::ParsePemCertificates(*pem);
    if (!certificates.ok()) {
        return Fault(path, certificates.status().message());
    }
    for (const crypto::Certificate& certificate : *certificates) {
        if (X509_check_ca(certificate.get()) == 0) {
            return Fault(path, absl::StrCat("'", certificate.Subject(), "' is no authority"));
        }
    }
    return certificates;
}

bool SameDer(const crypto::Certificate& a, const crypto::Certificate& b) {
    return X509_cmp(a.get(), b.get()) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrustAnchors>> TrustAnchors::Load(std::string path) {
    ASSIGN_OR_RETURN(auto certificates, ReadAnchors(path));
    return std::unique_ptr<TrustAnchors>(new TrustAnchors(std::move(path), std::move(certificates)));
}

TrustAnchors::TrustAnchors(std::string path, std::vector<crypto::Certificate> certificates)
    : path_(std::move(path)), current_(std::make_shared<const Set>(Set{std::move(certificates), 0})) {}

std::shared_ptr<const TrustAnchors::Set> TrustAnchors::Current() const {
    absl::MutexLock lock(&mutex_);
    return current_;
}

absl::StatusOr<bool> TrustAnchors::Reload() {
    ASSIGN_OR_RETURN(auto certificates, ReadAnchors(path_));
    absl::MutexLock lock(&mutex_);
    if (std::ranges::equal(certificates, current_->certificates, SameDer)) {
        return false;
    }
    current_ = std::make_shared<const Set>(Set{std::move(certificates), current_->generation + 1});
    return true;
}

}  // namespace provhub::tls
