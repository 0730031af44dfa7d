#include "tools/provctl/report.h"

#include <openssl/x509.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/crypto/openssl.h"
#include "tools/provctl/console.h"
#include "tools/provctl/report_words.h"

namespace provhub::provctl {
namespace {

using Row = std::vector<std::string>;

constexpr const char* kMainNodeAttribute = "MainNode";

template <typename Message>
std::optional<absl::Time> ToTime(bool has, const Message& timestamp) {
    if (!has) {
        return std::nullopt;
    }
    return absl::FromUnixSeconds(timestamp.seconds());
}

bool IsMainNode(const UnitNode& node) {
    return std::ranges::any_of(node.info.attrs(), [](const auto& attr) { return attr.name() == kMainNodeAttribute; });
}

std::string ConnectionWord(const UnitNode& node) {
    if (!node.connected.has_value()) {
        return kAbsent;
    }
    return *node.connected ? "connected" : "absent";
}

Json ToJson(const UnitNode& node) {
    Json json = {{"nodeId", node.info.node_id()},
                 {"title", node.info.title()},
                 {"nodeType", node.info.node_type()},
                 {"mainNode", IsMainNode(node)},
                 {"state", node.info.state()},
                 {"connected", nullptr},
                 {"changed", nullptr},
                 {"error", nullptr}};
    if (node.connected.has_value()) {
        json["connected"] = *node.connected;
    }
    if (node.changed.has_value()) {
        json["changed"] = TimeForPrograms(*node.changed);
    }
    if (node.info.has_error()) {
        json["error"] = {{"aosCode", node.info.error().aos_code()},
                         {"exitCode", node.info.error().exit_code()},
                         {"message", node.info.error().message()}};
    }
    return json;
}

// The server's words, or the DER that servers of other make give instead.
std::string IssuerOf(const provhub::v1::Certificate& certificate) {
    if (!certificate.issuer().empty()) {
        return certificate.issuer();
    }
    const std::string& der = certificate.info().issuer();
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    const crypto::X509NamePtr name(d2i_X509_NAME(nullptr, &data, static_cast<long>(der.size())));
    if (name == nullptr) {
        return {};
    }
    const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(bio.get(), name.get(), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

Json ToJson(const provhub::v1::Certificate& certificate) {
    const auto not_before = ToTime(certificate.has_not_before(), certificate.not_before());
    const auto not_after = ToTime(certificate.has_not_after(), certificate.not_after());
    return {{"type", certificate.info().type()},
            {"serial", certificate.info().serial()},
            {"subject", certificate.subject()},
            {"issuer", IssuerOf(certificate)},
            {"notBefore", not_before ? TimeForPrograms(*not_before) : Json(nullptr)},
            {"notAfter", not_after ? TimeForPrograms(*not_after) : Json(nullptr)},
            {"selfSigned", certificate.self_signed()},
            {"certUrl", certificate.info().cert_url()},
            {"keyUrl", certificate.info().key_url()}};
}

// As a rule one URL names both.
bool HaveOneUrl(const std::vector<provhub::v1::Certificate>& certificates) {
    return std::ranges::all_of(certificates, [](const auto& c) { return c.info().cert_url() == c.info().key_url(); });
}

Row CertificatesHead(bool one_url) {
    Row head = {"TYPE", "SERIAL", "EXPIRES", "ISSUER", one_url ? "CERTIFICATE AND KEY" : "CERTIFICATE"};
    if (!one_url) {
        head.push_back("KEY");
    }
    return head;
}

Row CertificateRow(const provhub::v1::Certificate& certificate, bool one_url) {
    const auto not_after = ToTime(certificate.has_not_after(), certificate.not_after());
    Row row = {certificate.info().type(), certificate.info().serial(), not_after ? TimeForPeople(*not_after) : kAbsent,
               certificate.self_signed() ? "self-signed" : OrDash(IssuerOf(certificate)),
               certificate.info().cert_url()};
    if (!one_url) {
        row.push_back(certificate.info().key_url());
    }
    return row;
}

std::string OutcomeWord(const NodeResult& result, const std::string& done) {
    switch (result.outcome) {
        case Outcome::kDone:
            return done;
        case Outcome::kSkipped:
            return "skipped";
        case Outcome::kFailed:
            return "failed";
    }
    return {};
}

std::string Detail(const NodeResult& result) {
    switch (result.outcome) {
        case Outcome::kFailed:
            return result.failed_step.empty()
                       ? std::string(result.error.message())
                       : absl::StrCat(result.failed_step, ": ", std::string(result.error.message()));
        case Outcome::kSkipped:
            return result.note;
        case Outcome::kDone:
            break;
    }
    Row types;
    for (const auto& certificate : result.certificates) {
        types.push_back(certificate.type());
    }
    return types.empty() ? std::string() : absl::StrCat("certificates: ", absl::StrJoin(types, ", "));
}

Json ErrorOf(const absl::Status& error) {
    return {{"code", absl::StatusCodeToString(error.code())}, {"message", std::string(error.message())}};
}

Json ToJson(const NodeResult& result, const std::string& done) {
    Json json = {{"nodeId", result.node_id},
                 {"result", OutcomeWord(result, done)},
                 {"seconds", absl::ToDoubleSeconds(absl::Trunc(result.elapsed, absl::Milliseconds(1)))}};
    if (result.outcome == Outcome::kFailed) {
        json["step"] = result.failed_step;
        json["error"] = ErrorOf(result.error);
    }
    if (result.outcome == Outcome::kSkipped) {
        json["note"] = result.note;
    }
    json["certificates"] = Json::array();
    for (const auto& certificate : result.certificates) {
        json["certificates"].push_back({{"type", certificate.type()},
                                        {"serial", certificate.serial()},
                                        {"certUrl", certificate.cert_url()},
                                        {"keyUrl", certificate.key_url()}});
    }
    return json;
}

std::string Mode(const provhub::v1::ServerInfo& info) {
    return absl::StrCat(info.main_node() ? "main node " : "node ", info.node_id(),
                        info.provisioning_mode() ? ", provisioning mode" : ", normal mode");
}

}  // namespace

std::string FormatTable(const std::vector<Row>& rows) {
    std::vector<Row> cells;
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        Row& line = cells.emplace_back();
        for (const std::string& cell : row) {
            line.push_back(Printable(cell));
            widths.resize(std::max(widths.size(), line.size()));
            widths[line.size() - 1] = std::max(widths[line.size() - 1], line.back().size());
        }
    }
    std::string table;
    for (const Row& row : cells) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            absl::StrAppend(&line, row[i], std::string(widths[i] - row[i].size() + 2, ' '));
        }
        line.erase(line.find_last_not_of(' ') + 1);
        absl::StrAppend(&table, line, "\n");
    }
    return table;
}

std::string NodesTable(const std::vector<UnitNode>& nodes) {
    std::vector<Row> rows = {{"NODE", "TITLE", "TYPE", "STATE", "CONNECTION", "SINCE", "ERROR"}};
    for (const UnitNode& node : nodes) {
        rows.push_back({node.info.node_id(), OrDash(node.info.title()), IsMainNode(node) ? "main" : "secondary",
                        node.info.state(), ConnectionWord(node), node.changed ? TimeForPeople(*node.changed) : kAbsent,
                        OrDash(node.info.error().message())});
    }
    return FormatTable(rows);
}

std::string NodesJson(const std::vector<UnitNode>& nodes) {
    Json array = Json::array();
    for (const UnitNode& node : nodes) {
        array.push_back(ToJson(node));
    }
    return Dump({{"nodes", array}});
}

std::string NodeJson(const UnitNode& node) {
    return Dump(ToJson(node), -1);
}

std::string NodeLine(const UnitNode& node) {
    std::string line = absl::StrCat(node.info.node_id(), "  ", node.info.state());
    if (node.connected.has_value()) {
        absl::StrAppend(&line, "  ", ConnectionWord(node));
    }
    if (node.info.has_error()) {
        absl::StrAppend(&line, "  ", node.info.error().message());
    }
    return Printable(line);
}

std::string CertificatesTable(const std::vector<provhub::v1::Certificate>& certificates) {
    const bool one_url = HaveOneUrl(certificates);
    std::vector<Row> rows = {CertificatesHead(one_url)};
    for (const auto& certificate : certificates) {
        rows.push_back(CertificateRow(certificate, one_url));
    }
    return FormatTable(rows);
}

std::string CertificatesJson(const std::vector<provhub::v1::Certificate>& certificates) {
    Json array = Json::array();
    for (const auto& certificate : certificates) {
        array.push_back(ToJson(certificate));
    }
    return Dump({{"certificates", array}});
}

std::string NodeCertificatesTable(const std::vector<NodeCertificates>& nodes) {
    const bool one_url = std::ranges::all_of(nodes, [](const auto& node) { return HaveOneUrl(node.certificates); });
    std::vector<Row> rows = {CertificatesHead(one_url)};
    rows.front().insert(rows.front().begin(), "NODE");
    for (const NodeCertificates& node : nodes) {
        for (const auto& certificate : node.certificates) {
            rows.push_back(CertificateRow(certificate, one_url));
            rows.back().insert(rows.back().begin(), node.node_id);
        }
    }
    return FormatTable(rows);
}

std::string NodeCertificatesJson(const std::vector<NodeCertificates>& nodes) {
    Json array = Json::array();
    for (const NodeCertificates& node : nodes) {
        Json& json = array.emplace_back(Json{{"nodeId", node.node_id}, {"certificates", Json::array()}});
        for (const auto& certificate : node.certificates) {
            json["certificates"].push_back(ToJson(certificate));
        }
        if (!node.error.ok()) {
            json["error"] = ErrorOf(node.error);
        }
    }
    return Dump({{"nodes", array}});
}

std::string ResultsTable(const std::vector<NodeResult>& results, const std::string& done) {
    std::vector<Row> rows = {{"NODE", "RESULT", "SECONDS", "DETAIL"}};
    for (const NodeResult& result : results) {
        rows.push_back({result.node_id, OutcomeWord(result, done),
                        absl::StrFormat("%.1f", absl::ToDoubleSeconds(result.elapsed)), Detail(result)});
    }
    return FormatTable(rows);
}

std::string ResultsJson(const std::vector<NodeResult>& results, const std::string& done) {
    Json array = Json::array();
    for (const NodeResult& result : results) {
        array.push_back(ToJson(result, done));
    }
    return Dump({{"nodes", array}});
}

std::string VersionTable(const std::string& client, const ServerVersion& server) {
    std::vector<Row> rows = {{"provctl", client}, {"API", absl::StrCat("v", server.api_version)}};
    if (server.info.has_value()) {
        rows.push_back({"server", server.info->version(), Mode(*server.info)});
    }
    if (!server.fingerprint.empty()) {
        rows.push_back({"certificate", absl::StrCat("SHA-256 ", server.fingerprint)});
    }
    return FormatTable(rows);
}

std::string VersionJson(const std::string& client, const ServerVersion& server) {
    Json json = {{"client", client}, {"server", {{"apiVersion", server.api_version}}}};
    if (server.info.has_value()) {
        json["server"]["version"] = server.info->version();
        json["server"]["nodeId"] = server.info->node_id();
        json["server"]["mainNode"] = server.info->main_node();
        json["server"]["provisioningMode"] = server.info->provisioning_mode();
        json["server"]["uptimeSeconds"] = server.info->uptime().seconds();
    }
    if (!server.fingerprint.empty()) {
        json["server"]["fingerprint"] = server.fingerprint;
    }
    return Dump(json);
}

std::string ValueJson(const std::string& name, const std::string& value) {
    return Dump({{name, value}});
}

std::string ErrorJson(const absl::Status& error) {
    return Dump({{"error", ErrorOf(error)}});
}

}  // namespace provhub::provctl
