#include "tests/support/fake_core.h"

#include <algorithm>
#include <iostream>

#include "provhub/config/v1/config.pb.h"

namespace provhub::test {

void FakeCertDirectory::Add(const cert::CertRecord& record) {
    {
        absl::MutexLock lock(&mutex_);
        records_.push_back(record);
    }
    listeners_.Notify(record);
}

absl::StatusOr<cert::CertRecord> FakeCertDirectory::Get(absl::string_view type, absl::string_view issuer_der,
                                                        absl::string_view serial) const {
    absl::MutexLock lock(&mutex_);
    for (auto record = records_.rbegin(); record != records_.rend(); ++record) {
        const bool named = record->issuer_der == issuer_der && record->serial == serial;
        if (record->type == type && (named || (issuer_der.empty() && serial.empty()))) {
            return *record;
        }
    }
    return absl::NotFoundError("no such certificate");
}

absl::StatusOr<std::vector<cert::CertRecord>> FakeCertDirectory::List() const {
    absl::MutexLock lock(&mutex_);
    return records_;
}

FakeCore::FakeCore(const std::string& node_id, bool main_node) {
    config::v1::NodeInfo config;
    config.set_node_id_path(dir_.Write("node_id", node_id + "\n"));
    config.set_node_name(node_id);
    config.set_provisioning_state_path(dir_.File("state"));
    config.set_cpu_info_path(dir_.Write("cpuinfo", ""));
    config.set_mem_info_path(dir_.Write("meminfo", "MemTotal: 1024 kB\n"));
    auto current_node = node::CurrentNode::Create(config, main_node);
    if (!current_node.ok()) {
        std::cerr << current_node.status() << std::endl;
        std::abort();
    }
    current_node_ = *std::move(current_node);
}

absl::StatusOr<tls::Identity> FakeCore::LoadIdentity(const cert::CertRecord& record) {
    absl::MutexLock lock(&mutex_);
    const auto found = identities_.find(record.serial);
    if (found == identities_.end()) {
        return absl::FailedPreconditionError("the key does not belong to the certificate");
    }
    return found->second;
}

void FakeCore::SetIdentity(const std::string& serial, tls::Identity identity) {
    absl::MutexLock lock(&mutex_);
    identities_.insert_or_assign(serial, std::move(identity));
}

void FakeIdentity::SetSystem(node::SystemIdentity system) {
    absl::MutexLock lock(&mutex_);
    system_ = std::move(system);
}

void FakeIdentity::SetSubjects(std::vector<std::string> subjects) {
    {
        absl::MutexLock lock(&mutex_);
        subjects_ = subjects;
    }
    listeners_.Notify(subjects);
}

absl::StatusOr<node::SystemIdentity> FakeIdentity::System() const {
    absl::MutexLock lock(&mutex_);
    return system_;
}

absl::StatusOr<std::vector<std::string>> FakeIdentity::Subjects() const {
    absl::MutexLock lock(&mutex_);
    return subjects_;
}

}  // namespace provhub::test
