// Callers that each have one call under way at any time.
#ifndef PROVHUB_TESTS_BENCH_CLOSED_LOOP_H_
#define PROVHUB_TESTS_BENCH_CLOSED_LOOP_H_

#include <grpcpp/channel.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "iamanager/v6/iamanager.pb.h"

namespace provhub::bench {

// How long each of some calls took, and all of them together.
class Latencies {
 public:
    void Add(const std::vector<absl::Duration>& calls, absl::Duration together);

    double PerSecond() const;
    // In microseconds, of the calls' own times; `share` 0.5 is the median. 0 when there are none.
    double Quantile(double share) const;
    std::size_t size() const { return calls_.size(); }

 private:
    std::vector<absl::Duration> calls_;
    absl::Duration together_;
};

// The CreateKey that every benchmark makes.
iamanager::v6::CreateKeyRequest RequestTo(const std::string& node_id);

// Calls CreateKey of one server, each caller on a connection of its own and to one node of `nodes`.
class ClosedLoop {
 public:
    using Connect = std::function<std::shared_ptr<grpc::Channel>()>;

    ClosedLoop(const Connect& connect, int callers, const std::vector<std::string>& nodes);
    ~ClosedLoop();

    // Makes `calls` calls, shared evenly by the callers, and adds what they took to `latencies`. Ends the program when
    // one fails.
    void Run(int calls, Latencies& latencies);

 private:
    class Caller;

    std::vector<std::unique_ptr<Caller>> callers_;
};

}  // namespace provhub::bench

#endif  // PROVHUB_TESTS_BENCH_CLOSED_LOOP_H_
