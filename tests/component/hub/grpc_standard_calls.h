// Calls of gRPC's own services, whose generated code no Debian package has.
#ifndef PROVHUB_TESTS_COMPONENT_HUB_GRPC_STANDARD_CALLS_H_
#define PROVHUB_TESTS_COMPONENT_HUB_GRPC_STANDARD_CALLS_H_

#include <grpcpp/channel.h>

#include <memory>
#include <set>
#include <string>

namespace provhub::test {

// grpc.health.v1.Health/Check of the whole server says SERVING.
bool IsServing(const std::shared_ptr<grpc::Channel>& channel);

// The services that the server names by reflection.
std::set<std::string> ReflectedServices(const std::shared_ptr<grpc::Channel>& channel);

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_COMPONENT_HUB_GRPC_STANDARD_CALLS_H_
