#include "mainnode/hub/pending_calls.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "mainnode/hub/call_errors.h"

namespace provhub::hub {
namespace {

using node::CallContext;
using node::Done;
using node::Method;
using node::Outcome;
using node::Reply;
using node::Request;

constexpr runtime::Log kLog("hub");

// What DeadlineQueue is given: the call, and whether it is the wait for the node that ends.
std::uint64_t DeadlineId(std::uint64_t id, bool node_wait) {
    return id << 1 | (node_wait ? 1 : 0);
}

absl::string_view CertTypeOf(const Reply& reply) {
    if (reply.has_create_key_response()) {
        return reply.create_key_response().type();
    }
    if (reply.has_apply_cert_response()) {
        return reply.apply_cert_response().cert_info().type();
    }
    return {};
}

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
            const bool node_wait = !attached_ && options_.node_wait < remaining;
            entry.deadline = deadlines_->Add(node_wait ? options_.node_wait : remaining, weak_from_this(),
                                             DeadlineId(id, node_wait));
            waiting_bytes_ += bytes;
            if (attached_) {
                Enqueue(id, entry);
            } else {
                absent_.insert(id);
            }
            writer = ClaimWriter();
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
    return !attached_ || dialect_ == Dialect::kCorrelated || !node::IsExtension(method);
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
        if (entry.stage == Stage::kSent && dialect_ == Dialect::kCorrelated) {
            cancels_.push_back(id);
        }
        writer = ClaimWriter();
    }
    const bool sent = entry.stage == Stage::kSent;
    entry.done(sent ? CancelledSent(node_id_, *entry.method) : CancelledUnsent(node_id_, *entry.method));
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
        writer = ClaimWriter();
    }
    const Method& method = *entry.method;
    if (node_wait) {
        entry.done(NotConnected(node_id_));
    } else if (entry.stage == Stage::kSent) {
        entry.done(TimedOutSent(node_id_, method));
    } else {
        entry.done(TimedOutUnsent(node_id_, method));
    }
    if (writer) {
        writer();
    }
}

bool PendingCalls::Attach(std::uint64_t generation, Dialect dialect, std::function<void()> wake) {
    std::vector<Completion> failed;
    {
        absl::MutexLock lock(&mutex_);
        if (generation <= generation_) {
            return false;
        }
        failed = DetachLocked();
        attached_ = true;
        generation_ = generation;
        dialect_ = dialect;
        wake_ = std::move(wake);
        writer_idle_ = false;
        for (const std::uint64_t id : std::exchange(absent_, {})) {
            Entry& entry = entries_[id];
            if (!Speaks(*entry.method)) {
                const Method& method = *entry.method;
                waiting_bytes_ -= entry.bytes;
                deadlines_->Remove(entry.deadline);
                failed.push_back({std::move(entry), OfOtherMake(node_id_, method)});
                entries_.erase(id);
                continue;
            }
            deadlines_->Remove(entry.deadline);
            entry.deadline = deadlines_->Add(entry.time_limit - scheduler_.Now(), weak_from_this(),
                                             DeadlineId(id, /*node_wait=*/false));
            Enqueue(id, entry);
        }
    }
    for (Completion& completion : failed) {
        Complete(std::move(completion), 0);
    }
    return true;
}

void PendingCalls::Detach(std::uint64_t generation) {
    std::vector<Completion> failed;
    {
        absl::MutexLock lock(&mutex_);
        if (!attached_ || generation != generation_) {
            return;
        }
        failed = DetachLocked();
    }
    for (Completion& completion : failed) {
        Complete(std::move(completion), 0);
    }
}

std::vector<PendingCalls::Completion> PendingCalls::DetachLocked() {
    if (!attached_) {
        return {};
    }
    attached_ = false;
    wake_ = nullptr;
    writer_idle_ = false;
    std::vector<Completion> failed;
    failed.reserve(entries_.size());
    for (auto& [unused, entry] : entries_) {
        deadlines_->Remove(entry.deadline);
        const Method& method = *entry.method;
        Outcome outcome = entry.stage == Stage::kSent ? LostSent(node_id_, method) : LostUnsent(node_id_, method);
        failed.push_back({std::move(entry), std::move(outcome)});
    }
    entries_.clear();
    queued_.clear();
    cancels_.clear();
    slots_.clear();
    waiting_bytes_ = 0;
    return failed;
}

void PendingCalls::Enqueue(std::uint64_t id, Entry& entry) {
    if (dialect_ == Dialect::kOneOfEachType) {
        TypeSlot& slot = slots_[entry.method->reply_case];
        if (slot.open || slot.reply_owed) {
            entry.stage = Stage::kTypeTaken;
            slot.waiting.insert(id);
            return;
        }
        slot.open = id;
    }
    entry.stage = Stage::kQueued;
    queued_.insert(id);
}

void PendingCalls::OpenNext(TypeSlot& slot) {
    if (slot.open || slot.reply_owed || slot.waiting.empty()) {
        return;
    }
    const std::uint64_t id = *slot.waiting.begin();
    slot.waiting.erase(slot.waiting.begin());
    slot.open = id;
    entries_[id].stage = Stage::kQueued;
    queued_.insert(id);
}

std::function<void()> PendingCalls::ClaimWriter() {
    if (!writer_idle_ || (queued_.empty() && cancels_.empty())) {
        return nullptr;
    }
    writer_idle_ = false;
    return wake_;
}

PendingCalls::Entry PendingCalls::Take(std::uint64_t id, bool answered) {
    const auto found = entries_.find(id);
    Entry entry = std::move(found->second);
    entries_.erase(found);
    deadlines_->Remove(entry.deadline);
    if (entry.stage != Stage::kSent) {
        waiting_bytes_ -= entry.bytes;
    }
    if (entry.stage == Stage::kAbsent) {
        absent_.erase(id);
    } else if (entry.stage == Stage::kQueued) {
        queued_.erase(id);
    }
    if (dialect_ == Dialect::kOneOfEachType && entry.stage != Stage::kAbsent) {
        FreeType(entry, id, answered);
    }
    return entry;
}

void PendingCalls::FreeType(const Entry& entry, std::uint64_t id, bool answered) {
    TypeSlot& slot = slots_[entry.method->reply_case];
    if (slot.open != id) {
        slot.waiting.erase(id);
        return;
    }
    slot.open.reset();
    slot.reply_owed = entry.stage == Stage::kSent && !answered;
    OpenNext(slot);
}

std::optional<PendingCalls::Outgoing> PendingCalls::NextWrite(std::uint64_t generation) {
    absl::MutexLock lock(&mutex_);
    if (!attached_ || generation != generation_) {
        return std::nullopt;
    }
    Outgoing next;
    if (!cancels_.empty()) {
        next.message.set_request_id(cancels_.front());
        next.message.set_cancel(true);
        cancels_.pop_front();
    } else if (!queued_.empty()) {
        const std::uint64_t id = *queued_.begin();
        queued_.erase(queued_.begin());
        Entry& entry = entries_[id];
        entry.stage = Stage::kSent;
        waiting_bytes_ -= entry.bytes;
        next.message = std::exchange(entry.request, {});
        if (dialect_ == Dialect::kCorrelated) {
            next.message.set_request_id(id);
            next.message.set_operation_id(entry.operation_id);
            if (entry.time_limit != absl::InfiniteFuture()) {
                const auto left = absl::ToInt64Milliseconds(entry.time_limit - scheduler_.Now());
                next.message.set_timeout_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1)));
            }
        }
    } else {
        writer_idle_ = true;
        return std::nullopt;
    }
    next.more = !queued_.empty() || !cancels_.empty();
    return next;
}

absl::Status PendingCalls::OnReply(std::uint64_t generation, Reply reply) {
    std::optional<Completion> completion;
    std::function<void()> writer;
    const Method* late_success = nullptr;
    {
        absl::MutexLock lock(&mutex_);
        if (!attached_ || generation != generation_) {
            return absl::OkStatus();
        }
        completion = dialect_ == Dialect::kCorrelated ? MatchById(reply) : MatchByType(reply, late_success);
        writer = ClaimWriter();
    }
    absl::Status verdict = absl::OkStatus();
    if (!completion) {
        counters_.unmatched_replies.fetch_add(1, std::memory_order_relaxed);
        LogUnmatched(reply);
        if (late_success != nullptr) {
            on_success_(*late_success, generation);
        }
    } else {
        if (completion->protocol_error) {
            verdict = absl::InvalidArgumentError(completion->outcome.status().message());
        }
        Complete(std::move(*completion), generation);
    }
    if (writer) {
        writer();
    }
    return verdict;
}

std::optional<PendingCalls::Completion> PendingCalls::MatchById(Reply& reply) {
    const std::uint64_t id = reply.request_id();
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.stage != Stage::kSent) {
        return std::nullopt;
    }
    Entry entry = Take(id, /*answered=*/true);
    const Method& method = *entry.method;
    if (reply.status_code() != 0) {
        return Completion{std::move(entry), RefusedByNode(node_id_, reply.status_code(), reply.status_message())};
    }
    if (reply.IAMOutgoingMessage_case() != method.reply_case) {
        return Completion{std::move(entry), WrongReply(node_id_, method), false, /*protocol_error=*/true};
    }
    reply.clear_request_id();
    reply.clear_status_message();
    const bool succeeded = node::ReplyStatus(reply).ok();
    return Completion{std::move(entry), std::move(reply), succeeded};
}

std::optional<PendingCalls::Completion> PendingCalls::MatchByType(Reply& reply, const Method*& late_success) {
    reply.clear_request_id();
    reply.clear_status_code();
    reply.clear_status_message();
    const auto found = slots_.find(reply.IAMOutgoingMessage_case());
    if (found == slots_.end()) {
        return std::nullopt;
    }
    TypeSlot& slot = found->second;
    const bool succeeded = node::ReplyStatus(reply).ok();
    if (slot.reply_owed) {
        slot.reply_owed = false;
        late_success = succeeded ? node::FindByReply(reply.IAMOutgoingMessage_case()) : nullptr;
        OpenNext(slot);
        return std::nullopt;
    }
    if (!slot.open || entries_[*slot.open].stage != Stage::kSent) {
        return std::nullopt;
    }
    // A peer that answers a request twice must not answer the next one by it.
    const absl::string_view type = CertTypeOf(reply);
    if (!type.empty() && type != entries_[*slot.open].cert_type) {
        return std::nullopt;
    }
    return Completion{Take(*slot.open, /*answered=*/true), std::move(reply), succeeded};
}

void PendingCalls::Complete(Completion completion, std::uint64_t generation) const {
    if (completion.succeeded) {
        on_success_(*completion.entry.method, generation);
    }
    completion.entry.done(std::move(completion.outcome));
}

void PendingCalls::LogUnmatched(const Reply& reply) const {
    if (kLog.Enabled(runtime::LogLevel::kDebug)) {
        kLog.Debug(absl::StrCat("node '", node_id_, "': dropped an answer that nobody waits for (type ",
                                static_cast<int>(reply.IAMOutgoingMessage_case()), ", request ", reply.request_id(),
                                ")"));
    }
}

std::size_t PendingCalls::size() const {
    absl::MutexLock lock(&mutex_);
    return entries_.size();
}

}  // namespace provhub::hub
