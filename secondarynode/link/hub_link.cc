#include "secondarynode/link/hub_link.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/runtime/log.h"
#include "secondarynode/link/hub_stream.h"

namespace provhub::link {
namespace {

constexpr runtime::Log kLog("link");

// An attempt gets more time the longer it has failed, so that a main node to which many nodes come back at once can
// finish handshakes instead of starting them all over.
constexpr absl::Duration kShortestConnectTimeout = absl::Seconds(2);

std::string Rounded(absl::Duration delay) {
    return absl::FormatDuration(absl::Trunc(delay, absl::Milliseconds(100)));
}

}  // namespace

// What outlives the link in timers that were already due.
class HubLink::Connection : public std::enable_shared_from_this<Connection> {
 public:
    Connection(HubConnector connect, std::function<iamanager::v6::NodeInfo()> describe, node::NodeEndpoint& operations,
               runtime::Scheduler& scheduler, HubLinkOptions options)
        : connect_(std::move(connect)),
          describe_(std::move(describe)),
          operations_(operations),
          scheduler_(scheduler),
          stable_after_(options.stable_after),
          time_limit_(options.time_limit),
          backoff_(options.first_delay, options.max_delay, std::move(options.random)) {}

    void Connect();
    void NodeChanged();
    void Drain(absl::Duration limit);
    void Stop();

 private:
    std::shared_ptr<HubStream> CreateStream(const std::shared_ptr<grpc::Channel>& channel);
    void OnOpened();
    void OnAdmitted();
    void OnStable(const HubStream* stream);
    void OnEnded(std::shared_ptr<HubStream> stream, const absl::Status& status);
    void OnFailed(const std::string& failure);
    bool IsDown() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stream_ == nullptr && !connecting_; }

    const HubConnector connect_;
    const std::function<iamanager::v6::NodeInfo()> describe_;
    node::NodeEndpoint& operations_;
    runtime::Scheduler& scheduler_;
    const absl::Duration stable_after_;
    const absl::Duration time_limit_;

    absl::Mutex mutex_;
    Backoff backoff_ ABSL_GUARDED_BY(mutex_);
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    // Connect runs.
    bool connecting_ ABSL_GUARDED_BY(mutex_) = false;
    // Null between two attempts.
    std::shared_ptr<HubStream> stream_ ABSL_GUARDED_BY(mutex_);
    // The stream before, until a thread that may let go of it comes by.
    std::shared_ptr<HubStream> ended_ ABSL_GUARDED_BY(mutex_);
    std::string where_ ABSL_GUARDED_BY(mutex_);
    // The main node has admitted this node, or has kept the stream open for long enough to be taken to have.
    bool registered_ ABSL_GUARDED_BY(mutex_) = false;
    std::string last_failure_ ABSL_GUARDED_BY(mutex_);
    std::unique_ptr<runtime::Timer> retry_ ABSL_GUARDED_BY(mutex_);
    std::unique_ptr<runtime::Timer> stable_ ABSL_GUARDED_BY(mutex_);
};

void HubLink::Connection::Connect() {
    const absl::Cleanup done = [this] {
        absl::MutexLock lock(&mutex_);
        connecting_ = false;
    };
    absl::Duration connect_timeout;
    std::shared_ptr<HubStream> ended;
    {
        absl::MutexLock lock(&mutex_);
        if (stopping_) {
            return;
        }
        connecting_ = true;
        ended = std::move(ended_);
        connect_timeout = std::max(kShortestConnectTimeout, 2 * backoff_.ceiling());
    }
    const absl::StatusOr<HubChannel> channel = connect_(connect_timeout);
    if (!channel.ok()) {
        OnFailed(absl::StrCat("cannot connect to the main node: ", channel.status().ToString()));
        return;
    }
    const auto stream = CreateStream(channel->channel);
    bool first;
    {
        absl::MutexLock lock(&mutex_);
        if (stopping_) {
            return;
        }
        stream_ = stream;
        where_ = channel->where;
        registered_ = false;
        first = last_failure_.empty();
    }
    const std::string message = absl::StrCat("connecting to the main node at ", channel->where);
    first ? kLog.Information(message) : kLog.Debug(message);
    stream->Start();
}

std::shared_ptr<HubStream> HubLink::Connection::CreateStream(const std::shared_ptr<grpc::Channel>& channel) {
    const auto weak = weak_from_this();
    const auto forward = [weak](void (Connection::*event)()) {
        return [weak, event] {
            if (const auto self = weak.lock()) {
                (self.get()->*event)();
            }
        };
    };
    return HubStream::Create(channel,
                             {.describe = describe_,
                              .opened = forward(&Connection::OnOpened),
                              .admitted = forward(&Connection::OnAdmitted),
                              .ended =
                                  [weak](std::shared_ptr<HubStream> stream, const absl::Status& status) {
                                      if (const auto self = weak.lock()) {
                                          self->OnEnded(std::move(stream), status);
                                      }
                                  }},
                             operations_, scheduler_, time_limit_);
}

void HubLink::Connection::OnOpened() {
    absl::MutexLock lock(&mutex_);
    if (!stopping_) {
        stable_ = scheduler_.After(stable_after_, [weak = weak_from_this(), stream = stream_.get()] {
            if (const auto self = weak.lock()) {
                self->OnStable(stream);
            }
        });
    }
}

void HubLink::Connection::OnAdmitted() {
    std::string where;
    {
        absl::MutexLock lock(&mutex_);
        registered_ = true;
        last_failure_.clear();
        where = where_;
    }
    kLog.Notice(absl::StrCat("connected to the main node at ", where));
}

void HubLink::Connection::OnStable(const HubStream* stream) {
    std::string where;
    {
        absl::MutexLock lock(&mutex_);
        if (stream_.get() != stream) {
            return;
        }
        backoff_.Reset();
        if (std::exchange(registered_, true)) {
            return;
        }
        last_failure_.clear();
        where = where_;
    }
    kLog.Notice(absl::StrCat("connected to the main node at ", where, ", which gives no acknowledgement"));
}

void HubLink::Connection::OnEnded(std::shared_ptr<HubStream> stream, const absl::Status& status) {
    const std::string reason = status.ok() ? "the main node ended the stream" : status.ToString();
    std::string failure;
    {
        absl::MutexLock lock(&mutex_);
        failure =
            absl::StrCat(registered_ ? "connection to the main node at " : "cannot register with the main node at ",
                         where_, registered_ ? " lost: " : ": ", reason);
        ended_ = std::move(stream);
    }
    OnFailed(failure);
}

void HubLink::Connection::OnFailed(const std::string& failure) {
    absl::Duration delay;
    bool repeated;
    {
        absl::MutexLock lock(&mutex_);
        stream_ = nullptr;
        stable_ = nullptr;
        if (stopping_) {
            return;
        }
        repeated = failure == last_failure_;
        last_failure_ = failure;
        delay = backoff_.Next();
        retry_ = scheduler_.After(delay, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->Connect();
            }
        });
    }
    const std::string message = absl::StrCat(failure, "; next attempt in ", Rounded(delay));
    repeated ? kLog.Debug(message) : kLog.Warning(message);
}

void HubLink::Connection::NodeChanged() {
    std::shared_ptr<HubStream> stream;
    {
        absl::MutexLock lock(&mutex_);
        stream = stream_;
    }
    if (stream != nullptr) {
        stream->NodeChanged();
    }
}

void HubLink::Connection::Drain(absl::Duration limit) {
    std::shared_ptr<HubStream> stream;
    {
        absl::MutexLock lock(&mutex_);
        if (std::exchange(stopping_, true)) {
            return;
        }
        retry_ = nullptr;
        stable_ = nullptr;
        stream = stream_;
    }
    if (stream == nullptr) {
        return;
    }
    stream->Drain();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &Connection::IsDown), limit);
}

void HubLink::Connection::Stop() {
    std::shared_ptr<HubStream> stream;
    {
        absl::MutexLock lock(&mutex_);
        stopping_ = true;
        retry_ = nullptr;
        stable_ = nullptr;
        stream = stream_;
    }
    if (stream != nullptr) {
        stream->Cancel();
    }
    std::shared_ptr<HubStream> ended;
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Connection::IsDown));
    ended = std::move(ended_);
}

HubLink::HubLink(HubConnector connect, std::function<iamanager::v6::NodeInfo()> describe,
                 node::NodeEndpoint& operations, runtime::Scheduler& scheduler, HubLinkOptions options)
    : connection_(std::make_shared<Connection>(std::move(connect), std::move(describe), operations, scheduler,
                                               std::move(options))) {
    connection_->Connect();
}

HubLink::~HubLink() {
    connection_->Stop();
}

void HubLink::NodeChanged() {
    connection_->NodeChanged();
}

void HubLink::Drain(absl::Duration limit) {
    connection_->Drain(limit);
    connection_->Stop();
}

}  // namespace provhub::link
