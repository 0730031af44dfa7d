#include "mainnode/api/forwarder.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/server_context.h>

#include <memory>
#include <stop_token>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/method_table.h"
#include "common/runtime/log.h"
#include "common/service/caller.h"
#include "common/status/shown.h"
#include "common/status/status.h"
#include "mainnode/api/operation_id.h"

namespace provhub::api {
namespace {

using google::protobuf::Message;
using node::Method;
using node::Outcome;
using node::Reply;
using node::Request;

constexpr runtime::Log kLog("api");

// A status travels in HTTP/2 headers, of which a peer takes 8 KiB.
constexpr std::size_t kMaxStatusMessage = 1024;

Message* Content(Message& envelope, int field_number) {
    const auto* field = envelope.GetDescriptor()->FindFieldByNumber(field_number);
    return envelope.GetReflection()->MutableMessage(&envelope, field);
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
    const auto deadline = context.deadline();
    return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture()
                                                                    : absl::FromChrono(deadline);
}

grpc::Status ForCaller(const absl::Status& status) {
    if (status.message().size() <= kMaxStatusMessage) {
        return status::ToGrpc(status);
    }
    return status::ToGrpc(absl::Status(status.code(), status.message().substr(0, kMaxStatusMessage)));
}

// Owns itself until gRPC is done with it.
class ForwardedCall final : public grpc::ServerUnaryReactor,
                            public service::OpenCall,
                            public std::enable_shared_from_this<ForwardedCall> {
 public:
    ForwardedCall(const Method& method, Message* response, service::CallGate& gate, runtime::Scheduler& scheduler)
        : method_(method), gate_(gate), scheduler_(scheduler), begun_(scheduler.Now()), response_(response) {}

    void Begin(Request request, const grpc::CallbackServerContext& caller, node::NodeEndpoint& router,
               const std::string& own_id) {
        if (const auto admitted = gate_.Enter(shared_from_this()); !admitted.ok()) {
            self_ = shared_from_this();
            Finish(status::ToGrpc(admitted));
            return;
        }
        self_ = shared_from_this();
        node_id_ = node::NodeId(request).empty() ? own_id : std::string(node::NodeId(request));
        type_ = std::string(node::CertType(request));
        node::CallContext context{.operation_id = operation_id_,
                                  .caller = ChangesSomething() ? service::CallerOf(caller).name : "",
                                  .deadline = DeadlineOf(caller),
                                  .cancelled = stop_.get_token()};
        if (kLog.Enabled(Level(/*failed=*/false))) {
            Log(absl::StrCat(Description(), ": begun", context.caller.empty() ? "" : " by ", context.caller),
                /*failed=*/false);
        }
        router.Call(std::move(request), std::move(context),
                    [call = shared_from_this()](Outcome outcome) { call->Complete(std::move(outcome)); });
    }

    // Answers the caller now; whatever still comes from the node is dropped.
    void Stop(const absl::Status& reason) override {
        stop_.request_stop();
        Complete(reason);
    }

    void OnCancel() override { stop_.request_stop(); }

    void OnDone() override {
        gate_.Leave(this);
        auto self = std::move(self_);
    }

    // gRPC runs the reactions above where it learns what they tell, on a thread of its completion queue, and does not
    // hand them to another thread: that costs as much as half the call. None of them blocks. gRPC 1.51 declares this
    // function public but not API; where it is gone, this does not compile, and the line is to be deleted.
    bool InternalInlineable() override { return true; }

 private:
    std::string Description() const {
        const std::string type = type_.empty() ? "" : absl::StrCat("(", status::Shown(type_), ")");
        return absl::StrCat("[", operation_id_, "] ", method_.name, type, " node '", status::Shown(node_id_), "'");
    }

    void Complete(Outcome outcome) {
        Message* response = nullptr;
        {
            absl::MutexLock lock(&mutex_);
            response = std::exchange(response_, nullptr);
        }
        if (response == nullptr) {
            return;
        }
        const absl::Status result = outcome.ok() ? node::ReplyStatus(*outcome) : outcome.status();
        if (kLog.Enabled(Level(!result.ok()))) {
            const absl::Duration duration = absl::Trunc(scheduler_.Now() - begun_, absl::Microseconds(1));
            Log(absl::StrCat(Description(), ": done in ", absl::FormatDuration(duration), ": ",
                             result.ok() ? "OK" : result.ToString()),
                !result.ok());
        }
        if (outcome.ok()) {
            Message* content = Content(*outcome, method_.reply_case);
            response->GetReflection()->Swap(response, content);
        }
        Finish(ForCaller(outcome.status()));
    }

    bool ChangesSomething() const { return method_.concurrency != node::Concurrency::kAny; }

    // Calls that change nothing may come by the thousand.
    runtime::LogLevel Level(bool failed) const {
        if (failed) {
            return runtime::LogLevel::kWarning;
        }
        return ChangesSomething() ? runtime::LogLevel::kInformation : runtime::LogLevel::kDebug;
    }

    void Log(const std::string& message, bool failed) const {
        switch (Level(failed)) {
            case runtime::LogLevel::kWarning:
                kLog.Warning(message);
                break;
            case runtime::LogLevel::kDebug:
                kLog.Debug(message);
                break;
            default:
                kLog.Information(message);
        }
    }

    const Method& method_;
    service::CallGate& gate_;
    runtime::Scheduler& scheduler_;
    const absl::Time begun_;
    std::stop_source stop_;
    const std::string operation_id_ = NewOperationId();
    std::string node_id_;
    std::string type_;
    std::shared_ptr<ForwardedCall> self_;
    absl::Mutex mutex_;
    // Null once the caller is answered.
    Message* response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

grpc::ServerUnaryReactor* Forwarder::Forward(Request::IAMIncomingMessageCase request_case,
                                             grpc::CallbackServerContext* context, const Message& request,
                                             Message* response) {
    const Method& method = *node::FindByRequest(request_case);
    Request envelope;
    Content(envelope, request_case)->CopyFrom(request);
    auto call = std::make_shared<ForwardedCall>(method, response, calls_, scheduler_);
    auto* reactor = call.get();
    call->Begin(std::move(envelope), *context, router_, options_.own_id);
    return reactor;
}

}  // namespace provhub::api
