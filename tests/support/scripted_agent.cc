#include "tests/support/scripted_agent.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <cstdlib>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/node/method_table.h"

namespace provhub::test {

using iamanager::v6::IAMPublicNodesService;
using node::Reply;
using node::Request;

iamanager::v6::NodeInfo AgentInfo(absl::string_view node_id, absl::string_view state) {
    iamanager::v6::NodeInfo info;
    info.set_node_id(std::string(node_id));
    info.set_state(std::string(state));
    info.set_node_type("test");
    return info;
}

Reply SuccessReply(const Request& request) {
    Reply reply;
    const node::Method* method = node::FindByRequest(request.IAMIncomingMessage_case());
    if (method != nullptr) {
        const auto* field = Reply::descriptor()->FindFieldByNumber(method->reply_case);
        reply.GetReflection()->MutableMessage(&reply, field);
    }
    if (reply.has_create_key_response()) {
        reply.mutable_create_key_response()->set_node_id(request.create_key_request().node_id());
        reply.mutable_create_key_response()->set_type(request.create_key_request().type());
    }
    reply.set_request_id(request.request_id());
    return reply;
}

// A callback client: writes are queued, so that no call of a test blocks on a hub that does not read.
class ScriptedAgent::Stream final : public grpc::ClientBidiReactor<Reply, Request> {
 public:
    Stream(const std::string& address, AgentOptions options) : options_(std::move(options)) {
        grpc::ChannelArguments arguments;
        // A connection of its own, as another process has.
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
        channel_ = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
        stub_ = IAMPublicNodesService::NewStub(channel_);
        if (options_.correlated) {
            context_.AddMetadata("provhub-protocol", "1");
        }
        for (const auto& [key, value] : options_.metadata) {
            context_.AddMetadata(key, value);
        }
    }

    void Begin() {
        stub_->async()->RegisterNode(&context_, this);
        // The test writes from outside of reactions.
        AddHold();
        if (options_.reading) {
            StartRead(&incoming_);
        }
        StartCall();
    }

    void OnReadInitialMetadataDone(bool ok) override {
        absl::MutexLock lock(&mutex_);
        admitted_ = ok;
        metadata_read_ = true;
    }

    void OnReadDone(bool ok) override {
        if (!ok) {
            DropHold();
            return;
        }
        std::function<Reply(const Request&)> answer;
        {
            absl::MutexLock lock(&mutex_);
            answer = answer_;
            if (!answer) {
                received_.push_back(incoming_);
            }
        }
        if (answer) {
            const Reply reply = answer(incoming_);
            if (reply.IAMOutgoingMessage_case() != Reply::IAMOUTGOINGMESSAGE_NOT_SET || reply.status_code() != 0) {
                Send(reply);
            }
        }
        StartRead(&incoming_);
    }

    void Send(const Reply& message) {
        {
            absl::MutexLock lock(&mutex_);
            if (released_) {
                return;
            }
            outgoing_.push_back(message);
            if (writing_) {
                return;
            }
            writing_ = true;
        }
        WriteNext();
    }

    void HalfClose() {
        {
            absl::MutexLock lock(&mutex_);
            half_close_ = true;
            if (writing_) {
                return;
            }
            writing_ = true;
        }
        WriteNext();
    }

    void OnWriteDone(bool ok) override {
        {
            absl::MutexLock lock(&mutex_);
            outgoing_.pop_front();
            if (!ok) {
                outgoing_.clear();
            }
        }
        WriteNext();
    }

    void OnDone(const grpc::Status& status) override {
        absl::MutexLock lock(&mutex_);
        status_ = status;
    }

    void Cut() {
        context_.TryCancel();
        DropHold();
    }

    // Lets the stream be over.
    void DropHold() {
        {
            absl::MutexLock lock(&mutex_);
            if (std::exchange(released_, true)) {
                return;
            }
        }
        RemoveHold();
    }

    void AnswerWith(std::function<Reply(const Request&)> answer) {
        absl::MutexLock lock(&mutex_);
        answer_ = std::move(answer);
    }

    std::optional<Request> Receive(absl::Duration limit) {
        absl::MutexLock lock(&mutex_);
        const auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !received_.empty() || released_; };
        mutex_.AwaitWithTimeout(absl::Condition(&there), limit);
        if (received_.empty()) {
            return std::nullopt;
        }
        Request request = std::move(received_.front());
        received_.pop_front();
        return request;
    }

    bool WaitUntilAdmitted(absl::Duration limit) {
        absl::MutexLock lock(&mutex_);
        const auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return metadata_read_ || status_; };
        mutex_.AwaitWithTimeout(absl::Condition(&there), limit);
        return admitted_;
    }

    std::string Metadata(const std::string& key) {
        absl::MutexLock lock(&mutex_);
        if (!admitted_) {
            return "";
        }
        const auto& metadata = context_.GetServerInitialMetadata();
        const auto found = metadata.find(key);
        return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
    }

    std::optional<grpc::Status> WaitForEnd(absl::Duration limit) {
        absl::MutexLock lock(&mutex_);
        const auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return status_.has_value(); };
        mutex_.AwaitWithTimeout(absl::Condition(&there), limit);
        return status_;
    }

 private:
    void WriteNext() {
        bool half_close = false;
        const Reply* message = nullptr;
        {
            absl::MutexLock lock(&mutex_);
            if (outgoing_.empty()) {
                writing_ = false;
                half_close = std::exchange(half_close_, false);
            } else {
                message = &outgoing_.front();
            }
        }
        if (message != nullptr) {
            StartWrite(message);
        } else if (half_close) {
            StartWritesDone();
        }
    }

    const AgentOptions options_;
    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<IAMPublicNodesService::Stub> stub_;
    grpc::ClientContext context_;
    Request incoming_;

    absl::Mutex mutex_;
    std::function<Reply(const Request&)> answer_ ABSL_GUARDED_BY(mutex_);
    std::deque<Request> received_ ABSL_GUARDED_BY(mutex_);
    std::deque<Reply> outgoing_ ABSL_GUARDED_BY(mutex_);
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    bool half_close_ ABSL_GUARDED_BY(mutex_) = false;
    bool released_ ABSL_GUARDED_BY(mutex_) = false;
    bool metadata_read_ ABSL_GUARDED_BY(mutex_) = false;
    bool admitted_ ABSL_GUARDED_BY(mutex_) = false;
    std::optional<grpc::Status> status_ ABSL_GUARDED_BY(mutex_);
};

ScriptedAgent::ScriptedAgent(const std::string& address, AgentOptions options)
    : stream_(std::make_unique<Stream>(address, std::move(options))) {
    stream_->Begin();
}

ScriptedAgent::ScriptedAgent(const std::string& address, const iamanager::v6::NodeInfo& info, AgentOptions options)
    : ScriptedAgent(address, std::move(options)) {
    SendInfo(info);
    WaitUntilAdmitted();
}

ScriptedAgent::~ScriptedAgent() {
    Cut();
    if (!WaitForEnd(absl::Minutes(1))) {
        // gRPC still holds the stream.
        std::abort();
    }
}

void ScriptedAgent::AnswerWith(std::function<Reply(const Request&)> answer) {
    stream_->AnswerWith(std::move(answer));
}

void ScriptedAgent::Send(const Reply& message) {
    stream_->Send(message);
}

void ScriptedAgent::SendInfo(const iamanager::v6::NodeInfo& info) {
    Reply message;
    *message.mutable_node_info() = info;
    Send(message);
}

std::optional<Request> ScriptedAgent::Receive(absl::Duration limit) {
    return stream_->Receive(limit);
}

bool ScriptedAgent::WaitUntilAdmitted(absl::Duration limit) {
    return stream_->WaitUntilAdmitted(limit);
}

std::string ScriptedAgent::Metadata(const std::string& key) {
    return stream_->Metadata(key);
}

void ScriptedAgent::HalfClose() {
    stream_->HalfClose();
}

void ScriptedAgent::Cut() {
    stream_->Cut();
}

std::optional<grpc::Status> ScriptedAgent::WaitForEnd(absl::Duration limit) {
    return stream_->WaitForEnd(limit);
}

}  // namespace provhub::test
