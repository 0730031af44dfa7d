#include "secondarynode/link/hub_link.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

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

// What the last answers of a stream that was taken over from may take beyond the time limit of their calls.
constexpr absl::Duration kHandoverGrace = absl::Seconds(30);

// Remembered failures, so that each is logged once.
constexpr std::size_t kMaxFailures = 16;

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
          keep_rejoin_secret_(std::move(options.keep_rejoin_secret)),
          backoff_(options.first_delay, options.max_delay, std::move(options.random)) {}

    void Connect();
    void Renew();
    void NodeChanged();
    void Drain(absl::Duration limit);
    void Stop();

 private:
    struct Line {
        std::shared_ptr<HubStream> stream;
        std::string where;
        bool proven = false;
        // The main node has admitted this node, or has kept the stream open for long enough to be taken to have.
        bool registered = false;
        // Until it counts as stable; of one that was taken over from, until it is cut.
        std::unique_ptr<runtime::Timer> timer;
    };

    void OpenLine(bool handover);
    std::shared_ptr<HubStream> CreateStream(std::uint64_t id, const HubChannel& channel, bool handover);
    void OnOpened(std::uint64_t id);
    void OnAdmitted(std::uint64_t id, const std::string& rejoin_secret);
    void OnStable(std::uint64_t id);
    void OnEnded(std::uint64_t id, std::shared_ptr<HubStream> stream, const absl::Status& status);
    void OnFailed(const std::string& failure);
    void OnHandoverFailed(absl::string_view reason);
    // Makes the line of a handover the one in use. Returns the stream that is to bring its answers, where there is one.
    std::shared_ptr<HubStream> TakeOver(std::uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    std::vector<std::shared_ptr<HubStream>> Streams() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    bool IsDown() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lines_.empty() && connecting_ == 0; }

    const HubConnector connect_;
    const std::function<iamanager::v6::NodeInfo()> describe_;
    node::NodeEndpoint& operations_;
    runtime::Scheduler& scheduler_;
    const absl::Duration stable_after_;
    const absl::Duration time_limit_;
    const std::function<void(const std::string&)> keep_rejoin_secret_;

    absl::Mutex mutex_;
    Backoff backoff_ ABSL_GUARDED_BY(mutex_);
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    // OpenLine runs so many times.
    int connecting_ ABSL_GUARDED_BY(mutex_) = 0;
    std::uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
    // Every stream that has not ended.
    std::map<std::uint64_t, Line> lines_ ABSL_GUARDED_BY(mutex_);
    // The line in use; 0 between two attempts.
    std::uint64_t current_ ABSL_GUARDED_BY(mutex_) = 0;
    // The line that is to take over; 0: none.
    std::uint64_t successor_ ABSL_GUARDED_BY(mutex_) = 0;
    bool handing_over_ ABSL_GUARDED_BY(mutex_) = false;
    // What the node shows has changed again meanwhile.
    bool renew_again_ ABSL_GUARDED_BY(mutex_) = false;
    // Streams that are over, until a thread that may let go of them comes by.
    std::vector<std::shared_ptr<HubStream>> ended_ ABSL_GUARDED_BY(mutex_);
    // Since the node was last registered. Those that were logged once need not be again.
    std::set<std::string> failures_ ABSL_GUARDED_BY(mutex_);
    std::unique_ptr<runtime::Timer> retry_ ABSL_GUARDED_BY(mutex_);
    bool refused_ ABSL_GUARDED_BY(mutex_) = false;
};

void HubLink::Connection::Connect() {
    OpenLine(/*handover=*/false);
}

void HubLink::Connection::Renew() {
    {
        absl::MutexLock lock(&mutex_);
        const auto current = lines_.find(current_);
        // Otherwise the next attempt shows what the node has then.
        if (stopping_ || current == lines_.end() || !current->second.registered || !current->second.proven) {
            return;
        }
        if (std::exchange(handing_over_, true)) {
            renew_again_ = true;
            return;
        }
    }
    scheduler_.Post([weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->OpenLine(/*handover=*/true);
        }
    });
}

void HubLink::Connection::OpenLine(bool handover) {
    absl::Duration connect_timeout;
    bool refused = false;
    std::vector<std::shared_ptr<HubStream>> ended;
    {
        absl::MutexLock lock(&mutex_);
        if (stopping_) {
            return;
        }
        ++connecting_;
        ended = std::exchange(ended_, {});
        connect_timeout = std::max(kShortestConnectTimeout, 2 * backoff_.ceiling());
        refused = std::exchange(refused_, false);
    }
    const absl::Cleanup done = [this] {
        absl::MutexLock lock(&mutex_);
        --connecting_;
    };
    const absl::StatusOr<HubChannel> channel =
        connect_({.timeout = connect_timeout, .handover = handover, .refused = refused});
    if (!channel.ok()) {
        const std::string reason(channel.status().message());
        handover ? OnHandoverFailed(reason) : OnFailed(absl::StrCat("cannot connect to the main node: ", reason));
        return;
    }
    std::shared_ptr<HubStream> stream;
    bool first = false;
    {
        absl::MutexLock lock(&mutex_);
        if (stopping_) {
            return;
        }
        if (handover && current_ == 0) {
            // There is nothing to take over from any more; the next attempt is due anyway.
            handing_over_ = false;
            return;
        }
        const std::uint64_t id = ++last_id_;
        stream = CreateStream(id, *channel, handover);
        Line& line = lines_[id];
        line.stream = stream;
        line.where = channel->where;
        line.proven = channel->proven;
        (handover ? successor_ : current_) = id;
        first = failures_.empty();
    }
    const std::string message = absl::StrCat("connecting to the main node at ", channel->where);
    first ? kLog.Information(message) : kLog.Debug(message);
    stream->Start();
}

std::shared_ptr<HubStream> HubLink::Connection::CreateStream(std::uint64_t id, const HubChannel& channel,
                                                             bool handover) {
    const auto weak = weak_from_this();
    return HubStream::Create(channel, handover,
                             {.describe = describe_,
                              .opened =
                                  [weak, id] {
                                      if (const auto self = weak.lock()) {
                                          self->OnOpened(id);
                                      }
                                  },
                              .admitted =
                                  [weak, id](const std::string& rejoin_secret) {
                                      if (const auto self = weak.lock()) {
                                          self->OnAdmitted(id, rejoin_secret);
                                      }
                                  },
                              .ended =
                                  [weak, id](std::shared_ptr<HubStream> stream, const absl::Status& status) {
                                      if (const auto self = weak.lock()) {
                                          self->OnEnded(id, std::move(stream), status);
                                      }
                                  }},
                             operations_, scheduler_, time_limit_);
}

void HubLink::Connection::OnOpened(std::uint64_t id) {
    absl::MutexLock lock(&mutex_);
    const auto line = lines_.find(id);
    if (!stopping_ && line != lines_.end()) {
        line->second.timer = scheduler_.After(stable_after_, [weak = weak_from_this(), id] {
            if (const auto self = weak.lock()) {
                self->OnStable(id);
            }
        });
    }
}

std::shared_ptr<HubStream> HubLink::Connection::TakeOver(std::uint64_t id) {
    if (id != successor_) {
        return nullptr;
    }
    const std::uint64_t before = std::exchange(current_, std::exchange(successor_, 0));
    handing_over_ = false;
    const auto old = lines_.find(before);
    if (old == lines_.end()) {
        return nullptr;
    }
    // The main node ends it when it has its answers.
    const std::weak_ptr<HubStream> stream = old->second.stream;
    old->second.timer = scheduler_.After(time_limit_ + kHandoverGrace, [stream] {
        if (const auto alive = stream.lock()) {
            alive->Cancel();
        }
    });
    return old->second.stream;
}

void HubLink::Connection::OnAdmitted(std::uint64_t id, const std::string& rejoin_secret) {
    std::string where;
    bool again = false;
    {
        absl::MutexLock lock(&mutex_);
        const auto line = lines_.find(id);
        if (line == lines_.end()) {
            return;
        }
        line->second.registered = true;
        failures_.clear();
        where = line->second.where;
        TakeOver(id);
        again = !handing_over_ && std::exchange(renew_again_, false);
    }
    kLog.Notice(absl::StrCat("connected to the main node at ", where));
    if (!rejoin_secret.empty()) {
        scheduler_.Post([keep = keep_rejoin_secret_, rejoin_secret] { keep(rejoin_secret); });
    }
    if (again) {
        Renew();
    }
}

void HubLink::Connection::OnStable(std::uint64_t id) {
    std::string where;
    std::shared_ptr<HubStream> old;
    {
        absl::MutexLock lock(&mutex_);
        const auto line = lines_.find(id);
        if (line == lines_.end() || (id != current_ && id != successor_)) {
            return;
        }
        backoff_.Reset();
        if (std::exchange(line->second.registered, true)) {
            return;
        }
        failures_.clear();
        where = line->second.where;
        old = TakeOver(id);
    }
    kLog.Notice(absl::StrCat("connected to the main node at ", where, ", which gives no acknowledgement"));
    if (old != nullptr) {
        old->Drain();
    }
}

void HubLink::Connection::OnEnded(std::uint64_t id, std::shared_ptr<HubStream> stream, const absl::Status& status) {
    const std::string reason = status.ok() ? "the main node ended the stream" : status.ToString();
    std::string failure;
    bool was_successor = false;
    {
        absl::MutexLock lock(&mutex_);
        ended_.push_back(std::move(stream));
        const auto line = lines_.extract(id);
        refused_ = refused_ || absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
        was_successor = id == successor_;
        if (was_successor) {
            successor_ = 0;
        } else if (id != current_) {
            return;
        } else {
            // One that is about to take over does so now.
            current_ = std::exchange(successor_, 0);
            handing_over_ = handing_over_ && current_ == 0;
            if (current_ != 0) {
                return;
            }
            const bool registered = !line.empty() && line.mapped().registered;
            failure =
                absl::StrCat(registered ? "connection to the main node at " : "cannot register with the main node at ",
                             line.empty() ? "" : line.mapped().where, registered ? " lost: " : ": ", reason);
        }
    }
    was_successor ? OnHandoverFailed(reason) : OnFailed(failure);
}

void HubLink::Connection::OnHandoverFailed(absl::string_view reason) {
    bool again = false;
    {
        absl::MutexLock lock(&mutex_);
        handing_over_ = false;
        again = std::exchange(renew_again_, false);
    }
    kLog.Warning(absl::StrCat("cannot move to a new connection, the one before stays: ", reason));
    if (again) {
        Renew();
    }
}

void HubLink::Connection::OnFailed(const std::string& failure) {
    absl::Duration delay;
    bool repeated;
    {
        absl::MutexLock lock(&mutex_);
        if (stopping_) {
            return;
        }
        if (failures_.size() >= kMaxFailures) {
            failures_.clear();
        }
        repeated = !failures_.insert(failure).second;
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

std::vector<std::shared_ptr<HubStream>> HubLink::Connection::Streams() {
    std::vector<std::shared_ptr<HubStream>> streams;
    for (const auto& [unused, line] : lines_) {
        streams.push_back(line.stream);
    }
    return streams;
}

void HubLink::Connection::NodeChanged() {
    std::vector<std::shared_ptr<HubStream>> streams;
    {
        absl::MutexLock lock(&mutex_);
        streams = Streams();
    }
    for (const auto& stream : streams) {
        stream->NodeChanged();
    }
}

void HubLink::Connection::Drain(absl::Duration limit) {
    std::vector<std::shared_ptr<HubStream>> streams;
    {
        absl::MutexLock lock(&mutex_);
        if (std::exchange(stopping_, true)) {
            return;
        }
        retry_ = nullptr;
        streams = Streams();
    }
    if (streams.empty()) {
        return;
    }
    for (const auto& stream : streams) {
        stream->Drain();
    }
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &Connection::IsDown), limit);
}

void HubLink::Connection::Stop() {
    std::vector<std::shared_ptr<HubStream>> streams;
    {
        absl::MutexLock lock(&mutex_);
        stopping_ = true;
        retry_ = nullptr;
        streams = Streams();
    }
    for (const auto& stream : streams) {
        stream->Cancel();
    }
    streams.clear();
    std::vector<std::shared_ptr<HubStream>> ended;
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Connection::IsDown));
    ended = std::exchange(ended_, {});
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

void HubLink::Renew() {
    connection_->Renew();
}

void HubLink::NodeChanged() {
    connection_->NodeChanged();
}

void HubLink::Drain(absl::Duration limit) {
    connection_->Drain(limit);
    connection_->Stop();
}

}  // namespace provhub::link
