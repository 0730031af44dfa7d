#include "tools/nodesim/fleet.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/random/random.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/blocking_counter.h"
#include "common/crypto/private_key.h"
#include "common/status/macros.h"

namespace provhub::nodesim {

absl::StatusOr<std::unique_ptr<Fleet>> Fleet::Start(const CommandLine& line) {
    ASSIGN_OR_RETURN(Connector connect, CreateConnector(line.connection));
    ASSIGN_OR_RETURN(crypto::EvpPkeyPtr key, crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384));
    auto fleet = absl::WrapUnique(new Fleet(line, std::move(connect), std::move(key)));
    absl::BitGen random;
    for (int i = 0; i < line.nodes; ++i) {
        const bool slow_reader = absl::Bernoulli(random, line.behaviour.slow_readers);
        auto node = std::make_shared<SimulatedNode>(absl::StrFormat("%s%05d", line.id_prefix, line.first + i),
                                                    slow_reader, fleet->simulation_);
        const double due = line.rate > 0 ? (i + absl::Uniform(random, 0.0, 1.0)) / line.rate : 0;
        fleet->later_.After(absl::Seconds(due), [weak = std::weak_ptr(node)] {
            if (const auto alive = weak.lock()) {
                alive->Connect();
            }
        });
        fleet->nodes_.push_back(std::move(node));
    }
    return fleet;
}

Fleet::Fleet(const CommandLine& line, Connector connect, crypto::EvpPkeyPtr key)
    : line_(line),
      connect_(std::move(connect)),
      statistics_(line.nodes),
      requests_(std::move(key)),
      answers_(line.behaviour.cert_types, requests_),
      scheduler_(runtime::CreateScheduler(1)),
      heartbeat_(*scheduler_),
      simulation_{line_.behaviour, line_.reconnect_interval, connect_, answers_, later_, statistics_} {}

Fleet::~Fleet() {
    absl::BlockingCounter ended(static_cast<int>(nodes_.size()));
    for (const auto& node : nodes_) {
        node->Stop(ended);
    }
    ended.Wait();
}

}  // namespace provhub::nodesim
