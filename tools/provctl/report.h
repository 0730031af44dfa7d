// The results of provctl's commands, as tables for people and as JSON for programs.
#ifndef PROVHUB_TOOLS_PROVCTL_REPORT_H_
#define PROVHUB_TOOLS_PROVCTL_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "provhub/v1/provhub.pb.h"
#include "tools/provctl/node_work.h"
#include "tools/provctl/unit_client.h"

namespace provhub::provctl {

// Columns as wide as their longest cell, two spaces between them. The first row is the head. Cells are made printable.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

std::string NodesTable(const std::vector<UnitNode>& nodes);
// {"nodes": [...]}, as every JSON text here without an end of line.
std::string NodesJson(const std::vector<UnitNode>& nodes);
// One element of the array.
std::string NodeJson(const UnitNode& node);
// One line about a change.
std::string NodeLine(const UnitNode& node);

std::string CertificatesTable(const std::vector<provhub::v1::Certificate>& certificates);
std::string CertificatesJson(const std::vector<provhub::v1::Certificate>& certificates);

// What a node has, or why that could not be told.
struct NodeCertificates {
    std::string node_id;
    std::vector<provhub::v1::Certificate> certificates;
    absl::Status error;
};

// As above with the node IDs; {"nodes": [{"nodeId": ..., "certificates": [...]}]}, with "error" where there is one.
std::string NodeCertificatesTable(const std::vector<NodeCertificates>& nodes);
std::string NodeCertificatesJson(const std::vector<NodeCertificates>& nodes);

// `done` is the word for success, such as "provisioned".
std::string ResultsTable(const std::vector<NodeResult>& results, const std::string& done);
std::string ResultsJson(const std::vector<NodeResult>& results, const std::string& done);

std::string VersionTable(const std::string& client, const ServerVersion& server);
std::string VersionJson(const std::string& client, const ServerVersion& server);

// {"NAME": "VALUE"}: of the CA's commands.
std::string ValueJson(const std::string& name, const std::string& value);

// {"error": {...}}: the whole result of a command that could not be carried out.
std::string ErrorJson(const absl::Status& error);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_REPORT_H_
