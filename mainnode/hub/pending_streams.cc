// The streams that carry a node's calls.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "mainnode/hub/call_errors.h"
#include "mainnode/hub/pending_calls.h"

namespace provhub::hub {
namespace {

using node::Method;
using node::Reply;

constexpr runtime::Log kLog("hub");

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

bool PendingCalls::Attach(std::uint64_t generation, Dialect dialect, StreamEvents events, Takeover takeover) {
    std::vector<Completion> failed;
    std::vector<std::function<void()>> drained;
    {
        absl::MutexLock lock(&mutex_);
        if (generation <= generation_) {
            return false;
        }
        if (takeover == Takeover::kFence) {
            Fence(failed);
        } else {
            for (const auto& [unused, older] : streams_) {
                if (older.unanswered == 0) {
                    drained.push_back(older.events.drained);
                }
            }
        }
        generation_ = generation;
        Stream& stream = streams_[generation];
        stream.dialect = dialect;
        stream.events = std::move(events);
        for (const std::uint64_t id : std::exchange(absent_, {})) {
            Entry& entry = entries_[id];
            deadlines_->Remove(entry.deadline);
            if (!Speaks(*entry.method)) {
                waiting_bytes_ -= entry.bytes;
                const Method& method = *entry.method;
                failed.push_back({std::move(entry), OfOtherMake(node_id_, method)});
                entries_.erase(id);
                continue;
            }
            entry.deadline = deadlines_->Add(entry.time_limit - scheduler_.Now(), weak_from_this(),
                                             DeadlineId(id, /*node_wait=*/false));
            Enqueue(id, entry);
        }
    }
    for (Completion& completion : failed) {
        Complete(std::move(completion));
    }
    for (const auto& tell : drained) {
        tell();
    }
    return true;
}

void PendingCalls::Detach(std::uint64_t generation) {
    std::vector<Completion> failed;
    {
        absl::MutexLock lock(&mutex_);
        if (!streams_.contains(generation)) {
            return;
        }
        Fail([&](const Entry& entry) { return entry.stage == Stage::kSent && entry.generation == generation; }, failed);
        if (generation == generation_) {
            FailUnsent(failed);
        }
        streams_.erase(generation);
    }
    for (Completion& completion : failed) {
        Complete(std::move(completion));
    }
}

void PendingCalls::Fence(std::vector<Completion>& failed) {
    Fail([](const Entry& entry) { return entry.stage == Stage::kSent; }, failed);
    if (IsAttached()) {
        FailUnsent(failed);
    }
    streams_.clear();
}

void PendingCalls::FailUnsent(std::vector<Completion>& failed) {
    Fail([](const Entry& entry) { return entry.stage != Stage::kSent; }, failed);
    queued_.clear();
    slots_.Clear();
    waiting_bytes_ = 0;
}

template <typename Predicate>
void PendingCalls::Fail(const Predicate& applies, std::vector<Completion>& failed) {
    absl::erase_if(entries_, [&](auto& item) {
        Entry& entry = item.second;
        if (!applies(entry)) {
            return false;
        }
        deadlines_->Remove(entry.deadline);
        const Method& method = *entry.method;
        absl::Status lost = entry.stage == Stage::kSent ? LostSent(node_id_, method) : LostUnsent(node_id_, method);
        failed.push_back({std::move(entry), std::move(lost)});
        return true;
    });
}

std::function<void()> PendingCalls::OnAnswered(std::uint64_t generation) {
    const auto found = streams_.find(generation);
    if (found == streams_.end()) {
        return nullptr;
    }
    Stream& stream = found->second;
    --stream.unanswered;
    return generation != generation_ && stream.unanswered == 0 ? stream.events.drained : nullptr;
}

void PendingCalls::Enqueue(std::uint64_t id, Entry& entry) {
    if (streams_[generation_].dialect == Dialect::kOneOfEachType && !slots_.Enter(entry.method->reply_case, id)) {
        entry.stage = Stage::kTypeTaken;
        return;
    }
    Queue(id);
}

void PendingCalls::Queue(std::optional<std::uint64_t> id) {
    if (id) {
        entries_[*id].stage = Stage::kQueued;
        queued_.insert(*id);
    }
}

std::function<void()> PendingCalls::ClaimWriter(std::uint64_t generation) {
    const auto found = streams_.find(generation);
    if (found == streams_.end() || !found->second.writer_idle) {
        return nullptr;
    }
    Stream& stream = found->second;
    if (stream.cancels.empty() && (generation != generation_ || queued_.empty())) {
        return nullptr;
    }
    stream.writer_idle = false;
    return stream.events.wake;
}

std::optional<PendingCalls::Outgoing> PendingCalls::NextWrite(std::uint64_t generation) {
    absl::MutexLock lock(&mutex_);
    const auto found = streams_.find(generation);
    if (found == streams_.end()) {
        return std::nullopt;
    }
    Stream& stream = found->second;
    const bool newest = generation == generation_;
    Outgoing next;
    if (!stream.cancels.empty()) {
        next.message.set_request_id(stream.cancels.front());
        next.message.set_cancel(true);
        stream.cancels.pop_front();
    } else if (newest && !queued_.empty()) {
        const std::uint64_t id = *queued_.begin();
        queued_.erase(queued_.begin());
        Entry& entry = entries_[id];
        entry.stage = Stage::kSent;
        entry.generation = generation;
        ++stream.unanswered;
        waiting_bytes_ -= entry.bytes;
        next.message = std::exchange(entry.request, {});
        if (stream.dialect == Dialect::kCorrelated) {
            next.message.set_request_id(id);
            next.message.set_operation_id(entry.operation_id);
            if (entry.time_limit != absl::InfiniteFuture()) {
                const auto left = absl::ToInt64Milliseconds(entry.time_limit - scheduler_.Now());
                next.message.set_timeout_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1)));
            }
        }
    } else if (stream.held_back) {
        // What was to follow was withdrawn, or goes over a newer stream. gRPC sends what it holds back with the next
        // message, so there has to be one: the cancellation of a call that never was.
        next.message.set_request_id(next_id_++);
        next.message.set_cancel(true);
    } else {
        stream.writer_idle = true;
        return std::nullopt;
    }
    // To a peer of other make there is nothing that could be sent for want of a call.
    next.more = stream.dialect == Dialect::kCorrelated && (!stream.cancels.empty() || (newest && !queued_.empty()));
    stream.held_back = next.more;
    return next;
}

absl::Status PendingCalls::OnReply(std::uint64_t generation, Reply reply) {
    std::optional<Completion> completion;
    std::function<void()> writer;
    const Method* late_success = nullptr;
    {
        absl::MutexLock lock(&mutex_);
        const auto stream = streams_.find(generation);
        if (stream == streams_.end()) {
            return absl::OkStatus();
        }
        completion = stream->second.dialect == Dialect::kCorrelated ? MatchById(generation, reply)
                                                                    : MatchByType(reply, late_success);
        if (completion) {
            completion->newest = generation_;
        }
        writer = ClaimWriter(generation);
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
        Complete(std::move(*completion));
    }
    if (writer) {
        writer();
    }
    return verdict;
}

std::optional<PendingCalls::Completion> PendingCalls::MatchById(std::uint64_t generation, Reply& reply) {
    const std::uint64_t id = reply.request_id();
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.stage != Stage::kSent || found->second.generation != generation) {
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
    const auto type = reply.IAMOutgoingMessage_case();
    const bool succeeded = node::ReplyStatus(reply).ok();
    if (slots_.IsReplyOwed(type)) {
        late_success = succeeded ? node::FindByReply(type) : nullptr;
        Queue(slots_.OnLateReply(type));
        return std::nullopt;
    }
    const auto open = slots_.Open(type);
    if (!open || entries_[*open].stage != Stage::kSent) {
        return std::nullopt;
    }
    // A peer that answers a request twice must not answer the next one by it.
    const absl::string_view cert_type = CertTypeOf(reply);
    if (!cert_type.empty() && cert_type != entries_[*open].cert_type) {
        return std::nullopt;
    }
    return Completion{Take(*open, /*answered=*/true), std::move(reply), succeeded};
}

void PendingCalls::LogUnmatched(const Reply& reply) const {
    if (kLog.Enabled(runtime::LogLevel::kDebug)) {
        kLog.Debug(absl::StrCat("node '", node_id_, "': dropped an answer that nobody waits for (type ",
                                static_cast<int>(reply.IAMOutgoingMessage_case()), ", request ", reply.request_id(),
                                ")"));
    }
}

}  // namespace provhub::hub
