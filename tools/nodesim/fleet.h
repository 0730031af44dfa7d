// All nodes of a simulation.
#ifndef PROVHUB_TOOLS_NODESIM_FLEET_H_
#define PROVHUB_TOOLS_NODESIM_FLEET_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/runtime/scheduler.h"
#include "common/service/callback_heartbeat.h"
#include "tools/nodesim/simulated_node.h"

namespace provhub::nodesim {

class Fleet {
 public:
    // The nodes connect from now on. Errors: those of CreateConnector.
    static absl::StatusOr<std::unique_ptr<Fleet>> Start(const CommandLine& line);
    // Ends every stream.
    ~Fleet();

    const Statistics& statistics() const { return statistics_; }

 private:
    Fleet(const CommandLine& line, Connector connect, crypto::EvpPkeyPtr key);

    const CommandLine line_;
    const Connector connect_;
    Statistics statistics_;
    CertificateRequests requests_;
    const Answers answers_;
    const std::unique_ptr<runtime::Scheduler> scheduler_;
    const service::CallbackHeartbeat heartbeat_;
    Later later_;
    const Simulation simulation_;
    std::vector<std::shared_ptr<SimulatedNode>> nodes_;
};

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_FLEET_H_
