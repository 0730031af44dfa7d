#include "common/node/file_identity.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"

namespace provhub::node {
namespace {

constexpr runtime::Log kLog("identity");
constexpr std::size_t kMaxFileBytes = 64 << 10;
constexpr char kVersionSeparator = ';';

bool IsPrintable(absl::string_view text) {
    return std::ranges::all_of(text, [](char c) { return absl::ascii_isprint(c); });
}

absl::Status Unusable(absl::string_view what, absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": ", why));
}

absl::StatusOr<std::string> FirstLine(absl::string_view what, const std::string& path) {
    const auto content = runtime::ReadSmallFile(path, kMaxFileBytes);
    if (!content.ok()) {
        return Unusable(what, content.status().message());
    }
    const absl::string_view line =
        absl::StripAsciiWhitespace(absl::string_view(*content).substr(0, content->find('\n')));
    if (line.empty() || !IsPrintable(line)) {
        return Unusable(what, absl::StrCat("the first line of ", path, " must be printable ASCII characters"));
    }
    return std::string(line);
}

}  // namespace

FileIdentity::FileIdentity(const config::v1::Config& config)
    : configured_(config.has_identifier()), files_(config.identifier().params()) {
    if (configured_) {
        auto subjects = Subjects();
        if (subjects.ok()) {
            known_subjects_ = *std::move(subjects);
        } else {
            kLog.Warning(subjects.status().message());
        }
    }
}

absl::StatusOr<SystemIdentity> FileIdentity::System() const {
    RETURN_IF_ERROR(CheckConfigured());
    SystemIdentity identity;
    ASSIGN_OR_RETURN(identity.system_id, FirstLine("system ID", files_.system_id_path()));
    if (files_.unit_model_path().empty()) {
        return identity;
    }
    ASSIGN_OR_RETURN(const std::string line, FirstLine("unit model", files_.unit_model_path()));
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(kVersionSeparator, 1));
    identity.unit_model = std::string(absl::StripAsciiWhitespace(parts.first));
    identity.version = std::string(absl::StripAsciiWhitespace(parts.second));
    return identity;
}

absl::StatusOr<std::vector<std::string>> FileIdentity::Subjects() const {
    RETURN_IF_ERROR(CheckConfigured());
    std::vector<std::string> subjects;
    if (files_.subjects_path().empty()) {
        return subjects;
    }
    const auto content = runtime::ReadSmallFile(files_.subjects_path(), kMaxFileBytes);
    if (absl::IsNotFound(content.status())) {
        return subjects;
    }
    if (!content.ok()) {
        return Unusable("subjects", content.status().message());
    }
    for (const absl::string_view line : absl::StrSplit(*content, '\n')) {
        const absl::string_view subject = absl::StripAsciiWhitespace(line);
        if (!IsPrintable(subject)) {
            return Unusable("subjects", absl::StrCat(files_.subjects_path(), " must be printable ASCII characters"));
        }
        if (!subject.empty()) {
            subjects.emplace_back(subject);
        }
    }
    return subjects;
}

runtime::Subscription FileIdentity::SubscribeSubjects(std::function<void(const std::vector<std::string>&)> listener) {
    return listeners_.Add(std::move(listener));
}

void FileIdentity::Refresh() {
    if (!configured_) {
        return;
    }
    const auto subjects = Subjects();
    if (!subjects.ok()) {
        kLog.Warning(absl::StrCat("the subjects stay as they were: ", subjects.status().message()));
        return;
    }
    if (known_subjects_ != *subjects) {
        known_subjects_ = *subjects;
        listeners_.Notify(*subjects);
    }
}

absl::Status FileIdentity::CheckConfigured() const {
    return configured_ ? absl::OkStatus()
                       : absl::FailedPreconditionError(
                             "no identifier is configured: add 'identifier' to the configuration of the main node");
}

}  // namespace provhub::node
