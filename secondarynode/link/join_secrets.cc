#include "secondarynode/link/join_secrets.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::link {
namespace {

constexpr std::size_t kMaxBytes = 256;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

// Empty where there is no such file.
absl::StatusOr<std::string> ReadPrivate(const std::string& path, absl::string_view what) {
    struct stat file {};
    if (path.empty() || (::stat(path.c_str(), &file) != 0 && errno == ENOENT)) {
        return std::string();
    }
    if ((file.st_mode & kOthers) != 0) {
        return absl::FailedPreconditionError(
            absl::StrCat(what, " '", path, "' can be read by others: chmod 600, and create a new token"));
    }
    auto content = runtime::ReadSmallFile(path, kMaxBytes);
    RETURN_IF_ERROR(status::Annotate(content.status(), what));
    const absl::string_view text = absl::StripAsciiWhitespace(*content);
    const auto is_of_token = [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
    };
    if (text.empty() || !std::ranges::all_of(text, is_of_token)) {
        return absl::FailedPreconditionError(
            absl::StrCat(what, " '", path, "' does not hold what `provctl token create` prints"));
    }
    return std::string(text);
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> JoinSecrets::Metadata() const {
    std::vector<std::pair<std::string, std::string>> metadata;
    ASSIGN_OR_RETURN(std::string token, ReadPrivate(token_path_, "joinTokenPath"));
    if (!token.empty()) {
        metadata.emplace_back("provhub-join-token", std::move(token));
    }
    ASSIGN_OR_RETURN(std::string secret, ReadPrivate(secret_path_, "rejoin secret"));
    if (!secret.empty()) {
        metadata.emplace_back(kRejoinSecretKey, std::move(secret));
    }
    return metadata;
}

absl::Status JoinSecrets::Keep(absl::string_view rejoin_secret) const {
    return runtime::WriteFileAtomically(secret_path_, absl::StrCat(rejoin_secret, "\n"), 0600);
}

}  // namespace provhub::link
