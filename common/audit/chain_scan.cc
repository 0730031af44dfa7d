#include "common/audit/chain_scan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/macros.h"

namespace provhub::audit {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

absl::StatusOr<runtime::FileDescriptor> OpenToRead(const std::string& path) {
    runtime::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat found {};
    if (!file.valid() || ::fstat(file.get(), &found) != 0) {
        return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
    }
    if (!S_ISREG(found.st_mode)) {
        return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    }
    return file;
}

// What tells one generation of the log's files from the next.
std::uint64_t InodeOf(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

absl::StatusOr<Verification> VerifyOnce(const std::string& path) {
    ASSIGN_OR_RETURN(std::vector<std::uint64_t> numbers, RotatedFiles(path));
    std::ranges::reverse(numbers);
    numbers.push_back(0);
    ChainScan scan;
    Verification result;
    for (const std::uint64_t number : numbers) {
        const std::string name = RotatedName(path, number);
        const auto file = OpenToRead(name);
        if (absl::IsNotFound(file.status()) && number == 0 && result.files > 0) {
            break;
        }
        RETURN_IF_ERROR(file.status());
        ++result.files;
        RETURN_IF_ERROR(scan.Read(*file, name));
        result.incomplete_bytes = scan.incomplete_bytes();
    }
    result.records = scan.records();
    result.first_seq = scan.first_seq();
    result.last = scan.link().value_or(Link());
    result.broken = scan.first_break();
    return result;
}

}  // namespace

absl::Status ChainScan::Read(const runtime::FileDescriptor& file, const std::string& name) {
    // A file that does not end with its line ends the chain there.
    if (incomplete_bytes_ > 0) {
        last_break_ = Break{name, 1, 0, link_.value_or(Link()), "the file before it ends within a line"};
        first_break_ = first_break_.has_value() ? first_break_ : last_break_;
    }
    std::array<char, kReadBytes> buffer{};
    std::string pending;
    std::uint64_t line_number = 0;
    std::uint64_t line_offset = 0;
    file_bytes_ = 0;
    incomplete_bytes_ = 0;
    nulls_.clear();
    while (true) {
        const ssize_t got = ::pread(file.get(), buffer.data(), buffer.size(), static_cast<off_t>(file_bytes_));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", name));
        }
        if (got == 0) {
            break;
        }
        absl::string_view rest(buffer.data(), static_cast<std::size_t>(got));
        file_bytes_ += rest.size();
        while (!rest.empty()) {
            const std::size_t end = rest.find('\n');
            const absl::string_view part = rest.substr(0, end);
            incomplete_bytes_ += part.size();
            // More than a record needs to be seen as none.
            absl::StrAppend(&pending,
                            part.substr(0, kMaxRecordBytes + 1 - std::min(pending.size(), kMaxRecordBytes + 1)));
            if (end == absl::string_view::npos) {
                break;
            }
            rest.remove_prefix(end + 1);
            TakeLine(pending, name, ++line_number, line_offset);
            line_offset += incomplete_bytes_ + 1;
            incomplete_bytes_ = 0;
            pending.clear();
        }
    }
    return absl::OkStatus();
}

void ChainScan::TakeLine(absl::string_view line, const std::string& file, std::uint64_t number, std::uint64_t offset) {
    const Link before = link_.value_or(Link());
    const absl::Status status = Check(line);
    if (status.ok()) {
        return;
    }
    if (absl::StrContains(line, '\0')) {
        nulls_.push_back(offset);
        while (offset - nulls_.front() > kMaxNullsBytes) {
            nulls_.pop_front();
        }
    }
    last_break_ = Break{file, number, offset, before, std::string(status.message())};
    if (!first_break_.has_value()) {
        first_break_ = last_break_;
    }
}

absl::Status ChainScan::Check(absl::string_view line) {
    const auto parsed = ParseRecord(line);
    ends_well_ = parsed.ok();
    RETURN_IF_ERROR(parsed.status());
    const bool first = records_++ == 0;
    if (first) {
        first_seq_ = parsed->link.seq;
    }
    const Link before = link_.value_or(Link());
    const bool begins = first && (parsed->link.seq > 1 || parsed->prev == before.hash);
    const bool follows = !first && parsed->prev == before.hash && parsed->link.seq == before.seq + 1;
    link_ = parsed->link;
    if (!begins && !follows) {
        return absl::DataLossError(absl::StrCat(
            "record ", parsed->link.seq, " does not follow record ", before.seq,
            " by its hash: records between them were removed, added or moved, or the log began anew here"));
    }
    return absl::OkStatus();
}

std::optional<std::uint64_t> ChainScan::FirstNulls(std::uint64_t bytes) const {
    const auto first =
        std::ranges::find_if(nulls_, [&](std::uint64_t offset) { return file_bytes_ - offset <= bytes; });
    return first == nulls_.end() ? std::nullopt : std::optional(*first);
}

std::string RotatedName(const std::string& path, std::uint64_t number) {
    return number == 0 ? path : absl::StrCat(path, ".", number);
}

absl::StatusOr<std::vector<std::uint64_t>> RotatedFiles(const std::string& path) {
    const std::filesystem::path target(path);
    const std::string prefix = absl::StrCat(target.filename().string(), ".");
    const std::filesystem::path directory = target.has_parent_path() ? target.parent_path() : ".";
    std::vector<std::uint64_t> numbers;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        std::uint64_t number = 0;
        if (absl::StartsWith(name, prefix) && absl::SimpleAtoi(name.substr(prefix.size()), &number) && number > 0 &&
            absl::StrCat(prefix, number) == name) {
            numbers.push_back(number);
        }
    }
    if (error) {
        return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list ", directory.string()));
    }
    std::ranges::sort(numbers);
    return numbers;
}

absl::StatusOr<Verification> Verify(const std::string& path) {
    constexpr int kAttempts = 5;
    for (int attempt = 1;; ++attempt) {
        const std::uint64_t inode = InodeOf(path);
        auto result = VerifyOnce(path);
        const bool rotated = InodeOf(path) != inode;
        if (!rotated || attempt == kAttempts) {
            return result;
        }
    }
}

}  // namespace provhub::audit
