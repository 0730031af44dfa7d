#include "tools/nodesim/simulated_node.h"

#include <list>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "common/node/method_table.h"
#include "common/status/status.h"
#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::nodesim {
namespace {

using node::Method;
using node::Reply;
using node::Request;

constexpr absl::Duration kFirstReconnect = absl::Seconds(1);
constexpr absl::Duration kSlowRead = absl::Seconds(1);
// Answers that a main node leaves unread beyond this number end the stream.
constexpr std::size_t kMaxQueued = 65'536;

enum class Fault { kNone, kNever, kLate, kTwice, kWrongType, kError, kDrop };

double Random() {
    thread_local absl::BitGen generator;
    return absl::Uniform(generator, 0.0, 1.0);
}

Fault Draw(const Faults& faults) {
    const std::pair<Fault, double> shares[] = {
        {Fault::kNever, faults.never},          {Fault::kLate, faults.late},   {Fault::kTwice, faults.twice},
        {Fault::kWrongType, faults.wrong_type}, {Fault::kError, faults.error}, {Fault::kDrop, faults.drop},
    };
    double left = Random();
    for (const auto& [fault, share] : shares) {
        if (left < share) {
            return fault;
        }
        left -= share;
    }
    return Fault::kNone;
}

Reply StatusReply(const absl::Status& status) {
    Reply reply;
    reply.set_status_code(static_cast<int>(status.code()));
    reply.set_status_message(std::string(status.message()));
    return reply;
}

}  // namespace

// Owns itself while gRPC may call.
class SimulatedNode::Stream final : public grpc::ClientBidiReactor<Reply, Request>,
                                    public std::enable_shared_from_this<Stream> {
 public:
    Stream(std::shared_ptr<SimulatedNode> node, const std::shared_ptr<grpc::Channel>& channel)
        : node_(std::move(node)), stub_(iamanager::v6::IAMPublicNodesService::NewStub(channel)) {}

    void Start() {
        self_ = shared_from_this();
        grpc::ClientContext* context = nullptr;
        {
            absl::MutexLock lock(&mutex_);
            context = &*context_;
            queue_.emplace_back();
            *queue_.back().mutable_node_info() = node_->Info();
        }
        if (!behaviour().legacy) {
            context->AddMetadata("provhub-protocol", "1");
        }
        stub_->async()->RegisterNode(context, this);
        // Until nothing is read and written any more.
        AddHold();
        StartRead(&incoming_);
        WriteNext();
        StartCall();
    }

    void Cancel() {
        absl::MutexLock lock(&mutex_);
        if (context_) {
            context_->TryCancel();
        }
    }

 private:
    const Behaviour& behaviour() const { return node_->simulation_.behaviour; }
    Statistics& statistics() const { return node_->simulation_.statistics; }
    Later& later() const { return node_->simulation_.later; }

    void OnReadInitialMetadataDone(bool ok) override {
        if (ok) {
            Connected();
        }
    }

    void OnReadDone(bool ok) override {
        if (!ok) {
            bool writing = false;
            {
                absl::MutexLock lock(&mutex_);
                over_ = true;
                queue_.clear();
                writing = writing_;
            }
            if (!writing) {
                RemoveHold();
            }
            return;
        }
        Take(std::exchange(incoming_, {}));
        if (node_->slow_reader_) {
            later().After(kSlowRead, [self = self_] { self->StartRead(&self->incoming_); });
        } else {
            StartRead(&incoming_);
        }
    }

    void OnWriteDone(bool ok) override {
        bool over = false;
        {
            absl::MutexLock lock(&mutex_);
            writing_ = false;
            over = over_;
        }
        // A main node that knows no more than the contract acknowledges nothing.
        if (ok && behaviour().legacy) {
            Connected();
        }
        if (over) {
            RemoveHold();
        } else {
            WriteNext();
        }
    }

    void OnDone(const grpc::Status& status) override {
        bool connected = false;
        {
            absl::MutexLock lock(&mutex_);
            connected = connected_;
            // The channel goes with these, before the simulation can end.
            context_.reset();
        }
        stub_.reset();
        const auto self = std::move(self_);
        node_->OnEnded(connected, status::FromGrpc(status));
    }

    void Connected() {
        {
            absl::MutexLock lock(&mutex_);
            if (std::exchange(connected_, true)) {
                return;
            }
        }
        statistics().Connected(absl::Now() - begun_);
    }

    void Take(Request request) {
        if (request.cancel()) {
            statistics().cancellations.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        const Method* method = node::FindByRequest(request.IAMIncomingMessage_case());
        if (method == nullptr) {
            if (!behaviour().legacy) {
                Answer(StatusReply(absl::UnimplementedError("a simulated node does not know this request")),
                       request.request_id());
            }
            return;
        }
        statistics().requests.fetch_add(1, std::memory_order_relaxed);
        const Fault fault = Draw(behaviour().faults);
        if (fault != Fault::kNone) {
            statistics().faults.fetch_add(1, std::memory_order_relaxed);
        }
        if (fault == Fault::kNever) {
            return;
        }
        if (fault == Fault::kDrop) {
            Cancel();
            return;
        }
        absl::Duration delay = behaviour().latency_min;
        if (behaviour().latency_max > delay) {
            delay += (behaviour().latency_max - delay) * Random();
        }
        if (fault == Fault::kLate) {
            delay += behaviour().faults.late_by;
        }
        if (delay == absl::ZeroDuration()) {
            CarryOut(*method, request, fault);
            return;
        }
        later().After(delay, [weak = weak_from_this(), method, request = std::move(request), fault] {
            if (const auto self = weak.lock()) {
                self->CarryOut(*method, request, fault);
            }
        });
    }

    void CarryOut(const Method& method, const Request& request, Fault fault) {
        node::Outcome outcome = Outcome(method, request, fault);
        Reply reply;
        if (outcome.ok()) {
            reply = *std::move(outcome);
        } else if (behaviour().legacy) {
            // The one response that has no place for an error.
            reply.mutable_cert_types_response();
        } else {
            reply = StatusReply(outcome.status());
        }
        if (fault == Fault::kTwice) {
            Answer(reply, request.request_id());
        }
        Answer(std::move(reply), request.request_id());
    }

    node::Outcome Outcome(const Method& method, const Request& request, Fault fault) {
        if (fault == Fault::kWrongType) {
            return AnswerOfAnotherType(method);
        }
        if (fault == Fault::kError) {
            return node::ErrorReply(method, absl::InternalError("simulated failure"));
        }
        node::NodeState before;
        {
            absl::MutexLock lock(&node_->mutex_);
            before = node_->state_;
        }
        node::NodeState after = before;
        auto outcome = node_->simulation_.answers.To(method, request, after);
        if (after != before) {
            {
                absl::MutexLock lock(&node_->mutex_);
                node_->state_ = after;
            }
            Reply info;
            *info.mutable_node_info() = node_->Info();
            Send(std::move(info));
        }
        return outcome;
    }

    void Answer(Reply reply, std::uint64_t request_id) {
        if (!behaviour().legacy) {
            reply.set_request_id(request_id);
        }
        statistics().answers.fetch_add(1, std::memory_order_relaxed);
        Send(std::move(reply));
    }

    void Send(Reply message) {
        bool overflow = false;
        {
            absl::MutexLock lock(&mutex_);
            if (over_) {
                return;
            }
            overflow = queue_.size() >= kMaxQueued;
            if (!overflow) {
                queue_.push_back(std::move(message));
            }
        }
        overflow ? Cancel() : WriteNext();
    }

    void WriteNext() {
        grpc::WriteOptions options;
        {
            absl::MutexLock lock(&mutex_);
            if (writing_ || over_ || queue_.empty()) {
                return;
            }
            writing_ = true;
            outgoing_ = std::move(queue_.front());
            queue_.pop_front();
            if (!queue_.empty()) {
                options.set_buffer_hint();
            }
        }
        StartWrite(&outgoing_, options);
    }

    const std::shared_ptr<SimulatedNode> node_;
    const absl::Time begun_ = absl::Now();
    std::unique_ptr<iamanager::v6::IAMPublicNodesService::Stub> stub_;
    std::shared_ptr<Stream> self_;
    // Of the one read, and of the one write, that is under way.
    Request incoming_;
    Reply outgoing_;

    absl::Mutex mutex_;
    // Empty once gRPC is done.
    std::optional<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_){std::in_place};
    std::list<Reply> queue_ ABSL_GUARDED_BY(mutex_);
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    // Nothing can be written any more.
    bool over_ ABSL_GUARDED_BY(mutex_) = false;
    bool connected_ ABSL_GUARDED_BY(mutex_) = false;
};

SimulatedNode::SimulatedNode(std::string id, bool slow_reader, const Simulation& simulation)
    : id_(std::move(id)),
      slow_reader_(slow_reader),
      simulation_(simulation),
      state_(simulation.behaviour.state),
      backoff_(kFirstReconnect, simulation.reconnect_interval, Random) {}

void SimulatedNode::Connect() {
    {
        absl::MutexLock lock(&mutex_);
        if (ended_ != nullptr) {
            return;
        }
        connecting_ = true;
    }
    simulation_.statistics.attempts.fetch_add(1, std::memory_order_relaxed);
    const auto channel = simulation_.connect(id_);
    if (!channel.ok()) {
        OnEnded(/*connected=*/false, channel.status());
        return;
    }
    const auto stream = std::make_shared<Stream>(shared_from_this(), *channel);
    {
        absl::MutexLock lock(&mutex_);
        connecting_ = false;
        if (ended_ != nullptr) {
            ended_->DecrementCount();
            return;
        }
        stream_ = stream;
    }
    stream->Start();
}

void SimulatedNode::Stop(absl::BlockingCounter& ended) {
    std::shared_ptr<Stream> stream;
    {
        absl::MutexLock lock(&mutex_);
        ended_ = &ended;
        stream = stream_;
        if (stream == nullptr && !connecting_) {
            ended.DecrementCount();
            return;
        }
    }
    if (stream != nullptr) {
        stream->Cancel();
    }
}

iamanager::v6::NodeInfo SimulatedNode::Info() const {
    iamanager::v6::NodeInfo info;
    info.set_node_id(id_);
    info.set_node_type("simulated");
    info.set_title(id_);
    info.mutable_os_info()->set_os("linux");
    absl::MutexLock lock(&mutex_);
    info.set_state(std::string(node::ToString(state_)));
    return info;
}

void SimulatedNode::OnEnded(bool connected, const absl::Status& status) {
    std::shared_ptr<Stream> stream;
    // To the end: when Stop finds that nothing is under way, the simulation may go.
    absl::MutexLock lock(&mutex_);
    connecting_ = false;
    stream = std::move(stream_);
    if (ended_ != nullptr) {
        ended_->DecrementCount();
        return;
    }
    if (connected) {
        backoff_.Reset();
    }
    simulation_.statistics.Ended(connected, status);
    simulation_.later.After(backoff_.Next(), [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->Connect();
        }
    });
}

}  // namespace provhub::nodesim
