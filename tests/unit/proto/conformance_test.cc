// The compiled API against the facts of the contract (iam_api_v6.json). Both are written as lines of text, so that a
// difference shows itself as the lines that are missing or too many.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/runtime/atomic_file.h"
#include "common/v2/common.pb.h"
#include "iamanager/v6/iamanager.pb.h"
#include "iamanager/version.pb.h"
#include "provhub/config/v1/config.pb.h"
#include "provhub/v1/join_tokens.pb.h"
#include "provhub/v1/provhub.pb.h"

namespace provhub {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::Struct;
using ::testing::AnyOf;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Facts = std::set<std::string>;

// From here on field numbers are our own.
constexpr int kFirstOwnNumber = 100;

std::string FieldFact(const std::string& message, const std::string& name, int number, const std::string& type,
                      const std::string& oneof) {
    return absl::StrCat("field ", message, ".", name, " = ", number, ": ", type,
                        oneof.empty() ? "" : absl::StrCat(" in oneof ", oneof));
}

std::string MethodFact(const std::string& service, const std::string& name, bool request_stream,
                       const std::string& request, bool response_stream, const std::string& response) {
    return absl::StrCat("method ", service, ".", name, "(", request_stream ? "stream " : "", request, ") returns (",
                        response_stream ? "stream " : "", response, ")");
}

std::string ValueFact(const std::string& enumeration, const std::string& name, int number) {
    return absl::StrCat("value ", enumeration, ".", name, " = ", number);
}

std::string Text(const Struct& object, const std::string& key) {
    const auto found = object.fields().find(key);
    return found == object.fields().end() ? "" : found->second.string_value();
}

int Number(const Struct& object, const std::string& key) {
    return static_cast<int>(object.fields().at(key).number_value());
}

bool Flag(const Struct& object, const std::string& key) {
    return object.fields().at(key).bool_value();
}

Facts ContractFacts() {
    const auto text = runtime::ReadSmallFile(CONTRACT_FILE, 1 << 20);
    EXPECT_TRUE(text.ok()) << text.status();
    Struct contract;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(text.value_or("{}"), &contract).ok());
    Facts facts;
    for (const auto& [service, methods] : contract.fields().at("services").struct_value().fields()) {
        facts.insert(absl::StrCat("service ", service));
        for (const auto& [name, value] : methods.struct_value().fields()) {
            const Struct& method = value.struct_value();
            facts.insert(MethodFact(service, name, Flag(method, "request_stream"), Text(method, "request"),
                                    Flag(method, "response_stream"), Text(method, "response")));
        }
    }
    for (const auto& [message, fields] : contract.fields().at("messages").struct_value().fields()) {
        facts.insert(absl::StrCat("message ", message));
        for (const auto& [name, value] : fields.struct_value().fields()) {
            const Struct& field = value.struct_value();
            facts.insert(FieldFact(message, name, Number(field, "number"), Text(field, "type"), Text(field, "oneof")));
        }
    }
    for (const auto& [enumeration, values] : contract.fields().at("enums").struct_value().fields()) {
        facts.insert(absl::StrCat("enum ", enumeration));
        for (const auto& [name, value] : values.struct_value().fields()) {
            facts.insert(ValueFact(enumeration, name, static_cast<int>(value.number_value())));
        }
    }
    return facts;
}

std::string ElementType(const FieldDescriptor& field) {
    if (field.message_type() != nullptr) {
        return field.message_type()->full_name();
    }
    return field.enum_type() != nullptr ? field.enum_type()->full_name() : field.type_name();
}

std::string TypeOf(const FieldDescriptor& field) {
    if (field.is_map()) {
        return absl::StrCat("map<", ElementType(*field.message_type()->map_key()), ",",
                            ElementType(*field.message_type()->map_value()), ">");
    }
    return absl::StrCat(field.is_repeated() ? "repeated " : "", ElementType(field));
}

std::string FieldFact(const FieldDescriptor& field) {
    const auto* oneof = field.real_containing_oneof();
    return FieldFact(field.containing_type()->full_name(), field.name(), field.number(), TypeOf(field),
                     oneof == nullptr ? "" : oneof->name());
}

void AddEnum(const EnumDescriptor& enumeration, Facts& facts) {
    facts.insert(absl::StrCat("enum ", enumeration.full_name()));
    for (int i = 0; i < enumeration.value_count(); ++i) {
        facts.insert(ValueFact(enumeration.full_name(), enumeration.value(i)->name(), enumeration.value(i)->number()));
    }
}

void AddMessage(const Descriptor& message, Facts& facts) {
    // The entry of a map is part of the map's type.
    if (message.options().map_entry()) {
        return;
    }
    facts.insert(absl::StrCat("message ", message.full_name()));
    for (int i = 0; i < message.field_count(); ++i) {
        facts.insert(FieldFact(*message.field(i)));
    }
    for (int i = 0; i < message.nested_type_count(); ++i) {
        AddMessage(*message.nested_type(i), facts);
    }
    for (int i = 0; i < message.enum_type_count(); ++i) {
        AddEnum(*message.enum_type(i), facts);
    }
}

void AddServices(const FileDescriptor& file, Facts& facts) {
    for (int i = 0; i < file.service_count(); ++i) {
        const auto& service = *file.service(i);
        facts.insert(absl::StrCat("service ", service.full_name()));
        for (int j = 0; j < service.method_count(); ++j) {
            const auto& method = *service.method(j);
            facts.insert(MethodFact(service.full_name(), method.name(), method.client_streaming(),
                                    method.input_type()->full_name(), method.server_streaming(),
                                    method.output_type()->full_name()));
        }
    }
}

// Every file under proto/, as it was compiled.
std::vector<const FileDescriptor*> CompiledFiles() {
    // Makes the linker keep each file's descriptors.
    const FileDescriptor* const linked[] = {
        common::v2::ErrorInfo::descriptor()->file(),   iamanager::APIVersion::descriptor()->file(),
        iamanager::v6::NodeInfo::descriptor()->file(), iamanager::v6::CertInfo::descriptor()->file(),
        v1::ServerInfo::descriptor()->file(),          v1::Certificate::descriptor()->file(),
        v1::JoinToken::descriptor()->file(),           config::v1::Config::descriptor()->file()};
    std::vector<const FileDescriptor*> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(PROTO_DIR)) {
        if (entry.path().extension() != ".proto") {
            continue;
        }
        const std::string name = entry.path().lexically_relative(PROTO_DIR).string();
        const FileDescriptor* file = DescriptorPool::generated_pool()->FindFileByName(name);
        EXPECT_NE(std::ranges::find(linked, file), std::end(linked)) << name << " is not known to this test";
        if (file != nullptr) {
            files.push_back(file);
        }
    }
    return files;
}

bool IsOwn(const FileDescriptor& file) {
    return absl::StartsWith(file.package(), "provhub.");
}

Facts CompiledFacts() {
    Facts facts;
    for (const FileDescriptor* file : CompiledFiles()) {
        if (IsOwn(*file)) {
            continue;
        }
        AddServices(*file, facts);
        for (int i = 0; i < file->message_type_count(); ++i) {
            AddMessage(*file->message_type(i), facts);
        }
        for (int i = 0; i < file->enum_type_count(); ++i) {
            AddEnum(*file->enum_type(i), facts);
        }
    }
    return facts;
}

Facts Missing(const Facts& from, const Facts& wanted) {
    Facts missing;
    std::ranges::set_difference(wanted, from, std::inserter(missing, missing.end()));
    return missing;
}

// Fields that the contract leaves room for: high numbers, outside of every oneof but that of the RegisterNode
// envelopes, which holds messages of our own package there.
bool HasRoom(const FieldDescriptor& field) {
    if (field.number() < kFirstOwnNumber) {
        return false;
    }
    const auto* oneof = field.real_containing_oneof();
    const Descriptor* message = field.containing_type();
    const bool envelope = message == iamanager::v6::IAMIncomingMessages::descriptor() ||
                          message == iamanager::v6::IAMOutgoingMessages::descriptor();
    return oneof == nullptr || (envelope && field.message_type() != nullptr && IsOwn(*field.message_type()->file()));
}

Facts OwnFields() {
    Facts own;
    for (const FileDescriptor* file : CompiledFiles()) {
        for (int i = 0; i < file->message_type_count(); ++i) {
            for (int j = 0; j < file->message_type(i)->field_count(); ++j) {
                const FieldDescriptor& field = *file->message_type(i)->field(j);
                if (HasRoom(field)) {
                    own.insert(FieldFact(field));
                }
            }
        }
    }
    return own;
}

TEST(Contract, IsNotEmpty) {
    const Facts contract = ContractFacts();
    EXPECT_EQ(contract.count("message iamanager.v6.NodeInfo"), 1U);
    EXPECT_GT(contract.size(), 150U);
}

TEST(Contract, IsCompiledAsItStands) {
    EXPECT_THAT(Missing(CompiledFacts(), ContractFacts()), IsEmpty());
}

TEST(Contract, HasNoAdditionsButFieldsWithNumbersOfOurOwn) {
    EXPECT_THAT(Missing(OwnFields(), Missing(ContractFacts(), CompiledFacts())), IsEmpty());
}

TEST(Contract, LeavesItsPackagesToItself) {
    for (const FileDescriptor* file : CompiledFiles()) {
        EXPECT_THAT(file->package(), AnyOf("common.v2", "iamanager", "iamanager.v6", StartsWith("provhub.")))
            << file->name();
        EXPECT_EQ(file->syntax(), FileDescriptor::SYNTAX_PROTO3) << file->name();
    }
}

TEST(Contract, CarriesTheCorrelationBesideTheOneofOfBothEnvelopes) {
    for (const Descriptor* envelope :
         {iamanager::v6::IAMIncomingMessages::descriptor(), iamanager::v6::IAMOutgoingMessages::descriptor()}) {
        const FieldDescriptor* id = envelope->FindFieldByName("request_id");
        ASSERT_NE(id, nullptr);
        EXPECT_EQ(id->number(), kFirstOwnNumber);
        EXPECT_EQ(id->type(), FieldDescriptor::TYPE_UINT64);
        EXPECT_EQ(id->real_containing_oneof(), nullptr);
    }
}

}  // namespace
}  // namespace provhub
