#include "tests/component/hub/grpc_standard_calls.h"

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>

#include <future>

namespace provhub::test {
namespace {

// Carries any message in its unknown fields.
using google::protobuf::Empty;
using google::protobuf::UnknownFieldSet;

// Also serves a bidirectional stream with one message each way: on the wire that is the same.
Empty Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, const Empty& request) {
    grpc::TemplatedGenericStub<Empty, Empty> stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    Empty response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, method, {}, &request, &response,
                   [&done](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    EXPECT_TRUE(status.ok()) << method << ": " << status.error_message();
    return response;
}

const UnknownFieldSet& FieldsOf(const Empty& message) {
    return message.GetReflection()->GetUnknownFields(message);
}

Empty Parse(const std::string& bytes) {
    Empty message;
    EXPECT_TRUE(message.ParseFromString(bytes));
    return message;
}

}  // namespace

bool IsServing(const std::shared_ptr<grpc::Channel>& channel) {
    constexpr int kStatus = 1;
    constexpr std::uint64_t kServing = 1;
    const Empty response = Call(channel, "/grpc.health.v1.Health/Check", {});
    const UnknownFieldSet& fields = FieldsOf(response);
    return fields.field_count() == 1 && fields.field(0).number() == kStatus && fields.field(0).varint() == kServing;
}

std::set<std::string> ReflectedServices(const std::shared_ptr<grpc::Channel>& channel) {
    constexpr int kListServices = 7;
    constexpr int kListServicesResponse = 6;
    constexpr int kService = 1;
    constexpr int kName = 1;
    Empty request;
    request.GetReflection()->MutableUnknownFields(&request)->AddLengthDelimited(kListServices)->assign("*");
    const Empty response = Call(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", request);
    std::set<std::string> names;
    const UnknownFieldSet& fields = FieldsOf(response);
    for (int i = 0; i < fields.field_count(); ++i) {
        if (fields.field(i).number() != kListServicesResponse) {
            continue;
        }
        const Empty list = Parse(fields.field(i).length_delimited());
        for (int j = 0; j < FieldsOf(list).field_count(); ++j) {
            const auto& entry = FieldsOf(list).field(j);
            const Empty service = Parse(entry.length_delimited());
            if (entry.number() == kService && FieldsOf(service).field_count() > 0 &&
                FieldsOf(service).field(0).number() == kName) {
                names.insert(FieldsOf(service).field(0).length_delimited());
            }
        }
    }
    return names;
}

}  // namespace provhub::test
