#include "tests/support/scripted_hub.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace provhub::test {

class ScriptedHub::Stream final : public grpc::ServerBidiReactor<node::Reply, node::Request>,
                                  public HubEnd,
                                  public std::enable_shared_from_this<Stream> {
 public:
    void Begin(const grpc::CallbackServerContext& context, const std::optional<grpc::Status>& refusal) {
        self_ = shared_from_this();
        for (const auto& [key, value] : context.client_metadata()) {
            metadata_.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
        }
        if (refusal) {
            End(*refusal);
        } else {
            StartRead(&incoming_);
        }
    }

    void Admit() override {
        absl::MutexLock lock(&mutex_);
        if (!over_) {
            StartSendInitialMetadata();
        }
    }

    std::optional<node::Reply> Receive(absl::Duration limit) override {
        const auto ready = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !received_.empty() || node_ended_; };
        absl::MutexLock lock(&mutex_);
        if (!mutex_.AwaitWithTimeout(absl::Condition(&ready), limit) || received_.empty()) {
            return std::nullopt;
        }
        auto message = std::move(received_.front());
        received_.pop_front();
        return message;
    }

    void Send(node::Request request) override {
        absl::MutexLock lock(&mutex_);
        sending_.push_back(std::move(request));
        Continue();
    }

    void End(const grpc::Status& status) override {
        absl::MutexLock lock(&mutex_);
        if (!ending_) {
            ending_ = status;
        }
        Continue();
    }

    bool WaitUntilNodeEnded(absl::Duration limit) override {
        absl::MutexLock lock(&mutex_);
        return mutex_.AwaitWithTimeout(absl::Condition(&node_ended_), limit);
    }

    std::string Metadata(const std::string& key) const override {
        const auto entry = metadata_.find(key);
        return entry == metadata_.end() ? "" : entry->second;
    }

    void OnReadDone(bool ok) override {
        absl::MutexLock lock(&mutex_);
        if (ok) {
            received_.push_back(std::move(incoming_));
            StartRead(&incoming_);
            return;
        }
        node_ended_ = true;
    }

    void OnWriteDone(bool ok) override {
        absl::MutexLock lock(&mutex_);
        writing_ = false;
        if (!ok) {
            sending_.clear();
        }
        Continue();
    }

    void OnCancel() override { End(grpc::Status::CANCELLED); }

    void OnDone() override {
        const auto self = std::move(self_);
        absl::MutexLock lock(&mutex_);
        node_ended_ = true;
    }

 private:
    void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        if (writing_ || over_) {
            return;
        }
        if (!sending_.empty()) {
            writing_ = true;
            outgoing_ = std::move(sending_.front());
            sending_.pop_front();
            StartWrite(&outgoing_);
        } else if (ending_) {
            over_ = true;
            Finish(*ending_);
        }
    }

    std::multimap<std::string, std::string> metadata_;
    node::Reply incoming_;
    node::Request outgoing_;
    absl::Mutex mutex_;
    std::shared_ptr<Stream> self_;
    std::deque<node::Reply> received_ ABSL_GUARDED_BY(mutex_);
    std::deque<node::Request> sending_ ABSL_GUARDED_BY(mutex_);
    std::optional<grpc::Status> ending_ ABSL_GUARDED_BY(mutex_);
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    bool over_ ABSL_GUARDED_BY(mutex_) = false;
    bool node_ended_ ABSL_GUARDED_BY(mutex_) = false;
};

ScriptedHub::ScriptedHub(int port) {
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
        std::fprintf(stderr, "the scripted hub cannot listen on port %d\n", port);
        std::abort();
    }
}

ScriptedHub::~ScriptedHub() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
}

std::string ScriptedHub::address() const {
    return absl::StrCat("127.0.0.1:", port_);
}

void ScriptedHub::Refuse(std::optional<grpc::Status> status) {
    absl::MutexLock lock(&mutex_);
    refusal_ = std::move(status);
}

std::shared_ptr<HubEnd> ScriptedHub::Accept(absl::Duration limit) {
    const auto ready = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !streams_.empty(); };
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&ready), limit)) {
        return nullptr;
    }
    auto stream = std::move(streams_.front());
    streams_.pop_front();
    return stream;
}

grpc::ServerBidiReactor<node::Reply, node::Request>* ScriptedHub::RegisterNode(grpc::CallbackServerContext* context) {
    const auto stream = std::make_shared<Stream>();
    absl::MutexLock lock(&mutex_);
    stream->Begin(*context, refusal_);
    streams_.push_back(stream);
    return stream.get();
}

int UnusedPort() {
    return ScriptedHub().port();
}

}  // namespace provhub::test
