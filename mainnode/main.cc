#include "common/node/node_core.h"
#include "common/runtime/daemon.h"
#include "mainnode/main_node_app.h"

int main(int argc, char** argv) {
    return provhub::runtime::RunDaemon(argc, argv,
                                       {.name = "provhub-main",
                                        .purpose = "Serves the main node's part of the unit's identity and its API.",
                                        .default_config = "/etc/provhub/main.json",
                                        .kind = provhub::config::NodeKind::kMain,
                                        .create = provhub::MainNodeApp::Create,
                                        .check = provhub::node::CheckNodeConfig});
}
