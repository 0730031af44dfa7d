#include "mainnode/api/identity_service.h"

#include <string>
#include <vector>

#include "common/service/change_stream.h"
#include "common/status/status.h"

namespace provhub::api {
namespace {

using iamanager::v6::Subjects;
using iamanager::v6::SystemInfo;

void ToProto(const std::vector<std::string>& subjects, Subjects& proto) {
    proto.mutable_subjects()->Assign(subjects.begin(), subjects.end());
}

}  // namespace

grpc::ServerUnaryReactor* IdentityService::GetSystemInfo(grpc::CallbackServerContext* context,
                                                         const google::protobuf::Empty*, SystemInfo* response) {
    auto* reactor = context->DefaultReactor();
    scheduler_.Post([this, reactor, response] {
        const auto system = identity_.System();
        if (system.ok()) {
            response->set_system_id(system->system_id);
            response->set_unit_model(system->unit_model);
            response->set_version(system->version);
        }
        reactor->Finish(status::ToGrpc(system.status()));
    });
    return reactor;
}

grpc::ServerUnaryReactor* IdentityService::GetSubjects(grpc::CallbackServerContext* context,
                                                       const google::protobuf::Empty*, Subjects* response) {
    auto* reactor = context->DefaultReactor();
    scheduler_.Post([this, reactor, response] {
        const auto subjects = identity_.Subjects();
        if (subjects.ok()) {
            ToProto(*subjects, *response);
        }
        reactor->Finish(status::ToGrpc(subjects.status()));
    });
    return reactor;
}

grpc::ServerWriteReactor<Subjects>* IdentityService::SubscribeSubjectsChanged(grpc::CallbackServerContext*,
                                                                              const google::protobuf::Empty*) {
    return service::ChangeStream<Subjects>::Open(streams_, [this](service::ChangeStream<Subjects>::Push push) {
        return identity_.SubscribeSubjects([push = std::move(push)](const std::vector<std::string>& subjects) {
            Subjects message;
            ToProto(subjects, message);
            push("", std::move(message));
        });
    });
}

}  // namespace provhub::api
