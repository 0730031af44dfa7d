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
// The node opens this stream to replace the one that it has.
constexpr char kHandoverKey[] = "provhub-handover";
constexpr char kHandover[] = "1";
constexpr char kJoinTokenKey[] = "provhub-join-token";
constexpr char kRejoinSecretKey[] = "provhub-rejoin-secret";

constexpr char kRegisterNode[] = "/iamanager.v6.IAMPublicNodesService/RegisterNode";

constexpr char kHandedOver[] = "a newer one has taken over";

// Empty where the peer does not say. As long-lived as `context`.
absl::string_view Metadata(const grpc::CallbackServerContext& context, const char* key) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find(key);
    return found == metadata.end() ? absl::string_view()
                                   : absl::string_view(found->second.data(), found->second.size());
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
    : environment_(environment),
      dialect_(Metadata(*context, kProtocolKey) == kProtocol ? Dialect::kCorrelated : Dialect::kOneOfEachType),
      handover_(Metadata(*context, kHandoverKey) == kHandover),
      caller_(environment.options.caller_of(*context)),
      context_(context) {}

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
        return;
    }
    if (const absl::Status taken = Take(std::move(incoming_)); !taken.ok()) {
        End(taken);
    }
    ReadNext();
}

void NodeSession::Admit() {
    if (!incoming_.has_node_info()) {
        End(absl::InvalidArgumentError("expected NodeInfo as the first message of the stream, got another message"));
        return;
    }
    if (const absl::Status valid = CheckNodeInfo(incoming_.node_info()); !valid.ok()) {
        End(valid);
        return;
    }
    const SessionOptions& options = environment_.options;
    const auto trust = DecideOnStream(options.provisioning_mode, caller_, incoming_.node_info());
    if (!trust.ok()) {
        Refuse(trust.status());
    } else if (options.require_join_token || (options.plaintext && ShowsToken())) {
        Redeem(*trust);
    } else {
        Enter(*trust, "");
    }
}

void NodeSession::Redeem(StreamTrust trust) {
    join::Presented presented;
    {
        absl::MutexLock lock(&mutex_);
        if (ending_) {
            return;
        }
        redeeming_ = true;
        presented = {.token = Metadata(*context_, kJoinTokenKey),
                     .rejoin_secret = Metadata(*context_, kRejoinSecretKey)};
    }
    environment_.scheduler.Post([self = shared_from_this(), trust, presented] {
        const std::string& node_id = self->incoming_.node_info().node_id();
        join::JoinTokens& tokens = self->environment_.tokens;
        const bool proven = trust == StreamTrust::kProven;
        const auto redeem = [&]() -> absl::StatusOr<std::string> {
            if (self->environment_.options.plaintext) {
                return self->SpendToken(presented);
            }
            return tokens.Redeem(node_id, presented);
        };
        const absl::StatusOr<std::string> rejoin_secret = proven ? std::string() : redeem();
        if (!rejoin_secret.ok()) {
            self->Refuse(rejoin_secret.status());
        } else {
            if (proven) {
                if (const absl::Status forgotten = tokens.Forget(node_id); !forgotten.ok()) {
                    kLog.Warning(absl::StrCat(
                        "node '", node_id, "' has an identity, but its rejoin secret goes on: ", forgotten.message()));
                }
            }
            self->Enter(trust, *rejoin_secret);
        }
        {
            absl::MutexLock lock(&self->mutex_);
            self->redeeming_ = false;
        }
        self->FinishUnlessBusy();
    });
}

bool NodeSession::ShowsToken() {
    absl::MutexLock lock(&mutex_);
    return !ending_ && !Metadata(*context_, kJoinTokenKey).empty();
}

absl::Status NodeSession::SpendToken(const join::Presented& presented) {
    const std::string& node_id = incoming_.node_info().node_id();
    if (presented.token.empty()) {
        return absl::FailedPreconditionError(
            absl::StrCat("node '", node_id,
                         "' registers over plaintext, where the join token that this main node requires could be read "
                         "on the way; set provisioningTransport to tls on both nodes"));
    }
    // Nobody learns the secret that it is exchanged for.
    const bool spent = environment_.tokens.Redeem(node_id, {.token = presented.token, .rejoin_secret = {}}).ok();
    return absl::FailedPreconditionError(
        absl::StrCat("node '", node_id, "' sent a join token over plaintext, where anybody may have read it",
                     spent ? ": the token is spent" : "",
                     "; set provisioningTransport to tls on both nodes and create a new token"));
}

void NodeSession::Enter(StreamTrust trust, const std::string& rejoin_secret) {
    if (const absl::Status place = TakeUnprovenPlace(trust); !place.ok()) {
        Refuse(place);
        return;
    }
    const auto tell = [weak = weak_from_this()](void (NodeSession::*event)()) {
        return [weak, event] {
            if (const auto self = weak.lock()) {
                (self.get()->*event)();
            }
        };
    };
    const auto& info = incoming_.node_info();
    auto admission = environment_.table.Admit(
        info, {.stream = shared_from_this(),
               .dialect = dialect_,
               .trust = trust,
               .handover = handover_,
               .events = {.wake = tell(&NodeSession::WriteNext), .drained = tell(&NodeSession::EndDrained)}});
    if (!admission.ok()) {
        Refuse(admission.status());
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
            if (!rejoin_secret.empty()) {
                context_->AddInitialMetadata(kRejoinSecretKey, rejoin_secret);
            }
            StartSendInitialMetadata();
        }
    }
    if (too_late) {
        environment_.table.Leave(*admission);
        return;
    }
    kLog.Notice(absl::StrCat("node '", info.node_id(), "' connected: ", caller_.name, ", state ", info.state(),
                             dialect_ == Dialect::kCorrelated ? "" : ", one call of each type at a time"));
    // Until the next message comes, which may take days.
    incoming_.Clear();
    WriteNext();
    ReadNext();
}

absl::Status NodeSession::TakeUnprovenPlace(StreamTrust trust) {
    if (trust == StreamTrust::kProven || environment_.options.provisioning_mode) {
        return absl::OkStatus();
    }
    const std::size_t others = environment_.unproven.fetch_add(1);
    {
        absl::MutexLock lock(&mutex_);
        counted_as_unproven_ = true;
    }
    return others < environment_.options.max_unproven
               ? absl::OkStatus()
               : absl::ResourceExhaustedError(absl::StrCat(
                     others, " nodes without an identity are connected, as many as are let in; try again later"));
}

void NodeSession::Refuse(const absl::Status& reason) {
    {
        absl::MutexLock lock(&mutex_);
        refused_ = true;
    }
    environment_.options.on_refused(
        {.caller = caller_, .method = kRegisterNode, .node = incoming_.node_info().node_id(), .reason = reason},
        [self = shared_from_this(), reason] { self->End(reason); });
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
    FinishUnlessBusy();
    WriteNext();
}

void NodeSession::OnCancel() {
    End(absl::CancelledError("the connection ended"));
}

void NodeSession::EndDrained() {
    End(absl::OkStatus(), kHandedOver);
}

void NodeSession::End(const absl::Status& reason, absl::string_view why) {
    std::optional<SessionTable::Admission> admission;
    std::unique_ptr<runtime::Timer> hello_timer;
    bool refused = false;
    {
        absl::MutexLock lock(&mutex_);
        if (ending_) {
            return;
        }
        ending_ = reason;
        refused = refused_;
        admission = admission_;
        hello_timer = std::move(timer_);
    }
    if (why.empty()) {
        why = reason.ok() ? "the node closed it or cannot be reached" : reason.message();
    }
    if (admission) {
        environment_.table.Leave(*admission);
        kLog.Notice(absl::StrCat("stream of node '", admission->node->node_id(), "' ended: ", why));
    } else if (!refused) {
        kLog.Warning(absl::StrCat("a stream of ", caller_.name, " ended before it was a node's: ", why));
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
    FinishUnlessBusy();
}

void NodeSession::FinishUnlessBusy() {
    absl::Status reason;
    {
        absl::MutexLock lock(&mutex_);
        if (!ending_ || writing_ || redeeming_ || finished_) {
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
        if (counted_as_unproven_) {
            environment_.unproven.fetch_sub(1);
        }
    }
    environment_.gate.Leave(this);
    auto self = std::move(self_);
}

}  // namespace provhub::hub
