#include "common/tls/verify_peer.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/crypto/subject_names.h"

namespace provhub::tls {
namespace {

constexpr std::size_t kMaxNameInMessage = 128;

std::string Which(const crypto::Certificate& certificate) {
    return absl::StrCat("certificate '", certificate.Subject().substr(0, kMaxNameInMessage), "'");
}

std::string Day(absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::Status Refused(const crypto::Certificate& certificate, absl::string_view why) {
    return absl::UnauthenticatedError(absl::StrCat(Which(certificate), " ", why));
}

bool IsAnchor(const crypto::Certificate& certificate, const std::vector<crypto::Certificate>& anchors) {
    return std::ranges::any_of(
        anchors, [&](const crypto::Certificate& anchor) { return X509_cmp(anchor.get(), certificate.get()) == 0; });
}

}  // namespace

absl::StatusOr<crypto::Chain> VerifyPeer(const crypto::Certificate& leaf,
                                         const std::vector<crypto::Certificate>& others,
                                         const std::vector<crypto::Certificate>& anchors, PeerRole role,
                                         absl::Time now) {
    if (now >= leaf.not_after()) {
        return Refused(leaf, absl::StrCat("expired on ", Day(leaf.not_after())));
    }
    if (now < leaf.not_before()) {
        return Refused(leaf, absl::StrCat("is not yet valid, it will be on ", Day(leaf.not_before())));
    }
    if (leaf.IsSelfSigned() && !IsAnchor(leaf, anchors)) {
        return Refused(leaf, "is self-signed and no trust anchor");
    }
    auto chain = crypto::VerifyChain(leaf, others, anchors, now);
    if (!chain.ok()) {
        return absl::UnauthenticatedError(chain.status().message());
    }
    const bool client = role == PeerRole::kClient;
    const bool fits =
        X509_check_purpose(leaf.get(), client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER, 0) == 1;
    ERR_clear_error();
    if (!fits) {
        return Refused(
            leaf, absl::StrCat("is not for this use: the usage ", client ? "clientAuth" : "serverAuth", " is missing"));
    }
    return chain;
}

absl::Status VerifyServerName(const crypto::Certificate& leaf, absl::string_view name) {
    const std::string text(name);
    const bool matches = !text.empty() && (X509_check_ip_asc(leaf.get(), text.c_str(), 0) == 1 ||
                                           X509_check_host(leaf.get(), text.data(), text.size(),
                                                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1);
    ERR_clear_error();
    if (matches) {
        return absl::OkStatus();
    }
    const std::vector<std::string> names = crypto::AlternativeNames(leaf);
    return Refused(leaf, absl::StrCat("is not for '", text, "' but for ",
                                      names.empty() ? "no host" : absl::StrJoin(names, ", ").substr(0, 512)));
}

}  // namespace provhub::tls
