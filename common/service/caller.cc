#include "common/service/caller.h"

#include <grpc/grpc_security.h>
#include <grpcpp/server_context.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace provhub::service {
namespace {

constexpr char kListener[] = "provhub_listener";
constexpr char kName[] = "provhub_caller";
constexpr char kNodeId[] = "provhub_node_id";

// All calls of a connection share its properties, which gRPC does not guard.
absl::Mutex& PropertiesMutex() {
    static auto* const mutex = new absl::Mutex();
    return *mutex;
}

bool IsNoted(grpc_auth_context* context) {
    absl::ReaderMutexLock lock(&PropertiesMutex());
    grpc_auth_property_iterator found = grpc_auth_context_find_properties_by_name(context, kListener);
    return grpc_auth_property_iterator_next(&found) != nullptr;
}

void Add(grpc_auth_context* context, const char* name, const std::string& value) {
    grpc_auth_context_add_property(context, name, value.data(), value.size());
}

std::vector<std::string> Values(const grpc::AuthContext& context, const char* name) {
    std::vector<std::string> values;
    for (const grpc::string_ref& value : context.FindPropertyValues(name)) {
        values.emplace_back(value.data(), value.size());
    }
    return values;
}

}  // namespace

Caller CallerOf(const grpc::ServerContextBase& context) {
    Caller caller;
    if (const auto connection = context.auth_context(); connection != nullptr) {
        absl::ReaderMutexLock lock(&PropertiesMutex());
        if (const auto names = Values(*connection, kName); !names.empty()) {
            caller.authenticated = true;
            caller.name = names.front();
            caller.node_ids = Values(*connection, kNodeId);
        }
        if (const auto listeners = Values(*connection, kListener); !listeners.empty()) {
            caller.listener = listeners.front();
        }
    }
    if (!caller.authenticated) {
        caller.name = absl::StrCat("anonymous ", context.peer());
    }
    return caller;
}

absl::string_view PropertyOf(grpc_auth_context* context, const char* name) {
    absl::ReaderMutexLock lock(&PropertiesMutex());
    grpc_auth_property_iterator found = grpc_auth_context_find_properties_by_name(context, name);
    const grpc_auth_property* property = grpc_auth_property_iterator_next(&found);
    return property == nullptr ? absl::string_view() : absl::string_view(property->value, property->value_length);
}

void NoteCaller(grpc_auth_context* context, const Caller& caller) {
    if (IsNoted(context)) {
        return;
    }
    absl::MutexLock lock(&PropertiesMutex());
    grpc_auth_property_iterator found = grpc_auth_context_find_properties_by_name(context, kListener);
    if (grpc_auth_property_iterator_next(&found) != nullptr) {
        return;
    }
    Add(context, kListener, caller.listener);
    if (!caller.authenticated) {
        return;
    }
    Add(context, kName, caller.name);
    for (const std::string& node_id : caller.node_ids) {
        Add(context, kNodeId, node_id);
    }
}

}  // namespace provhub::service
