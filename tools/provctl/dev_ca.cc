#include "tools/provctl/dev_ca.h"

#include <openssl/err.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/private_key.h"
#include "common/crypto/random.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "tools/provctl/issue_certificate.h"
#include "tools/provctl/pem_key.h"

namespace provhub::provctl {
namespace {

using crypto::Certificate;
using crypto::OpenSslError;

constexpr const char* kRootPem = "root.pem";
constexpr const char* kRootKey = "root.key";
constexpr const char* kIntermediatePem = "intermediate.pem";
constexpr const char* kIntermediateKey = "intermediate.key";
constexpr const char* kChainPem = "chain.pem";
constexpr std::array kFiles = {kRootPem, kRootKey, kIntermediatePem, kIntermediateKey, kChainPem};

constexpr mode_t kPublic = 0644;
constexpr std::size_t kMaxFileBytes = std::size_t{64} * 1024;
constexpr std::size_t kNameBytes = 4;

constexpr int kHoursOfYear = 24 * 365;
constexpr absl::Duration kRootLifetime = absl::Hours(10 * kHoursOfYear);
constexpr absl::Duration kIntermediateLifetime = absl::Hours(5 * kHoursOfYear);
constexpr absl::Duration kLeafLifetime = absl::Hours(kHoursOfYear);
// A node's clock may be behind that of the machine that signs.
constexpr absl::Duration kClockSkew = absl::Minutes(5);

std::string PathOf(const std::string& directory, const char* file) {
    return absl::StrCat(directory, "/", file);
}

absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
    ASSIGN_OR_RETURN(const std::string pem, runtime::ReadSmallFile(path, kMaxFileBytes));
    const auto certificates = crypto::ParsePemCertificates(pem);
    if (!certificates.ok()) {
        return absl::FailedPreconditionError(absl::StrCat(path, ": ", certificates.status().message()));
    }
    return certificates->front();
}

absl::Status CheckUnused(const std::string& directory) {
    for (const char* file : kFiles) {
        struct stat unused;
        const std::string path = PathOf(directory, file);
        if (::lstat(path.c_str(), &unused) == 0) {
            return absl::AlreadyExistsError(
                absl::StrCat(path, " exists already: choose another directory, or remove the CA that is there"));
        }
        if (errno != ENOENT) {
            return absl::ErrnoToStatus(errno, path);
        }
    }
    return absl::OkStatus();
}

}  // namespace

DevCa::DevCa(Certificate root, Certificate intermediate, crypto::EvpPkeyPtr key)
    : root_(std::move(root)), intermediate_(std::move(intermediate)), key_(std::move(key)) {}

absl::Status DevCa::Create(const std::string& directory, absl::Time now) {
    RETURN_IF_ERROR(CheckUnused(directory));
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr root_key, crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384));
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr intermediate_key, crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384));
    // Two CAs of one name would confuse those who look for an issuer by name.
    const std::string tag = absl::BytesToHexString(crypto::RandomBytes(kNameBytes));
    const absl::Time not_before = now - kClockSkew;
    ASSIGN_OR_RETURN(const Certificate root, IssueRoot(root_key.get(), absl::StrCat("Provhub development root ", tag),
                                                       {.not_before = not_before, .not_after = now + kRootLifetime}));
    ASSIGN_OR_RETURN(const Certificate intermediate,
                     IssueIntermediate(intermediate_key.get(), absl::StrCat("Provhub development intermediate ", tag),
                                       {.certificate = root, .key = root_key.get()},
                                       {.not_before = not_before, .not_after = now + kIntermediateLifetime}));

    RETURN_IF_ERROR(runtime::WriteFileAtomically(PathOf(directory, kRootPem), root.Pem(), kPublic));
    RETURN_IF_ERROR(WritePemKey(PathOf(directory, kRootKey), root_key.get()));
    RETURN_IF_ERROR(WritePemKey(PathOf(directory, kIntermediateKey), intermediate_key.get()));
    RETURN_IF_ERROR(runtime::WriteFileAtomically(PathOf(directory, kChainPem),
                                                 absl::StrCat(intermediate.Pem(), root.Pem()), kPublic));
    return runtime::WriteFileAtomically(PathOf(directory, kIntermediatePem), intermediate.Pem(), kPublic);
}

absl::StatusOr<DevCa> DevCa::Open(const std::string& directory, absl::Time now) {
    ASSIGN_OR_RETURN(Certificate root, ReadCertificate(PathOf(directory, kRootPem)));
    ASSIGN_OR_RETURN(Certificate intermediate, ReadCertificate(PathOf(directory, kIntermediatePem)));
    ASSIGN_OR_RETURN(crypto::EvpPkeyPtr key, ReadPemKey(PathOf(directory, kIntermediateKey)));
    if (X509_check_private_key(intermediate.get(), key.get()) != 1) {
        ERR_clear_error();
        return absl::FailedPreconditionError(
            absl::StrCat(directory, ": ", kIntermediateKey, " is not the key of ", kIntermediatePem));
    }
    if (const auto chain = crypto::VerifyChain(intermediate, {}, {root}, now); !chain.ok()) {
        return absl::FailedPreconditionError(absl::StrCat(directory, ": ", chain.status().message()));
    }
    return DevCa(std::move(root), std::move(intermediate), std::move(key));
}

absl::StatusOr<std::string> DevCa::Sign(absl::string_view csr_pem, absl::Time now) const {
    const Validity validity{.not_before = now - kClockSkew,
                            .not_after = std::min(now + kLeafLifetime, intermediate_.not_after())};
    ASSIGN_OR_RETURN(const Certificate leaf,
                     IssueLeaf(csr_pem, {.certificate = intermediate_, .key = key_.get()}, validity));
    return absl::StrCat(leaf.Pem(), intermediate_.Pem());
}

}  // namespace provhub::provctl
