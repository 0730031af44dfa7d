#include "common/provisioning/password_gate.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/openssl.h"
#include "common/crypto/random.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"

namespace provhub::provisioning {
namespace {

constexpr std::size_t kMinPassword = 4;
constexpr std::size_t kMaxPassword = 255;

constexpr absl::string_view kHeading = "provhub-verifier 1";
constexpr std::size_t kMaxFileBytes = 4096;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;

// Bounds on what a file may ask of this machine.
constexpr std::uint64_t kMaxN = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxR = 32;
constexpr std::uint64_t kMaxP = 16;

struct ScryptHash {
    ScryptCost cost;
    std::string salt;
    std::string hash;
};

absl::StatusOr<std::string> Scrypt(const crypto::Secret& password, const ScryptHash& parameters) {
    constexpr std::uint64_t kSpare = 32 * 1024 * 1024;
    const std::uint64_t memory = 128 * parameters.cost.r * (parameters.cost.n + parameters.cost.p) + kSpare;
    std::string hash(kHashBytes, '\0');
    if (EVP_PBE_scrypt(password.Reveal().data(), password.size(),
                       reinterpret_cast<const unsigned char*>(parameters.salt.data()), parameters.salt.size(),
                       parameters.cost.n, parameters.cost.r, parameters.cost.p, memory,
                       reinterpret_cast<unsigned char*>(hash.data()), hash.size()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "scrypt");
    }
    return hash;
}

std::string Format(const ScryptHash& value) {
    return absl::StrCat(kHeading, "\nscrypt ", value.cost.n, " ", value.cost.r, " ", value.cost.p, "\n",
                        absl::BytesToHexString(value.salt), "\n", absl::BytesToHexString(value.hash), "\n");
}

absl::StatusOr<ScryptHash> Parse(const std::string& content, const std::string& path) {
    const std::vector<std::string> lines = absl::StrSplit(content, '\n');
    const std::vector<std::string> cost = lines.size() < 4 ? std::vector<std::string>{} : absl::StrSplit(lines[1], ' ');
    ScryptHash value;
    const bool understood = cost.size() == 4 && lines[0] == kHeading && cost[0] == "scrypt" &&
                            absl::SimpleAtoi(cost[1], &value.cost.n) && absl::SimpleAtoi(cost[2], &value.cost.r) &&
                            absl::SimpleAtoi(cost[3], &value.cost.p) && value.cost.n <= kMaxN &&
                            value.cost.r <= kMaxR && value.cost.p <= kMaxP && lines[2].size() == 2 * kSaltBytes &&
                            lines[3].size() == 2 * kHashBytes;
    if (!understood) {
        return absl::FailedPreconditionError(
            absl::StrCat("'", path, "' is damaged: no password can be checked until the node is deprovisioned"));
    }
    value.salt = absl::HexStringToBytes(lines[2]);
    value.hash = absl::HexStringToBytes(lines[3]);
    return value;
}

}  // namespace

absl::Status PasswordGate::CheckLength(const crypto::Secret& password) {
    if (password.empty()) {
        return absl::InvalidArgumentError("the password is empty");
    }
    if (password.size() < kMinPassword || password.size() > kMaxPassword) {
        return absl::InvalidArgumentError(absl::StrCat("the password has ", password.size(), " bytes; it needs ",
                                                       kMinPassword, " to ", kMaxPassword));
    }
    return absl::OkStatus();
}

PasswordGate::PasswordGate(const std::string& working_dir, const runtime::Scheduler& clock, const ScryptCost& cost)
    : path_(absl::StrCat(working_dir, "/verifier")),
      clock_(clock),
      cost_(cost),
      limiter_(absl::StrCat(working_dir, "/attempts")) {}

bool PasswordGate::HasVerifier() const {
    struct stat info;
    return ::stat(path_.c_str(), &info) == 0;
}

absl::Status PasswordGate::Set(const crypto::Secret& password) {
    RETURN_IF_ERROR(CheckLength(password));
    ScryptHash value;
    value.cost = cost_;
    value.salt = crypto::RandomBytes(kSaltBytes);
    ASSIGN_OR_RETURN(value.hash, Scrypt(password, value));
    return runtime::WriteFileAtomically(path_, Format(value), 0600);
}

absl::Status PasswordGate::Remove() {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
        return absl::ErrnoToStatus(errno, absl::StrCat("removing '", path_, "'"));
    }
    return absl::OkStatus();
}

absl::Status PasswordGate::Verify(const crypto::Secret& password) {
    return VerifyWith(password, [&] { return Compare(password); });
}

absl::Status PasswordGate::VerifyWith(const crypto::Secret& password, absl::FunctionRef<absl::Status()> verifier) {
    RETURN_IF_ERROR(CheckLength(password));
    RETURN_IF_ERROR(limiter_.Check(clock_.Now()));
    const absl::Status status = verifier();
    if (absl::IsPermissionDenied(status)) {
        limiter_.RecordWrong(clock_.Now());
    } else if (status.ok()) {
        limiter_.RecordRight();
    }
    return status;
}

absl::Status PasswordGate::Compare(const crypto::Secret& password) const {
    const auto content = runtime::ReadSmallFile(path_, kMaxFileBytes);
    if (absl::IsNotFound(content.status())) {
        return absl::FailedPreconditionError("this node has no password yet: call StartProvisioning first");
    }
    RETURN_IF_ERROR(content.status());
    ASSIGN_OR_RETURN(const ScryptHash expected, Parse(*content, path_));
    ASSIGN_OR_RETURN(const std::string hash, Scrypt(password, expected));
    if (CRYPTO_memcmp(hash.data(), expected.hash.data(), hash.size()) != 0) {
        return absl::PermissionDeniedError("wrong password");
    }
    return absl::OkStatus();
}

}  // namespace provhub::provisioning
