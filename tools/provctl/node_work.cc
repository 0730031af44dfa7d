#include "tools/provctl/node_work.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "tools/provctl/expiry.h"

namespace provhub::provctl {
namespace {

constexpr absl::string_view kUnprovisioned = "unprovisioned";

// The steps of one node.
class Steps {
 public:
    Steps(std::string node_id, Console& console) : console_(console) { result_.node_id = std::move(node_id); }

    // Runs a step and says how it went. `work` returns a Status or a StatusOr, which is passed on.
    template <typename Work>
    auto Run(const std::string& step, const Work& work) {
        const absl::Time begun = absl::Now();
        auto outcome = work();
        const absl::Status status = ToStatus(outcome);
        const std::string took = absl::StrFormat("%.1f s", absl::ToDoubleSeconds(absl::Now() - begun));
        if (status.ok()) {
            Say(absl::StrCat(step, ": done, ", took));
        } else {
            result_.failed_step = step;
            Say(absl::StrCat(step, ": failed, ", took, ": ", status.message()));
        }
        return outcome;
    }

    void Skip(const std::string& why) {
        result_.outcome = Outcome::kSkipped;
        result_.note = why;
        Say(why);
    }

    void SetFailedStep(const std::string& step) { result_.failed_step = step; }

    void Say(absl::string_view text) { console_.Say(absl::StrCat(result_.node_id, ": ", text)); }

    NodeResult Finish(const absl::Status& status) && {
        result_.elapsed = absl::Now() - begun_;
        result_.error = status;
        if (status.ok()) {
            result_.failed_step.clear();
        } else {
            result_.outcome = Outcome::kFailed;
            result_.certificates.clear();
        }
        return std::move(result_);
    }

    const std::string& node_id() const { return result_.node_id; }
    void Add(iamanager::v6::CertInfo certificate) { result_.certificates.push_back(std::move(certificate)); }

 private:
    static const absl::Status& ToStatus(const absl::Status& status) { return status; }
    template <typename Value>
    static const absl::Status& ToStatus(const absl::StatusOr<Value>& value) {
        return value.status();
    }

    Console& console_;
    const absl::Time begun_ = absl::Now();
    NodeResult result_;
};

// CreateKey, the CA's signature and ApplyCert.
class Certification {
 public:
    Certification(UnitClient& client, CertificateAuthority& ca, const crypto::Secret& password, Steps& steps)
        : client_(client), ca_(ca), password_(password), steps_(steps) {}

    // The CSR.
    absl::StatusOr<std::string> CreateKey(const std::string& type, const std::string& subject) {
        return steps_.Run(absl::StrCat("CreateKey ", type),
                          [&] { return client_.CreateKey(steps_.node_id(), type, subject, password_); });
    }

    absl::Status Certify(const std::string& type, std::string csr) {
        const SigningRequest request{.node_id = steps_.node_id(), .cert_type = type, .csr = std::move(csr)};
        ASSIGN_OR_RETURN(const std::string chain,
                         steps_.Run(absl::StrCat("Sign ", type), [&]() -> absl::StatusOr<std::string> {
                             RETURN_IF_ERROR(CheckRequest(request));
                             return ca_.Sign(request);
                         }));
        ASSIGN_OR_RETURN(auto certificate, steps_.Run(absl::StrCat("ApplyCert ", type),
                                                      [&] { return client_.ApplyCert(request.node_id, type, chain); }));
        certificate.set_type(type);
        steps_.Add(std::move(certificate));
        return absl::OkStatus();
    }

 private:
    UnitClient& client_;
    CertificateAuthority& ca_;
    const crypto::Secret& password_;
    Steps& steps_;
};

class Enrolment {
 public:
    Enrolment(UnitClient& client, CertificateAuthority& ca, const crypto::Secret& password,
              const EnrolmentOptions& options, Steps& steps)
        : client_(client),
          password_(password),
          options_(options),
          steps_(steps),
          certification_(client, ca, password, steps) {}

    absl::Status Run(const std::string& state) {
        if (options_.restart && state != kUnprovisioned) {
            RETURN_IF_ERROR(Deprovision());
        }
        RETURN_IF_ERROR(Start());
        ASSIGN_OR_RETURN(const std::vector<std::string> types,
                         steps_.Run("GetCertTypes", [&] { return client_.GetCertTypes(steps_.node_id()); }));
        for (const std::string& type : types) {
            RETURN_IF_ERROR(Enrol(type));
        }
        return steps_.Run("FinishProvisioning",
                          [&] { return client_.FinishProvisioning(steps_.node_id(), password_); });
    }

 private:
    absl::Status Deprovision() {
        return steps_.Run("Deprovision", [&] { return client_.Deprovision(steps_.node_id(), password_); });
    }

    // OK, too, when the node seems to have been started before: whether it was, CreateKey will tell.
    absl::Status Start() {
        const auto start = [&] { return client_.StartProvisioning(steps_.node_id(), password_); };
        absl::Status status = steps_.Run("StartProvisioning", start);
        if (!absl::IsFailedPrecondition(status)) {
            return status;
        }
        if (options_.restart) {
            RETURN_IF_ERROR(Deprovision());
            return steps_.Run("StartProvisioning", start);
        }
        steps_.Say("continuing what was begun before (--restart begins anew)");
        refused_start_ = std::move(status);
        return absl::OkStatus();
    }

    absl::Status Enrol(const std::string& type) {
        auto csr = certification_.CreateKey(type, options_.subject);
        if (absl::IsFailedPrecondition(csr.status()) && !refused_start_.ok()) {
            // It was not the enrolment that had begun before.
            steps_.SetFailedStep("StartProvisioning");
            return refused_start_;
        }
        RETURN_IF_ERROR(csr.status());
        return certification_.Certify(type, *std::move(csr));
    }

    UnitClient& client_;
    const crypto::Secret& password_;
    const EnrolmentOptions& options_;
    Steps& steps_;
    Certification certification_;
    absl::Status refused_start_;
};

// What of a node expires within `options.within` and can be renewed.
std::vector<provhub::v1::Certificate> DueCertificates(const std::vector<provhub::v1::Certificate>& certificates,
                                                      const RenewalOptions& options, absl::Time now) {
    auto due = ExpiringWithin(certificates, now + options.within);
    std::erase_if(due, [](const provhub::v1::Certificate& certificate) { return certificate.self_signed(); });
    return due;
}

}  // namespace

NodeResult Provision(UnitClient& client, CertificateAuthority& ca, const crypto::Secret& password,
                     const EnrolmentOptions& options, const UnitNode& node, Console& console) {
    Steps steps(node.info.node_id(), console);
    const absl::Status status = Enrolment(client, ca, password, options, steps).Run(node.info.state());
    return std::move(steps).Finish(status);
}

NodeResult Renew(UnitClient& client, CertificateAuthority& ca, const crypto::Secret& password,
                 const RenewalOptions& options, const std::string& node_id, Console& console) {
    Steps steps(node_id, console);
    const auto work = [&]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto certificates, steps.Run("ListCertificates", [&] {
            return client.ListCertificates(options.types, node_id);
        }));
        const auto due = DueCertificates(certificates, options, absl::Now());
        if (due.empty()) {
            steps.Skip("nothing expires in that time");
        }
        Certification certification(client, ca, password, steps);
        for (const auto& certificate : due) {
            const std::string& type = certificate.info().type();
            const std::string subject = options.subject.empty() ? CommonNameOf(certificate.subject()) : options.subject;
            ASSIGN_OR_RETURN(std::string csr, certification.CreateKey(type, subject));
            RETURN_IF_ERROR(certification.Certify(type, std::move(csr)));
        }
        return absl::OkStatus();
    };
    const absl::Status status = work();
    return std::move(steps).Finish(status);
}

NodeResult Deprovision(UnitClient& client, const crypto::Secret& password, const std::string& node_id,
                       Console& console) {
    Steps steps(node_id, console);
    const absl::Status status = steps.Run("Deprovision", [&] { return client.Deprovision(node_id, password); });
    return std::move(steps).Finish(status);
}

NodeResult Pause(UnitClient& client, const std::string& node_id, Console& console) {
    Steps steps(node_id, console);
    const absl::Status status = steps.Run("PauseNode", [&] { return client.PauseNode(node_id); });
    return std::move(steps).Finish(status);
}

NodeResult Resume(UnitClient& client, const std::string& node_id, Console& console) {
    Steps steps(node_id, console);
    const absl::Status status = steps.Run("ResumeNode", [&] { return client.ResumeNode(node_id); });
    return std::move(steps).Finish(status);
}

void ForEachIndex(std::size_t count, int parallel, const std::function<void(std::size_t index)>& work) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> workers;
    const std::size_t threads = std::min(count, static_cast<std::size_t>(parallel));
    workers.reserve(threads);
    for (std::size_t i = 0; i < threads; ++i) {
        workers.emplace_back([&] {
            for (std::size_t index = next++; index < count; index = next++) {
                work(index);
            }
        });
    }
}

std::vector<NodeResult> ForEachNode(std::size_t count, int parallel,
                                    const std::function<NodeResult(std::size_t index)>& work) {
    std::vector<NodeResult> results(count);
    ForEachIndex(count, parallel, [&](std::size_t index) { results[index] = work(index); });
    return results;
}

}  // namespace provhub::provctl
