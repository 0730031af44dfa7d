#include "common/node/node_core.h"
#include "common/runtime/daemon.h"
#include "secondarynode/agent_app.h"

int main(int argc, char** argv) {
    return provhub::runtime::RunDaemon(argc, argv,
                                       {.name = "provhub-agent",
                                        .purpose = "Serves a secondary node's part of the unit's identity.",
                                        .default_config = "/etc/provhub/agent.json",
                                        .kind = provhub::config::NodeKind::kSecondary,
                                        .create = provhub::AgentApp::Create,
                                        .check = provhub::node::CheckNodeConfig});
}
