#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/node/node_core.h"
#include "common/provisioning/platform_hooks.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::node {

std::vector<absl::Status> CheckNodeConfig(const config::v1::Config& config) {
    std::vector<absl::Status> faults;
    const auto check = [&](const std::string& key, const std::string& path, int access) {
        if (::access(path.c_str(), access) != 0) {
            faults.push_back(absl::ErrnoToStatus(errno, absl::StrCat(key, ": '", path, "'")));
        }
    };
    if (::access(config.working_dir().c_str(), F_OK) == 0) {
        check("workingDir", config.working_dir(), R_OK | W_OK | X_OK);
    }
    if (!config.audit_log_path().empty()) {
        const std::string directory = std::filesystem::path(config.audit_log_path()).parent_path().string();
        check("auditLogPath", directory.empty() ? "." : directory, R_OK | W_OK | X_OK);
    }
    check("nodeInfo.nodeIdPath", config.node_info().node_id_path(), R_OK);
    for (absl::Status& fault : provisioning::CheckPlatformHooks(config)) {
        faults.push_back(std::move(fault));
    }
    for (int i = 0; i < config.cert_modules_size(); ++i) {
        const auto& module = config.cert_modules(i);
        // One without a slash is looked for where the dynamic linker looks.
        if (!module.disabled() && module.params().library().find('/') != std::string::npos) {
            check(absl::StrCat("certModules[", i, "].params.library"), module.params().library(), R_OK);
        }
    }
    return faults;
}

}  // namespace provhub::node
