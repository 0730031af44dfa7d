#include "common/provisioning/attempt_limiter.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/log.h"

namespace provhub::provisioning {
namespace {

constexpr runtime::Log kLog("provisioning");

constexpr absl::string_view kHeading = "provhub-attempts 1";
constexpr std::size_t kMaxFileBytes = 4096;
// 2^10 seconds are over the longest delay.
constexpr int kMaxLevel = 11;

}  // namespace

AttemptLimiter::AttemptLimiter(std::string path) : path_(std::move(path)) {
    Read();
}

absl::Status AttemptLimiter::Check(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    // A clock that was set back makes nobody wait longer than the delay.
    last_wrong_ = std::min(last_wrong_, now);
    const absl::Time until = last_wrong_ + Delay();
    if (level_ == 0 || now >= until) {
        return absl::OkStatus();
    }
    return absl::PermissionDeniedError(absl::StrCat("too many wrong passwords: try again in ",
                                                    absl::FormatDuration(absl::Ceil(until - now, absl::Seconds(1)))));
}

void AttemptLimiter::RecordWrong(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    last_wrong_ = absl::UnixEpoch() + absl::Floor(now - absl::UnixEpoch(), absl::Milliseconds(1));
    std::erase_if(recent_, [&](absl::Time attempt) { return attempt > now || now - attempt > kWindow; });
    recent_.push_back(last_wrong_);
    if (level_ > 0 || recent_.size() >= kFreeAttempts) {
        level_ = std::min(level_ + 1, kMaxLevel);
        recent_.clear();
    }
    Write();
}

void AttemptLimiter::RecordRight() {
    absl::MutexLock lock(&mutex_);
    if (level_ == 0 && recent_.empty()) {
        return;
    }
    level_ = 0;
    recent_.clear();
    Write();
}

absl::Duration AttemptLimiter::Delay() const {
    return level_ == 0 ? absl::ZeroDuration() : std::min(absl::Seconds(std::int64_t{1} << (level_ - 1)), kLongestDelay);
}

void AttemptLimiter::Read() {
    absl::MutexLock lock(&mutex_);
    const auto content = runtime::ReadSmallFile(path_, kMaxFileBytes);
    if (!content.ok()) {
        return;
    }
    const std::vector<std::string> lines = absl::StrSplit(*content, '\n');
    std::int64_t last_wrong = 0;
    int level = 0;
    if (lines.size() < 4 || lines[0] != kHeading || !absl::SimpleAtoi(lines[1], &level) || level < 0 ||
        level > kMaxLevel || !absl::SimpleAtoi(lines[2], &last_wrong)) {
        kLog.Warning(absl::StrCat("'", path_, "' can't be understood and counts as no wrong passwords"));
        return;
    }
    level_ = level;
    last_wrong_ = absl::FromUnixMillis(last_wrong);
    for (const absl::string_view word : absl::StrSplit(lines[3], ' ', absl::SkipEmpty())) {
        std::int64_t attempt = 0;
        if (absl::SimpleAtoi(word, &attempt)) {
            recent_.push_back(absl::FromUnixMillis(attempt));
        }
    }
}

void AttemptLimiter::Write() {
    const std::string recent = absl::StrJoin(
        recent_, " ", [](std::string* out, absl::Time attempt) { absl::StrAppend(out, absl::ToUnixMillis(attempt)); });
    const absl::Status status = runtime::WriteFileAtomically(
        path_, absl::StrCat(kHeading, "\n", level_, "\n", absl::ToUnixMillis(last_wrong_), "\n", recent, "\n"), 0600);
    if (!status.ok()) {
        kLog.Error(absl::StrCat("wrong passwords are not counted beyond a restart: ", status.message()));
    }
}

}  // namespace provhub::provisioning
