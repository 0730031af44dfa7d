#include "mainnode/hub/node_session.h"

#include <grpcpp/server_context.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "mainnode/hub/node_info_check.h"

namespace provhub::hub {
namespace {

using node::Reply;
using node::Request;

constexpr runtime::Log kLog("hub");

constexpr char kProtocolKey[] = "provhub-protocol";
constexpr char kProtocol[] = "1";

Dialect DialectOf(const grpc::CallbackServerContext& context) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find(kProtocolKey);
    const bool ours = found != metadata.end() && found->second == kProtocol;
    return ours ? Dialect::kCorrelated : Dialect::kOneOfEachType;
}

// A stream that is over before it begins.
class RefusedSession final : public grpc::ServerBidiReactor<Reply, Request> {
 public:
    explicit RefusedSession(const absl::Status& status) { Finish(status::ToGrpc(status)); }
    void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerBidiReactor<Reply, Request>* NodeSession::Open(SessionEnvironment& environment,
                                                           grpc::CallbackServerContext* context) {
    auto session = std::shared_ptr<NodeSession>(new NodeSession(environment, context));
    if (const auto admitted = environment.gate.Enter(session); !admitted.ok()) {
        return new RefusedSession(admitted);
    }
    session->self_ = session;
    session->Start();
    return session.get();
}

NodeSession::NodeSession(SessionEnvironment& environment, grpc::CallbackServerContext* context)
    : environment_(environment), dialect_(DialectOf(*context)), peer_(context->peer()), context_(context) {}

NodeSession::~NodeSession() = default;

void NodeSession::Start() {
    const std::size_t others = environment_.hellos.fetch_add(1);
    {
        absl::MutexLock lock(&mutex_);
        counted_as_hello_ = true;
    }
    if (others >= environment_.options.max_hellos) {
        End(absl::ResourceExhaustedError(
            absl::StrCat(others, " streams have not said yet which node they are; try again later")));
        return;
    }
    const absl::Duration limit = environment_.options.hello_timeout;
    auto timer = environment_.scheduler.After(limit, [weak = weak_from_this(), limit] {
        if (const auto self = weak.lock()) {
            self->End(absl::DeadlineExceededError(absl::StrCat(
                "expected NodeInfo as the first message of the stream, got nothing in ", absl::FormatDuration(limit))));
        }
    });
    {
        absl::MutexLock lock(&mutex_);
        if (!ending_) {
            timer_.swap(timer);
        }
    }
    ReadNext();
}

void NodeSession::ReadNext() {
    absl::MutexLock lock(&mutex_);
    if (!ending_) {
        StartRead(&incoming_);
    }
}

void NodeSession::OnReadDone(bool ok) {
    bool admitted = false;
    {
        absl::MutexLock lock(&mutex_);
        admitted = admission_.has_value();
    }
    if (!ok) {
        End(admitted ? absl::OkStatus()
                     : absl::InvalidArgumentError("expected NodeInfo as the first message of the stream, it ended"));
        return;
    }
    if (!admitted) {
        Admit();
    } else if (const absl::Status taken = Take(std::move(incoming_)); !taken.ok()) {
        End(taken);
    }
    ReadNext();
}

void NodeSession::Admit() {
    if (!incoming_.has_node_info()) {
        End(absl::InvalidArgumentError("expected NodeInfo as the first message of the stream, got another message"));
        return;
    }
    const auto& info = incoming_.node_info();
    if (const absl::Status valid = CheckNodeInfo(info); !valid.ok()) {
        End(valid);
        return;
    }
    auto admission = environment_.table.Admit(info, shared_from_this(), dialect_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->WriteNext();
        }
    });
    if (!admission.ok()) {
        End(admission.status());
        return;
    }
    std::unique_ptr<runtime::Timer> hello_timer;
    bool too_late = false;
    {
        absl::MutexLock lock(&mutex_);
        too_late = ending_.has_value();
        if (!too_late) {
            admission_ = *admission;
            counted_as_hello_ = false;
            environment_.hellos.fetch_sub(1);
            hello_timer = std::move(timer_);
            if (dialect_ == Dialect::kCorrelated) {
                context_->AddInitialMetadata(kProtocolKey, kProtocol);
            }
            StartSendInitialMetadata();
        }
    }
    if (too_late) {
        environment_.table.Leave(*admission);
        return;
    }
    kLog.Notice(absl::StrCat("node '", info.node_id(), "' connected from ", peer_, ", state ", info.state(),
                             dialect_ == Dialect::kCorrelated ? "" : ", one call of each type at a time"));
    WriteNext();
}

absl::Status NodeSession::Take(Reply message) {
    SessionTable::Admission admission;
    {
        absl::MutexLock lock(&mutex_);
        admission = *admission_;
    }
    if (!message.has_node_info()) {
        return admission.node->OnReply(admission.generation, std::move(message));
    }
    RETURN_IF_ERROR(CheckNodeInfo(message.node_info()));
    if (message.node_info().node_id() != admission.node->node_id()) {
        return absl::InvalidArgumentError(absl::StrCat("this stream is that of node '", admission.node->node_id(),
                                                       "' and cannot become that of another one"));
    }
    environment_.table.Update(message.node_info(), admission);
    return absl::OkStatus();
}

void NodeSession::WriteNext() {
    SessionTable::Admission admission;
    {
        absl::MutexLock lock(&mutex_);
        if (ending_ || !admission_) {
            return;
        }
        admission = *admission_;
    }
    auto next = admission.node->NextWrite(admission.generation);
    if (!next) {
        return;
    }
    {
        absl::MutexLock lock(&mutex_);
        if (ending_) {
            return;
        }
        writing_ = true;
        outgoing_ = std::move(next->message);
    }
    StartWrite(&outgoing_, next->more ? grpc::WriteOptions().set_buffer_hint() : grpc::WriteOptions());
}

void NodeSession::OnWriteDone(bool ok) {
    {
        absl::MutexLock lock(&mutex_);
        writing_ = false;
    }
    if (!ok) {
        End(absl::UnavailableError("the connection ended"));
    }
    FinishUnlessWriting();
    WriteNext();
}

void NodeSession::OnCancel() {
    End(absl::CancelledError("the connection ended"));
}

void NodeSession::End(const absl::Status& reason) {
    std::optional<SessionTable::Admission> admission;
    std::unique_ptr<runtime::Timer> hello_timer;
    {
        absl::MutexLock lock(&mutex_);
        if (ending_) {
            return;
        }
        ending_ = reason;
        admission = admission_;
        hello_timer = std::move(timer_);
    }
    const std::string why = reason.ok() ? "the node closed it or cannot be reached" : std::string(reason.message());
    if (admission) {
        environment_.table.Leave(*admission);
        kLog.Notice(absl::StrCat("stream of node '", admission->node->node_id(), "' ended: ", why));
    } else {
        kLog.Warning(absl::StrCat("a stream from ", peer_, " ended before it was a node's: ", why));
    }
    auto timer = environment_.scheduler.After(environment_.options.finish_timeout, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->CutOff();
        }
    });
    {
        absl::MutexLock lock(&mutex_);
        timer_ = std::move(timer);
    }
    FinishUnlessWriting();
}

void NodeSession::FinishUnlessWriting() {
    absl::Status reason;
    {
        absl::MutexLock lock(&mutex_);
        if (!ending_ || writing_ || finished_) {
            return;
        }
        finished_ = true;
        reason = *ending_;
    }
    Finish(status::ToGrpc(reason));
}

void NodeSession::CutOff() {
    absl::MutexLock lock(&mutex_);
    if (context_ != nullptr) {
        context_->TryCancel();
    }
}

void NodeSession::OnDone() {
    {
        absl::MutexLock lock(&mutex_);
        context_ = nullptr;
        if (counted_as_hello_) {
            environment_.hellos.fetch_sub(1);
        }
    }
    environment_.gate.Leave(this);
    auto self = std::move(self_);
}

}  // namespace provhub::hub
