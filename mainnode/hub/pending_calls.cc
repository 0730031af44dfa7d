#include "mainnode/hub/pending_calls.h"

#include <utility>

#include "mainnode/hub/call_errors.h"

namespace provhub::hub {
namespace {

using node::CallContext;
using node::Done;
using node::Method;
using node::Request;

}  // namespace

PendingCalls::PendingCalls(std::string node_id, const PendingOptions& options, std::shared_ptr<DeadlineQueue> deadlines,
                           runtime::Scheduler& scheduler, HubCounters& counters, OnSuccess on_success)
    : node_id_(std::move(node_id)),
      options_(options),
      deadlines_(std::move(deadlines)),
      scheduler_(scheduler),
      counters_(counters),
      on_success_(std::move(on_success)) {}

void PendingCalls::Call(const Method& method, Request request, CallContext context, Done done) {
    const absl::Duration remaining = context.deadline - scheduler_.Now();
    const std::size_t bytes = request.ByteSizeLong();
    absl::Status refused = absl::OkStatus();
    if (context.cancelled.stop_requested()) {
        refused = CancelledUnsent(node_id_, method);
    } else if (remaining <= absl::ZeroDuration()) {
        refused = TimedOutUnsent(node_id_, method);
    } else if (bytes > options_.max_request_bytes - kEnvelopeBytes) {
        refused = TooLarge(node_id_, method, bytes, options_.max_request_bytes - kEnvelopeBytes);
    }
    std::uint64_t id = 0;
    std::function<void()> writer;
    if (refused.ok()) {
        absl::MutexLock lock(&mutex_);
        refused = Speaks(method) ? CheckRoom(bytes) : OfOtherMake(node_id_, method);
        if (refused.ok()) {
            id = next_id_++;
            Entry& entry = entries_[id];
            entry.method = &method;
            entry.cert_type = std::string(node::CertType(request));
            entry.request = std::move(request);
            entry.bytes = bytes;
            entry.operation_id = std::move(context.operation_id);
            entry.time_limit = context.deadline;
            entry.done = std::move(done);
            const bool node_wait = !IsAttached() && options_.node_wait < remaining;
            entry.deadline = deadlines_->Add(node_wait ? options_.node_wait : remaining, weak_from_this(),
                                             DeadlineId(id, node_wait));
            waiting_bytes_ += bytes;
            if (IsAttached()) {
                Enqueue(id, entry);
            } else {
                absent_.insert(id);
            }
            writer = ClaimWriter(generation_);
        }
    }
    if (!refused.ok()) {
        done(std::move(refused));
        return;
    }
    ArmCancel(id, context.cancelled);
    if (writer) {
        writer();
    }
}

bool PendingCalls::Speaks(const Method& method) const {
    const auto newest = streams_.find(generation_);
    return newest == streams_.end() || newest->second.dialect == Dialect::kCorrelated || !node::IsExtension(method);
}

absl::Status PendingCalls::CheckRoom(std::size_t bytes) const {
    const bool crowded = waiting_bytes_ > 0 && waiting_bytes_ + bytes > options_.max_waiting_bytes;
    if (crowded || entries_.size() >= options_.max_calls) {
        return TooManyCalls(node_id_, entries_.size());
    }
    return absl::OkStatus();
}

void PendingCalls::ArmCancel(std::uint64_t id, const std::stop_token& token) {
    if (!token.stop_possible()) {
        return;
    }
    // Runs at once, inside this constructor, when the caller has gone meanwhile.
    auto on_cancel = std::make_unique<StopCallback>(token, CallerGone{weak_from_this(), id});
    absl::MutexLock lock(&mutex_);
    if (const auto found = entries_.find(id); found != entries_.end()) {
        on_cancel.swap(found->second.on_cancel);
    }
}

void PendingCalls::CallerGone::operator()() const {
    // This object goes with the entry that it belongs to, while this runs.
    const std::uint64_t call = id;
    if (const auto alive = calls.lock()) {
        alive->OnCancelled(call);
    }
}

void PendingCalls::OnCancelled(std::uint64_t id) {
    Entry entry;
    std::function<void()> writer;
    {
        absl::MutexLock lock(&mutex_);
        if (!entries_.contains(id)) {
            return;
        }
        entry = Take(id, /*answered=*/false);
        const bool sent = entry.stage == Stage::kSent;
        const auto stream = streams_.find(sent ? entry.generation : generation_);
        if (stream != streams_.end()) {
            if (sent && stream->second.dialect == Dialect::kCorrelated) {
                stream->second.cancels.push_back(id);
            }
            writer = ClaimWriter(stream->first);
        }
    }
    const bool sent = entry.stage == Stage::kSent;
    absl::Status reason = sent ? CancelledSent(node_id_, *entry.method) : CancelledUnsent(node_id_, *entry.method);
    Complete({std::move(entry), std::move(reason)});
    if (writer) {
        writer();
    }
}

void PendingCalls::OnDeadline(std::uint64_t deadline_id) {
    const std::uint64_t id = deadline_id >> 1;
    const bool node_wait = (deadline_id & 1) != 0;
    Entry entry;
    std::function<void()> writer;
    {
        absl::MutexLock lock(&mutex_);
        const auto found = entries_.find(id);
        if (found == entries_.end() || (node_wait && found->second.stage != Stage::kAbsent)) {
            return;
        }
        entry = Take(id, /*answered=*/false);
        writer = ClaimWriter(generation_);
    }
    const Method& method = *entry.method;
    absl::Status reason = node_wait                     ? NotConnected(node_id_)
                          : entry.stage == Stage::kSent ? TimedOutSent(node_id_, method)
                                                        : TimedOutUnsent(node_id_, method);
    Complete({std::move(entry), std::move(reason)});
    if (writer) {
        writer();
    }
}

PendingCalls::Entry PendingCalls::Take(std::uint64_t id, bool answered) {
    const auto found = entries_.find(id);
    Entry entry = std::move(found->second);
    entries_.erase(found);
    deadlines_->Remove(entry.deadline);
    if (entry.stage == Stage::kSent) {
        entry.drained = OnAnswered(entry.generation);
    } else {
        waiting_bytes_ -= entry.bytes;
    }
    if (entry.stage == Stage::kAbsent) {
        absent_.erase(id);
        return entry;
    }
    queued_.erase(id);
    const auto newest = streams_.find(generation_);
    if (newest != streams_.end() && newest->second.dialect == Dialect::kOneOfEachType) {
        Queue(slots_.OnLeft(entry.method->reply_case, id, entry.stage == Stage::kSent && !answered));
    }
    return entry;
}

void PendingCalls::Complete(Completion completion) const {
    if (completion.succeeded) {
        on_success_(*completion.entry.method, completion.newest);
    }
    completion.entry.done(std::move(completion.outcome));
    if (completion.entry.drained) {
        completion.entry.drained();
    }
}

std::size_t PendingCalls::size() const {
    absl::MutexLock lock(&mutex_);
    return entries_.size();
}

}  // namespace provhub::hub
