// What it costs to forward a call to a node instead of answering it on the main node.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/bench_process.h"
#include "tests/bench/closed_loop.h"
#include "tests/bench/forwarding_roles.h"

namespace provhub::bench {
namespace {

// Calls to one server before it is the other one's turn: long enough to get into stride, short enough for both to see
// the same machine.
constexpr int kSlice = 512;

// The unit that is measured: two processes beside this one.
class Unit {
 public:
    Unit() : hub_({"hub"}) {
        const std::string public_port = hub_.ReadLine();
        forwarded_ = absl::StrCat("127.0.0.1:", hub_.ReadLine());
        direct_ = absl::StrCat("127.0.0.1:", hub_.ReadLine());
        agent_ =
            std::make_unique<BenchProcess>(std::vector<std::string>{"agent", absl::StrCat("127.0.0.1:", public_port)});
        hub_.ReadLine();
    }

    const std::string& forwarded() const { return forwarded_; }
    const std::string& direct() const { return direct_; }
    absl::Duration HubCpuTime() const { return hub_.CpuTime(); }

 private:
    BenchProcess hub_;
    std::unique_ptr<BenchProcess> agent_;
    std::string forwarded_;
    std::string direct_;
};

struct Measured {
    Latencies latencies;
    absl::Duration hub_cpu;

    double HubCpuPerCall() const { return absl::ToDoubleMicroseconds(hub_cpu) / static_cast<double>(latencies.size()); }
};

void RunSlice(const Unit& unit, ClosedLoop& loop, Measured& measured) {
    const absl::Duration before = unit.HubCpuTime();
    loop.Run(kSlice, measured.latencies);
    measured.hub_cpu += unit.HubCpuTime() - before;
}

void Report(benchmark::State& state, const std::string& name, const Measured& measured) {
    state.counters[name + "_per_s"] = measured.latencies.PerSecond();
    state.counters[name + "_p50_us"] = measured.latencies.Quantile(0.5);
    state.counters[name + "_p99_us"] = measured.latencies.Quantile(0.99);
    state.counters[name + "_hub_cpu_us"] = measured.HubCpuPerCall();
}

void Forwarding(benchmark::State& state) {
    const Unit unit;
    ClosedLoop direct_loop(unit.direct(), static_cast<int>(state.range(0)));
    ClosedLoop forwarded_loop(unit.forwarded(), static_cast<int>(state.range(0)));
    Latencies warm_up;
    direct_loop.Run(kSlice, warm_up);
    forwarded_loop.Run(kSlice, warm_up);
    Measured direct;
    Measured forwarded;
    while (state.KeepRunning()) {
        RunSlice(unit, direct_loop, direct);
        RunSlice(unit, forwarded_loop, forwarded);
    }
    Report(state, "direct", direct);
    Report(state, "forwarded", forwarded);
    state.counters["p50_ratio"] = forwarded.latencies.Quantile(0.5) / direct.latencies.Quantile(0.5);
    state.counters["p99_ratio"] = forwarded.latencies.Quantile(0.99) / direct.latencies.Quantile(0.99);
    state.counters["hub_cpu_ratio"] = forwarded.HubCpuPerCall() / direct.HubCpuPerCall();
}
BENCHMARK(Forwarding)->ArgName("callers")->Arg(1)->Arg(64)->MinTime(5)->UseRealTime()->Unit(benchmark::kMillisecond);

int Run(int argc, char** argv) {
    // As the daemons do.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    const absl::string_view role = argc > 1 ? argv[1] : "";
    if (role == "hub") {
        RunHub();
        return 0;
    }
    if (role == "agent" && argc > 2) {
        RunAgent(argv[2]);
        return 0;
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 1;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

}  // namespace
}  // namespace provhub::bench

int main(int argc, char** argv) {
    return provhub::bench::Run(argc, argv);
}
