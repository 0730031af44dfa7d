#include "secondarynode/link/stream_requests.h"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"

namespace provhub::link {
namespace {

constexpr runtime::Log kLog("link");

constexpr std::size_t kMaxOperationId = 64;

absl::Duration TimeoutOf(const node::Request& message, absl::Duration time_limit) {
    if (message.timeout_ms() == 0) {
        return time_limit;
    }
    if (message.timeout_ms() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return absl::InfiniteDuration();
    }
    return absl::Milliseconds(static_cast<std::int64_t>(message.timeout_ms()));
}

node::Reply StatusReply(std::uint64_t id, const absl::Status& status) {
    node::Reply reply;
    reply.set_request_id(id);
    reply.set_status_code(static_cast<int>(status.code()));
    reply.set_status_message(std::string(status.message()));
    return reply;
}

// For a main node that knows no status in the envelope.
node::Reply UnnumberedErrorReply(const node::Method& method, const absl::Status& error) {
    node::Outcome outcome = node::ErrorReply(method, error);
    if (outcome.ok()) {
        return *std::move(outcome);
    }
    kLog.Warning(absl::StrCat(method.name,
                              " failed and the main node cannot be told, it gets an empty answer: ", error.ToString()));
    return node::EmptyReply(method);
}

std::string Describe(const node::Method& method, absl::string_view operation_id) {
    return operation_id.empty() ? std::string(method.name) : absl::StrCat(method.name, " [", operation_id, "]");
}

}  // namespace

StreamRequests::StreamRequests(node::NodeEndpoint& operations, const runtime::Scheduler& clock, std::string caller,
                               absl::Duration time_limit, Send send)
    : operations_(operations),
      clock_(clock),
      caller_(std::move(caller)),
      time_limit_(time_limit),
      send_(std::move(send)) {}

void StreamRequests::Take(node::Request message) {
    const std::uint64_t id = message.request_id();
    if (message.cancel()) {
        Cancel(id);
    } else if (id != 0) {
        TakeNumbered(id, std::move(message));
    } else {
        TakeUnnumbered(std::move(message));
    }
}

void StreamRequests::TakeNumbered(std::uint64_t id, node::Request message) {
    const node::Method* method = node::FindByRequest(message.IAMIncomingMessage_case());
    if (method == nullptr) {
        send_(StatusReply(id, absl::UnimplementedError("this node does not know the request; its software may be "
                                                       "older than the main node's")));
        return;
    }
    std::stop_source stop;
    absl::Status refusal;
    {
        absl::MutexLock lock(&mutex_);
        if (abandoned_) {
            return;
        }
        if (running_.contains(id)) {
            kLog.Warning(absl::StrCat(method->name, ": the main node used request number ", id,
                                      " again while it is open; ignored"));
            return;
        }
        refusal = Refusal();
        if (refusal.ok()) {
            running_.emplace(id, stop);
        }
    }
    if (!refusal.ok()) {
        send_(StatusReply(id, refusal));
        return;
    }
    node::CallContext context = ContextOf(message, stop.get_token());
    std::string operation_id = context.operation_id;
    Call(std::move(message), std::move(context),
         [self = shared_from_this(), method, id, operation_id = std::move(operation_id)](node::Outcome outcome) {
             {
                 absl::MutexLock lock(&self->mutex_);
                 self->running_.erase(id);
                 ++self->answering_;
             }
             self->Answer(*method, id, operation_id, std::move(outcome));
             {
                 absl::MutexLock lock(&self->mutex_);
                 --self->answering_;
             }
             self->TellWhenIdle();
         });
}

void StreamRequests::TakeUnnumbered(node::Request message) {
    const node::Method* method = node::FindByRequest(message.IAMIncomingMessage_case());
    if (method == nullptr) {
        kLog.Warning("the main node sent a message without a request that this node knows; ignored");
        return;
    }
    absl::Status refusal;
    {
        absl::MutexLock lock(&mutex_);
        if (abandoned_) {
            return;
        }
        refusal = Refusal();
        if (refusal.ok()) {
            node::CallContext context = ContextOf(message, unnumbered_stop_.get_token());
            waiting_.push_back(Waiting{method, std::move(message), std::move(context)});
        }
    }
    if (!refusal.ok()) {
        send_(UnnumberedErrorReply(*method, refusal));
        return;
    }
    ServeWaiting();
}

void StreamRequests::ServeWaiting() {
    {
        absl::MutexLock lock(&mutex_);
        if (std::exchange(serving_, true)) {
            return;
        }
    }
    while (true) {
        Waiting next;
        {
            absl::MutexLock lock(&mutex_);
            if (unnumbered_runs_ || waiting_.empty()) {
                serving_ = false;
                return;
            }
            unnumbered_runs_ = true;
            next = std::move(waiting_.front());
            waiting_.pop_front();
        }
        std::string operation_id = next.context.operation_id;
        Call(std::move(next.request), std::move(next.context),
             [self = shared_from_this(), method = next.method,
              operation_id = std::move(operation_id)](node::Outcome outcome) {
                 self->Answer(*method, 0, operation_id, std::move(outcome));
                 {
                     absl::MutexLock lock(&self->mutex_);
                     self->unnumbered_runs_ = false;
                 }
                 self->ServeWaiting();
                 self->TellWhenIdle();
             });
    }
}

void StreamRequests::Cancel(std::uint64_t id) {
    std::optional<std::stop_source> stop;
    {
        absl::MutexLock lock(&mutex_);
        if (const auto running = running_.find(id); running != running_.end()) {
            stop.emplace(running->second);
        }
    }
    if (stop) {
        stop->request_stop();
    }
}

absl::Status StreamRequests::Refusal() const {
    if (!refusal_.ok()) {
        return refusal_;
    }
    if (running_.size() + waiting_.size() >= kMaxOpen) {
        return absl::ResourceExhaustedError(
            absl::StrCat("this node has ", kMaxOpen, " open requests already; repeat it later"));
    }
    return absl::OkStatus();
}

node::CallContext StreamRequests::ContextOf(const node::Request& message, std::stop_token cancelled) const {
    node::CallContext context;
    context.operation_id = message.operation_id().substr(0, kMaxOperationId);
    context.caller = caller_;
    context.deadline = clock_.Now() + TimeoutOf(message, time_limit_);
    context.cancelled = std::move(cancelled);
    return context;
}

void StreamRequests::Call(node::Request request, node::CallContext context, node::Done done) {
    {
        absl::MutexLock lock(&mutex_);
        if (abandoned_) {
            return;
        }
        ++calling_;
    }
    request.clear_request_id();
    request.clear_timeout_ms();
    request.clear_operation_id();
    operations_.Call(std::move(request), std::move(context), std::move(done));
    absl::MutexLock lock(&mutex_);
    --calling_;
}

void StreamRequests::Answer(const node::Method& method, std::uint64_t id, const std::string& operation_id,
                            node::Outcome outcome) {
    {
        absl::MutexLock lock(&mutex_);
        if (abandoned_) {
            const absl::Status result = outcome.ok() ? node::ReplyStatus(*outcome) : outcome.status();
            kLog.Warning(absl::StrCat(Describe(method, operation_id), " ended after the connection to the main node, ",
                                      "which cannot be told the result: ", result.ToString()));
            return;
        }
    }
    if (!outcome.ok()) {
        send_(id != 0 ? StatusReply(id, outcome.status()) : UnnumberedErrorReply(method, outcome.status()));
        return;
    }
    outcome->set_request_id(id);
    send_(*std::move(outcome));
}

void StreamRequests::Refuse(absl::Status reason, std::function<void()> idle) {
    {
        absl::MutexLock lock(&mutex_);
        refusal_ = std::move(reason);
        idle_ = std::move(idle);
    }
    TellWhenIdle();
}

void StreamRequests::TellWhenIdle() {
    std::function<void()> idle;
    {
        absl::MutexLock lock(&mutex_);
        if (running_.empty() && waiting_.empty() && !unnumbered_runs_ && answering_ == 0) {
            idle = std::exchange(idle_, nullptr);
        }
    }
    if (idle) {
        idle();
    }
}

void StreamRequests::Abandon() {
    std::vector<std::stop_source> stops = {unnumbered_stop_};
    {
        absl::MutexLock lock(&mutex_);
        abandoned_ = true;
        idle_ = nullptr;
        waiting_.clear();
        for (const auto& [id, stop] : running_) {
            stops.push_back(stop);
        }
    }
    for (auto& stop : stops) {
        stop.request_stop();
    }
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* calling) { return *calling == 0; }, &calling_));
}

}  // namespace provhub::link
