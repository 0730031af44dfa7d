#include "common/audit/audit_log.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"

namespace provhub::audit {
namespace {

constexpr runtime::Log kLog("audit");

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const AuditLogOptions& options,
                                                         const runtime::Scheduler& clock) {
    ASSIGN_OR_RETURN(auto files, LogFiles::Open(options.path, options.max_files));
    auto log = absl::WrapUnique(new AuditLog(options, std::move(files), clock));
    RETURN_IF_ERROR(log->WriteOpening());
    log->thread_ = std::thread([log = log.get()] { log->Run(); });
    return log;
}

AuditLog::AuditLog(const AuditLogOptions& options, std::unique_ptr<LogFiles> files, const runtime::Scheduler& clock)
    : options_(options), clock_(clock), files_(std::move(files)), link_(files_->found().link) {}

AuditLog::~AuditLog() {
    {
        absl::MutexLock lock(&mutex_);
        stopping_ = true;
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

absl::Status AuditLog::WriteOpening() {
    const LogFiles::Found& found = files_->found();
    if (found.damage.has_value()) {
        kLog.Error(absl::StrCat(found.damage->file, " is damaged at line ", found.damage->line, ": ",
                                found.damage->reason, "; keep a copy of it and run 'provctl audit verify'"));
    }
    Event event{.event = "opened"};
    if (!found.no_tail.empty()) {
        event.event = "restarted";
        event.message = absl::StrCat("no whole record was found at the end of the log, ", found.no_tail);
        link_.hash = Link().hash;
    } else if (found.cut_bytes > 0) {
        event.event = "recovered";
        event.message = absl::StrCat(found.cut_bytes, " bytes of an interrupted write were cut off");
        kLog.Notice(absl::StrCat(options_.path, ": ", event.message));
    }
    return files_->Append(FormatRecord(event, clock_.Now(), link_));
}

void AuditLog::Append(Event event, Room room, Done done) {
    const absl::Time now = clock_.Now();
    {
        absl::MutexLock lock(&mutex_);
        if (room == Room::kReserved || waiting_.size() < kMaxWaiting) {
            waiting_.push_back({std::move(event), now, std::move(done)});
            return;
        }
    }
    done(absl::ResourceExhaustedError(absl::StrCat(kMaxWaiting, " records wait for the disk already")));
}

void AuditLog::AppendEvent(Event event, absl::AnyInvocable<void()> done) {
    Append(std::move(event), Room::kBounded, [done = std::move(done)](const absl::Status& status) mutable {
        if (absl::IsResourceExhausted(status)) {
            kLog.Error(absl::StrCat("an event is not in the audit log: ", status.message()));
        }
        done();
    });
}

void AuditLog::Run() {
    const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); };
    while (true) {
        std::deque<Waiting> taken;
        {
            absl::MutexLock lock(&mutex_);
            mutex_.Await(absl::Condition(&something));
            if (waiting_.empty()) {
                return;
            }
            taken.swap(waiting_);
        }
        while (!taken.empty()) {
            Write(taken);
        }
    }
}

void AuditLog::Write(std::deque<Waiting>& waiting) {
    if (files_->bytes() >= options_.max_bytes) {
        const absl::Status rotated = files_->Rotate();
        if (!rotated.ok() && !rotation_failed_) {
            kLog.Error(absl::StrCat("the audit log grows on, it can't be rotated: ", rotated.message()));
        }
        rotation_failed_ = !rotated.ok();
    }
    Link link = link_;
    std::string lines;
    std::vector<Done> dones;
    while (!waiting.empty() && lines.size() + kMaxRecordBytes <= LogFiles::kMaxBatchBytes &&
           (lines.empty() || files_->bytes() + lines.size() < options_.max_bytes)) {
        Waiting& next = waiting.front();
        lines += FormatRecord(next.event, next.time, link);
        dones.push_back(std::move(next.done));
        waiting.pop_front();
    }
    const absl::Status status = files_->Append(lines);
    if (status.ok()) {
        link_ = link;
    }
    Report(status, dones.size());
    for (Done& done : dones) {
        done(status);
    }
}

void AuditLog::Report(const absl::Status& status, std::size_t records) {
    if (!status.ok()) {
        if (lost_ == 0) {
            kLog.Error(absl::StrCat("the audit log can't be written: ", status.message()));
        }
        lost_ += records;
        return;
    }
    if (lost_ > 0) {
        kLog.Notice(
            absl::StrCat("the audit log is written again; ", std::exchange(lost_, 0), " records are not in it"));
    }
}

}  // namespace provhub::audit
