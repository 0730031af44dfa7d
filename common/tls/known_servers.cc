#include "common/tls/known_servers.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/fingerprint.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::tls {
namespace {

constexpr std::size_t kMaxFileSize = 4 * 1024 * 1024;

absl::StatusOr<std::string> ReadIfThere(const std::string& path) {
    absl::StatusOr<std::string> content = runtime::ReadSmallFile(path, kMaxFileSize);
    return absl::IsNotFound(content.status()) ? std::string() : std::move(content);
}

// The recorded fingerprint of `server`. A line that can't be understood is an error: guessing would mean to trust.
absl::StatusOr<std::optional<std::string>> Find(absl::string_view content, absl::string_view server) {
    int number = 0;
    for (const absl::string_view line : absl::StrSplit(content, '\n')) {
        ++number;
        const absl::string_view text = absl::StripAsciiWhitespace(line);
        if (text.empty() || absl::StartsWith(text, "#")) {
            continue;
        }
        const std::vector<absl::string_view> words = absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
        if (words.size() != 2) {
            return absl::FailedPreconditionError(
                absl::StrCat("line ", number, ": expected HOST:PORT and a fingerprint"));
        }
        if (words[0] == server) {
            auto fingerprint = crypto::ParseFingerprint(words[1]);
            RETURN_IF_ERROR(status::Annotate(fingerprint.status(), absl::StrCat("line ", number)));
            return *std::move(fingerprint);
        }
    }
    return std::nullopt;
}

}  // namespace

absl::StatusOr<bool> KnownServers::TrustOnFirstUse(absl::string_view server, absl::string_view fingerprint) {
    absl::MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(std::string content, ReadIfThere(path_));
    const auto recorded = Find(content, server);
    RETURN_IF_ERROR(status::Annotate(recorded.status(), path_));
    if (*recorded == fingerprint) {
        return false;
    }
    if (recorded->has_value()) {
        return absl::PermissionDeniedError(
            absl::StrCat(server, " shows another certificate than before: its fingerprint is ", fingerprint,
                         ", the one recorded in ", path_, " is ", **recorded,
                         ". Somebody may stand between; if the server was restarted or replaced, pin the "
                         "new fingerprint or remove the line"));
    }
    if (!content.empty() && !absl::EndsWith(content, "\n")) {
        content.push_back('\n');
    }
    absl::StrAppend(&content, server, " ", fingerprint, "\n");
    RETURN_IF_ERROR(
        status::Annotate(runtime::WriteFileAtomically(path_, content, 0600), "record the server's certificate"));
    return true;
}

}  // namespace provhub::tls
