#include "tests/bench/naive_hub/naive_hub.h"

#include <grpcpp/server_builder.h>

#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <string>

#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::bench {
namespace {

using iamanager::v6::CreateKeyRequest;
using iamanager::v6::CreateKeyResponse;
using iamanager::v6::IAMIncomingMessages;
using iamanager::v6::IAMOutgoingMessages;
using Stream = grpc::ServerReaderWriter<IAMIncomingMessages, IAMOutgoingMessages>;
using ReplyCase = IAMOutgoingMessages::IAMOutgoingMessageCase;

constexpr std::chrono::seconds kLimit(60);

class Node {
 public:
    explicit Node(Stream* stream) : stream_(stream) {}

    grpc::Status CreateKey(const CreateKeyRequest& request, CreateKeyResponse& response) {
        std::lock_guard one_at_a_time(create_key_);
        std::future<IAMOutgoingMessages> reply;
        {
            std::lock_guard lock(mutex_);
            reply = promises_[ReplyCase::kCreateKeyResponse].get_future();
            IAMIncomingMessages message;
            *message.mutable_create_key_request() = request;
            if (stream_ == nullptr || !stream_->Write(message)) {
                return {grpc::StatusCode::UNAVAILABLE, "the stream has ended"};
            }
        }
        if (reply.wait_for(kLimit) != std::future_status::ready) {
            return {grpc::StatusCode::DEADLINE_EXCEEDED, "no answer"};
        }
        response = reply.get().create_key_response();
        return grpc::Status::OK;
    }

    void Answer(const IAMOutgoingMessages& message) {
        std::lock_guard lock(mutex_);
        const auto found = promises_.find(message.IAMOutgoingMessage_case());
        if (found != promises_.end()) {
            found->second.set_value(message);
            promises_.erase(found);
        }
    }

    void End() {
        std::lock_guard lock(mutex_);
        stream_ = nullptr;
    }

 private:
    std::mutex create_key_;
    std::mutex mutex_;
    Stream* stream_;
    std::map<ReplyCase, std::promise<IAMOutgoingMessages>> promises_;
};

}  // namespace

class NaiveHub::Nodes {
 public:
    void Add(const std::string& id, const std::shared_ptr<Node>& node) {
        std::lock_guard lock(mutex_);
        nodes_[id] = node;
    }
    std::shared_ptr<Node> Find(const std::string& id) {
        std::lock_guard lock(mutex_);
        const auto found = nodes_.find(id);
        return found == nodes_.end() ? nullptr : found->second;
    }

 private:
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Node>> nodes_;
};

class NaiveHub::Registrations final : public iamanager::v6::IAMPublicNodesService::Service {
 public:
    explicit Registrations(Nodes& nodes) : nodes_(nodes) {}

 private:
    grpc::Status RegisterNode(grpc::ServerContext* /*context*/, Stream* stream) override {
        IAMOutgoingMessages message;
        if (!stream->Read(&message)) {
            return grpc::Status::OK;
        }
        const auto node = std::make_shared<Node>(stream);
        nodes_.Add(message.node_info().node_id(), node);
        stream->SendInitialMetadata();
        while (stream->Read(&message)) {
            node->Answer(message);
        }
        node->End();
        return grpc::Status::OK;
    }

    Nodes& nodes_;
};

class NaiveHub::Certificates final : public iamanager::v6::IAMCertificateService::Service {
 public:
    explicit Certificates(Nodes& nodes) : nodes_(nodes) {}

 private:
    grpc::Status CreateKey(grpc::ServerContext* /*context*/, const CreateKeyRequest* request,
                           CreateKeyResponse* response) override {
        const auto node = nodes_.Find(request->node_id());
        if (node == nullptr) {
            return {grpc::StatusCode::NOT_FOUND, "unknown node"};
        }
        return node->CreateKey(*request, *response);
    }

    Nodes& nodes_;
};

NaiveHub::NaiveHub(const std::shared_ptr<grpc::ServerCredentials>& credentials)
    : nodes_(std::make_unique<Nodes>()),
      registrations_(std::make_unique<Registrations>(*nodes_)),
      certificates_(std::make_unique<Certificates>(*nodes_)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.RegisterService(registrations_.get());
    builder.RegisterService(certificates_.get());
    server_ = builder.BuildAndStart();
}

NaiveHub::~NaiveHub() {
    server_->Shutdown(std::chrono::system_clock::now());
}

}  // namespace provhub::bench
