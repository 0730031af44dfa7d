// The callers of the benchmarks. Each mode writes one line of JSON.
#include <grpcpp/client_context.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/runtime/open_files.h"
#include "common/tls/tls_version.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "tests/bench/closed_loop.h"
#include "tools/nodesim/credentials.h"

namespace provhub::bench {
namespace {

using iamanager::v6::CreateKeyRequest;
using iamanager::v6::CreateKeyResponse;
using iamanager::v6::IAMCertificateService;

// Calls to one server before it is the other one's turn: long enough to get into stride, short enough for all to see
// the same machine.
constexpr int kSlice = 512;
constexpr int kMaxChannels = 32;

// NAME=HOST:PORT=PID
struct Target {
    std::string name;
    std::string address;
    int pid = 0;
};

struct Options {
    std::vector<std::string> targets;
    std::string ca;
    std::string id_prefix = "sim-";
    int nodes = 1;
    int callers = 1;
    int calls = 0;
    double seconds = 5;
};

[[noreturn]] void Fail(const std::string& message) {
    std::cerr << "provhub_bench_load: " << message << "\n";
    std::_Exit(EXIT_FAILURE);
}

Target ParseTarget(const std::string& text) {
    const std::vector<std::string> parts = absl::StrSplit(text, '=');
    Target target;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[2], &target.pid)) {
        Fail("a target is NAME=HOST:PORT=PID, not " + text);
    }
    target.name = parts[0];
    target.address = parts[1];
    return target;
}

nodesim::Connector ConnectorTo(const Target& target, const Options& options) {
    nodesim::Connection connection;
    connection.server = target.address;
    connection.plaintext = options.ca.empty();
    connection.ca_directory = options.ca;
    auto connector = nodesim::CreateConnector(connection);
    if (!connector.ok()) {
        Fail(connector.status().ToString());
    }
    return *std::move(connector);
}

std::shared_ptr<grpc::Channel> Channel(const nodesim::Connector& connector) {
    auto channel = connector("caller");
    if (!channel.ok()) {
        Fail(channel.status().ToString());
    }
    return *std::move(channel);
}

std::vector<std::string> Nodes(const Options& options) {
    std::vector<std::string> nodes;
    for (int i = 1; i <= options.nodes; ++i) {
        nodes.push_back(absl::StrFormat("%s%05d", options.id_prefix, i));
    }
    return nodes;
}

absl::Duration CpuTimeOf(int pid) {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
        Fail("a server has ended");
    }
    return absl::DurationFromTimespec(time);
}

// The same calls to every target in turns.
nlohmann::json RunClosedLoop(const Options& options) {
    struct Measured {
        Target target;
        std::unique_ptr<ClosedLoop> loop;
        Latencies latencies = {};
        absl::Duration cpu = absl::ZeroDuration();
    };
    std::vector<Measured> all;
    for (const std::string& text : options.targets) {
        const Target target = ParseTarget(text);
        const auto connector = ConnectorTo(target, options);
        all.push_back({target, std::make_unique<ClosedLoop>([&] { return Channel(connector); }, options.callers,
                                                            Nodes(options))});
        Latencies warm_up;
        all.back().loop->Run(kSlice, warm_up);
    }
    const absl::Time end = absl::Now() + absl::Seconds(options.seconds);
    while (absl::Now() < end) {
        for (Measured& one : all) {
            const absl::Duration before = CpuTimeOf(one.target.pid);
            one.loop->Run(kSlice, one.latencies);
            one.cpu += CpuTimeOf(one.target.pid) - before;
        }
    }
    nlohmann::json result;
    for (const Measured& one : all) {
        const auto calls = static_cast<double>(one.latencies.size());
        result[one.target.name] = {{"calls", one.latencies.size()},
                                   {"per_s", one.latencies.PerSecond()},
                                   {"p50_us", one.latencies.Quantile(0.5)},
                                   {"p99_us", one.latencies.Quantile(0.99)},
                                   {"cpu_us", absl::ToDoubleMicroseconds(one.cpu) / calls}};
    }
    return result;
}

// All calls at once; says "open" when they are begun.
nlohmann::json RunAtOnce(const Options& options) {
    struct Call {
        grpc::ClientContext context;
        CreateKeyRequest request;
        CreateKeyResponse response;
    };
    const auto connector = ConnectorTo(ParseTarget(options.targets.front()), options);
    std::vector<std::unique_ptr<IAMCertificateService::Stub>> stubs;
    for (int i = 0; i < std::min(options.calls, kMaxChannels); ++i) {
        stubs.push_back(IAMCertificateService::NewStub(Channel(connector)));
    }
    const std::vector<std::string> nodes = Nodes(options);
    absl::Mutex mutex;
    std::map<std::string, int> ended;
    int left = options.calls;
    std::vector<std::unique_ptr<Call>> calls;
    const absl::Time begun = absl::Now();
    for (int i = 0; i < options.calls; ++i) {
        const auto nth = static_cast<std::size_t>(i);
        calls.push_back(std::make_unique<Call>());
        Call& call = *calls.back();
        call.context.set_deadline(absl::ToChronoTime(begun + absl::Seconds(options.seconds)));
        call.request = RequestTo(nodes[nth % nodes.size()]);
        stubs[nth % stubs.size()]->async()->CreateKey(
            &call.context, &call.request, &call.response, [&](const grpc::Status& status) {
                absl::MutexLock lock(&mutex);
                ++ended[status.ok() ? "ok" : "status " + std::to_string(status.error_code())];
                --left;
            });
    }
    std::cerr << "open" << std::endl;
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(
        +[](int* count) { return *count == 0; }, &left));
    return {{"ended", ended}, {"seconds", absl::ToDoubleSeconds(absl::Now() - begun)}};
}

// One call after each silence, by the synchronous API, which does not sleep itself.
nlohmann::json RunAfterSilence(const Options& options) {
    const auto connector = ConnectorTo(ParseTarget(options.targets.front()), options);
    const auto stub = IAMCertificateService::NewStub(Channel(connector));
    const CreateKeyRequest request = RequestTo(Nodes(options).front());
    std::vector<double> milliseconds;
    for (int i = 0; i <= options.calls; ++i) {
        // From one second on, at moments that have nothing to do with any timer of the servers.
        absl::SleepFor(absl::Milliseconds(1050 + i * 37 % 450));
        grpc::ClientContext context;
        CreateKeyResponse response;
        const absl::Time begun = absl::Now();
        if (const auto status = stub->CreateKey(&context, request, &response); !status.ok()) {
            Fail(status.error_message());
        }
        // The first one connects.
        if (i > 0) {
            milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - begun));
        }
    }
    return {{"milliseconds", milliseconds}};
}

}  // namespace
}  // namespace provhub::bench

int main(int argc, char** argv) {
    using namespace provhub::bench;
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    provhub::tls::RequireTls13();
    provhub::runtime::RaiseOpenFilesLimit();
    Options options;
    CLI::App app("Calls CreateKey of main nodes.", "provhub_bench_load");
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--target", options.targets, "NAME=HOST:PORT=PID")->required();
    app.add_option("--ca", options.ca, "Directory of a development CA: mutual TLS");
    app.add_option("--id-prefix", options.id_prefix);
    app.add_option("--nodes", options.nodes);
    app.add_option("--callers", options.callers);
    app.add_option("--calls", options.calls);
    app.add_option("--seconds", options.seconds, "Duration, or the deadline of calls at once");
    const auto print = [](const nlohmann::json& result) { std::cout << result << std::endl; };
    app.add_subcommand("closed-loop")->callback([&] { print(RunClosedLoop(options)); });
    app.add_subcommand("at-once")->callback([&] { print(RunAtOnce(options)); });
    app.add_subcommand("after-silence")->callback([&] { print(RunAfterSilence(options)); });
    CLI11_PARSE(app, argc, argv);
    return EXIT_SUCCESS;
}
