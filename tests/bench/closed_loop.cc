#include "tests/bench/closed_loop.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::bench {

void Latencies::Add(const std::vector<absl::Duration>& calls, absl::Duration together) {
    calls_.insert(calls_.end(), calls.begin(), calls.end());
    together_ += together;
}

double Latencies::PerSecond() const {
    return static_cast<double>(calls_.size()) / absl::ToDoubleSeconds(together_);
}

double Latencies::Quantile(double share) const {
    if (calls_.empty()) {
        return 0;
    }
    std::vector<absl::Duration> calls = calls_;
    const auto nth = calls.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(calls.size() - 1));
    std::nth_element(calls.begin(), nth, calls.end());
    return absl::ToDoubleMicroseconds(*nth);
}

class ClosedLoop::Caller {
 public:
    Caller(const std::shared_ptr<grpc::Channel>& channel, const std::string& node)
        : stub_(iamanager::v6::IAMCertificateService::NewStub(channel)), request_(RequestTo(node)) {}

    void Start(int calls, absl::BlockingCounter& running) {
        latencies_.clear();
        left_ = calls;
        running_ = &running;
        Next();
    }

    const std::vector<absl::Duration>& latencies() const { return latencies_; }

 private:
    void Next() {
        context_.emplace();
        begun_ = absl::Now();
        stub_->async()->CreateKey(&*context_, &request_, &response_, [this](const grpc::Status& status) {
            latencies_.push_back(absl::Now() - begun_);
            if (!status.ok() || response_.csr().empty()) {
                std::cerr << "a call has failed: " << status.error_message() << "\n";
                std::_Exit(EXIT_FAILURE);
            }
            if (--left_ > 0) {
                Next();
            } else {
                running_->DecrementCount();
            }
        });
    }

    const std::unique_ptr<iamanager::v6::IAMCertificateService::Stub> stub_;
    const iamanager::v6::CreateKeyRequest request_;
    iamanager::v6::CreateKeyResponse response_;
    std::optional<grpc::ClientContext> context_;
    std::vector<absl::Duration> latencies_;
    absl::Time begun_;
    int left_ = 0;
    absl::BlockingCounter* running_ = nullptr;
};

iamanager::v6::CreateKeyRequest RequestTo(const std::string& node_id) {
    iamanager::v6::CreateKeyRequest request;
    request.set_node_id(node_id);
    request.set_subject("7f3a9c52-unit");
    request.set_type("online");
    request.set_password("provisioning password");
    return request;
}

ClosedLoop::ClosedLoop(const Connect& connect, int callers, const std::vector<std::string>& nodes) {
    for (int i = 0; i < callers; ++i) {
        callers_.push_back(std::make_unique<Caller>(connect(), nodes[static_cast<std::size_t>(i) % nodes.size()]));
    }
}

ClosedLoop::~ClosedLoop() = default;

void ClosedLoop::Run(int calls, Latencies& latencies) {
    const int count = static_cast<int>(callers_.size());
    absl::BlockingCounter running(count);
    const absl::Time begun = absl::Now();
    for (const auto& caller : callers_) {
        caller->Start(std::max(1, calls / count), running);
    }
    running.Wait();
    const absl::Duration together = absl::Now() - begun;
    std::vector<absl::Duration> all;
    for (const auto& caller : callers_) {
        all.insert(all.end(), caller->latencies().begin(), caller->latencies().end());
    }
    latencies.Add(all, together);
}

}  // namespace provhub::bench
